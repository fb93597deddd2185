import { isIP, isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not get through
const UNSAFE = /[\x00-\x20\x7f<>(),;:\\"\u0085\u2028\u2029]/;
const DOMAIN = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/i;
/** RFC 5321 section 4.5.3.1: 64 octets of local part, 255 of domain. */
const MAX_LOCAL = 64;
const MAX_DOMAIN = 255;

/**
 * An address in the form SMTP wants: a domain beyond ASCII as its A-label (RFC 5891), a bare IP address in brackets
 * (RFC 5321 section 4.1.3). Undefined if it is no single plain address: nothing that could begin a second address, a
 * comment or another line is let through. Quoted local parts are refused.
 */
export function mailAddress(text: string | null | undefined): string | undefined {
  const at = text?.lastIndexOf('@') ?? -1;
  if (!text || at < 1) return undefined;
  const local = text.slice(0, at);
  if (UNSAFE.test(local) || local.includes('@') || Buffer.byteLength(local) > MAX_LOCAL) return undefined;
  if (/^\.|\.$|\.\./.test(local)) return undefined;
  const domain = mailDomain(text.slice(at + 1));
  return domain === undefined ? undefined : `${local}@${domain}`;
}

function mailDomain(text: string): string | undefined {
  const literal = /^\[(?:IPv6:)?([0-9a-f:.]+)\]$/i.exec(text)?.[1] ?? text;
  if (isIP(literal)) return isIPv6(literal) ? `[IPv6:${literal}]` : `[${literal}]`;
  if (UNSAFE.test(text)) return undefined;
  const ascii = domainToASCII(text);
  return DOMAIN.test(ascii) && ascii.length <= MAX_DOMAIN ? ascii : undefined;
}

/** A text that fits in one header line: control characters, line ends above all, become a space. */
export function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not get through
  return text.replace(/[\x00-\x1f\x7f\u0085\u2028\u2029]+/g, ' ').trim();
}

/** The address that bounces of one attempt come to: `bounce+spool42@example.com` (VERP). */
export function verpAddress(envelopeFrom: string, spoolId: number): string {
  const at = envelopeFrom.lastIndexOf('@');
  return `${envelopeFrom.slice(0, at)}+spool${spoolId}${envelopeFrom.slice(at)}`;
}
