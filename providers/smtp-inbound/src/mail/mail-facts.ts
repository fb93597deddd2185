import type { Fact } from '@ictcore/contract';
import { isHardBounce } from './delivery-status';
import { spoolOfEnvelopeId, spoolOfVerp } from './mail-address';
import type { ParsedMail } from './parsed-mail';

/** Longest value of a fact that a stranger writes, in characters. */
const MAX_DATA = 2000;
/** Header fields that become facts, by the fact's name. */
const FIELDS: Readonly<Record<string, string>> = {
  in_reply_to: 'in-reply-to',
  references: 'references',
  date: 'date',
};
/** Fields of addresses that become facts, by the fact's name: addr-specs with commas between them. */
const ADDRESS_FIELDS: Readonly<Record<string, string>> = { reply_to: 'reply-to', header_to: 'to', header_cc: 'cc' };

/** A fact of type `info`, its data shortened; none for an empty text. */
export function fact(name: string, data: string | undefined): Fact[] {
  return data ? [{ type: 'info', name, data: data.slice(0, MAX_DATA) }] : [];
}

/**
 * What programs need of a mail beside its body: ids, who wrote to whom, whether a machine wrote it, how its files were
 * placed, and what a bounce says about which attempt.
 *
 * @param recipient the envelope recipient, for VERP
 * @param envelopeFrom the envelope sender, empty for bounces (RFC 5321 section 4.5.5); undefined if it is not known
 */
export function mailFacts(mail: ParsedMail, recipient: string, envelopeFrom: string | undefined): Fact[] {
  const fields = Object.entries(FIELDS).flatMap(([name, field]) => fact(name, mail.headers.get(field)));
  const addresses = Object.entries(ADDRESS_FIELDS).flatMap(([name, field]) =>
    fact(name, mail.addresses.get(field)?.join(', ')),
  );
  const places = mail.places.map(({ name, disposition, contentId }) => [name, disposition, contentId]);
  return [
    ...fact('message_id', mail.messageId),
    ...fields,
    ...addresses,
    ...fact('automatic', automaticReason(mail, envelopeFrom)),
    ...fact('hops', String(mail.hops)),
    // Not shortened: half a JSON is none. Names are at most 200 characters, files at most as many as the settings say.
    ...(places.length > 0 ? [{ type: 'info', name: 'files', data: JSON.stringify(places) } as const] : []),
    ...bounceFacts(mail, recipient),
  ];
}

/**
 * Why a mail was written by a machine, so that nothing may answer it (RFC 3834 section 2): a bounce, an auto-reply, a
 * mailing list. Undefined if a person seems to have written it.
 */
export function automaticReason({ headers, deliveryStatus }: ParsedMail, envelopeFrom?: string): string | undefined {
  const submitted = headers.get('auto-submitted')?.split(';')[0]?.trim().toLowerCase();
  if (submitted && submitted !== 'no') return `auto-submitted: ${submitted}`;
  if (deliveryStatus) return 'delivery status notification';
  if (/multipart\/report/i.test(headers.get('content-type') ?? '')) return 'report';
  if (envelopeFrom === '') return 'empty envelope sender';
  const precedence = headers.get('precedence')?.toLowerCase();
  if (precedence && /^(bulk|junk|list|auto_reply)$/.test(precedence)) return `precedence: ${precedence}`;
  if (headers.has('list-id')) return 'list';
  for (const name of ['x-autoreply', 'x-autorespond', 'x-auto-response-suppress']) {
    // Microsoft's clients write the last one on mails of people too: only "All" means a machine.
    if (headers.has(name) && (name !== 'x-auto-response-suppress' || /\ball\b/i.test(headers.get(name) ?? ''))) {
      return name;
    }
  }
  return undefined;
}

/**
 * What a delivery status notification says, and about which attempt: by the address it came to (VERP), else by the
 * envelope id that it repeats. A bounce without a status (from a server that writes prose) has `bounce_spool` alone.
 */
function bounceFacts({ deliveryStatus }: ParsedMail, recipient: string): Fact[] {
  const spool = spoolOfVerp(recipient) ?? spoolOfEnvelopeId(deliveryStatus?.envelopeId ?? '');
  const worst = deliveryStatus?.recipients.find(({ action }) => action === 'failed') ?? deliveryStatus?.recipients[0];
  return [
    ...fact('bounce_spool', spool === undefined ? undefined : String(spool)),
    ...fact('bounce_action', worst?.action),
    ...fact('bounce_status', worst?.status),
    ...fact('bounce_detail', worst?.diagnostic || (worst && `${worst.action} ${worst.status}`.trim())),
    ...fact('bounce_recipient', worst?.recipient),
    ...fact('bounce_type', worst?.action === 'failed' ? (isHardBounce(worst) ? 'hard' : 'soft') : undefined),
  ];
}
