import type { ImapSettings } from './imap.settings';
import { type ParsedMail, plainAddress, splitAddress } from './mail';

type Rules = Pick<ImapSettings, 'domains' | 'address' | 'recipient_headers'>;

/**
 * Whom a mail in a mailbox is for. The envelope is gone by then, so it is, in this order: what the mail server wrote
 * into the header on delivery; with `domains`, every address of them in To and Cc; the mailbox's own address; the first
 * of To. Always at least one, unless the mail names nobody at all.
 */
export function recipientsOf(mail: ParsedMail, rules: Rules, username: string): string[] {
  const domains = rules.domains?.length ? new Set(rules.domains) : undefined;
  const isOurs = (address: string) => domains === undefined || domains.has(splitAddress(address)?.domain ?? '');
  const written = rules.recipient_headers.flatMap((name) => addressIn(mail.headers.get(name)));
  const envelope = written.find(isOurs);
  if (envelope !== undefined) return [envelope];
  const named = [...(mail.addresses.get('to') ?? []), ...(mail.addresses.get('cc') ?? [])];
  const ours = domains ? named.filter(isOurs) : [];
  if (ours.length > 0) return [...new Map(ours.map((each) => [plainAddress(each), each])).values()];
  const own = rules.address ?? (splitAddress(username) ? username : undefined);
  return [own ?? named[0] ?? written[0]].filter((each) => each !== undefined);
}

function addressIn(value: string | undefined): string[] {
  const address = /[^\s<>,;"]+@[^\s<>,;"]+/.exec(value ?? '')?.[0];
  return address === undefined ? [] : [address];
}
