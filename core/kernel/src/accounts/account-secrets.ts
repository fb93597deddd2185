import { randomBytes, randomInt } from 'node:crypto';
import type { SecretBox } from '../boot/secrets';

/** What of an account is stored encrypted. */
export interface AccountSecrets {
  /** SIP secret. */
  passwd: string | null;
  /** Voicemail PIN. */
  passwd_pin: string | null;
}

const NONE: AccountSecrets = { passwd: null, passwd_pin: null };

/** The secrets as stored; null if there are none. */
export function sealSecrets(box: SecretBox, accountId: number, secrets: AccountSecrets): string | null {
  if (secrets.passwd === null && secrets.passwd_pin === null) return null;
  return box.seal(purposeOf(accountId), JSON.stringify(secrets));
}

/** @throws `SECRET_UNREADABLE` if they were sealed for another account or with another key */
export function openSecrets(box: SecretBox, accountId: number, sealed: string | null): AccountSecrets {
  if (sealed === null) return NONE;
  return { ...NONE, ...(JSON.parse(box.open(purposeOf(accountId), sealed)) as Partial<AccountSecrets>) };
}

/** Random secrets for a new user's default account. */
export function randomSecrets(): AccountSecrets {
  return { passwd: randomBytes(18).toString('base64url'), passwd_pin: String(randomInt(10_000)).padStart(4, '0') };
}

function purposeOf(accountId: number): string {
  return `account:${accountId}`;
}
