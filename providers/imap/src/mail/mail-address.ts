import { domainToASCII } from 'node:url';

/** The local part and the domain of an address; the domain in lower case, as its A-label (RFC 5891). */
export interface SplitAddress {
  readonly local: string;
  readonly domain: string;
}

/** Splits an address at its last `@`; undefined if it has no local part or no domain. */
export function splitAddress(address: string): SplitAddress | undefined {
  const at = address.lastIndexOf('@');
  const local = address.slice(0, Math.max(0, at));
  const domain = plainDomain(address.slice(at + 1));
  return local === '' || domain === '' ? undefined : { local, domain };
}

/** A domain in the form in which domains are compared: A-labels in lower case, without a final dot. */
export function plainDomain(domain: string): string {
  const text = domain.trim().replace(/\.$/, '').toLowerCase();
  return text.startsWith('[') ? text : domainToASCII(text);
}

/** An address in the form in which addresses are compared: all in lower case (RFC 5321 lets few do otherwise). */
export function plainAddress(address: string): string {
  const split = splitAddress(address.trim());
  return split ? `${split.local.toLowerCase()}@${split.domain}` : address.trim().toLowerCase();
}

/**
 * The attempt (spool id) whose bounces come to this address: 42 for `bounce+spool42@example.com` (VERP), as the driver
 * `smtp` writes it into the envelope sender. Undefined for any other address.
 */
export function spoolOfVerp(address: string): number | undefined {
  return idIn(/\+spool(\d{1,15})$/i.exec(splitAddress(address)?.local ?? ''));
}

/** The attempt of an envelope id (RFC 3461 ENVID) `spool42`, as the driver `smtp` gives it. */
export function spoolOfEnvelopeId(envelopeId: string): number | undefined {
  return idIn(/^spool(\d{1,15})$/i.exec(envelopeId.trim()));
}

function idIn(match: RegExpExecArray | null): number | undefined {
  const id = Number(match?.[1]);
  return Number.isSafeInteger(id) && id > 0 ? id : undefined;
}
