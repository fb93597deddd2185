import { createHash, timingSafeEqual } from 'node:crypto';
import type { ProviderConfig } from '@ictcore/contract';
import type { SmtpInboundSettings } from './smtp-inbound.settings';

/** Names and passwords that SMTP AUTH takes. */
export class Logins {
  private readonly passwords = new Map<string, string>();

  constructor({ username, password, settings }: Pick<ProviderConfig<SmtpInboundSettings>, LoginFields>) {
    for (const line of (settings.auth_users ?? '').split('\n').map((each) => each.trim())) {
      const colon = line.indexOf(':');
      if (colon > 0) this.passwords.set(line.slice(0, colon), line.slice(colon + 1));
    }
    if (username !== '' && password !== '') this.passwords.set(username, password);
  }

  get size(): number {
    return this.passwords.size;
  }

  /** Compares in constant time. */
  isRight(username: string, password: string): boolean {
    const known = this.passwords.get(username);
    const same = timingSafeEqual(digest(known ?? ''), digest(password));
    return known !== undefined && same;
  }
}

type LoginFields = 'username' | 'password' | 'settings';

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
