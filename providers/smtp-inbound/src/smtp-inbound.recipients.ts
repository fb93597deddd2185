import { plainAddress, splitAddress } from './mail';
import { SmtpReply } from './smtp-inbound.reply';
import type { SmtpInboundSettings } from './smtp-inbound.settings';

/** Who mail is taken for. */
export class Recipients {
  private readonly domains: ReadonlySet<string>;
  private readonly listed: ReadonlySet<string> | undefined;

  constructor({ domains, recipients }: Pick<SmtpInboundSettings, 'domains' | 'recipients'>) {
    this.domains = new Set(domains);
    this.listed = recipients && new Set(recipients.map(plainAddress));
  }

  /** Undefined if mail to this address is taken, otherwise the answer to RCPT. */
  refusal(address: string): SmtpReply | undefined {
    const split = splitAddress(address);
    if (!split) return new SmtpReply(501, '5.1.3 No valid address');
    if (!this.domains.has(split.domain)) return new SmtpReply(550, '5.7.1 No mail is taken for that domain');
    if (!this.listed) return undefined;
    const base = split.local.split('+')[0] ?? '';
    const known = [`${split.local}@${split.domain}`, `${base}@${split.domain}`].some((each) =>
      this.listed?.has(plainAddress(each)),
    );
    return known ? undefined : new SmtpReply(550, '5.1.1 No such address here');
  }
}
