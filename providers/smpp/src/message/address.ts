import type { SmppSettings } from '../smpp.settings';

/** A number or name as SMPP addresses it (3.4 sections 5.2.5 and 5.2.6). */
export interface Address {
  ton: number;
  npi: number;
  addr: string;
}

const TON = { unknown: 0, international: 1, networkSpecific: 3, alphanumeric: 5 } as const;
const NPI = { unknown: 0, isdn: 1 } as const;
/** Up to this many digits a sender is a short code. */
const SHORT_CODE = 6;
/** Octets of an alphanumeric sender: 11 characters of 7 bits (3GPP TS 23.040 section 9.1.2.5). */
const MAX_NAME = 11;
const MAX_DIGITS = 20;

/**
 * A number by the row's prefix rules (API section 3.11): of `strip|add` pairs, separated by commas, the first whose
 * `strip` begins the number rewrites it; a plain prefix is put before every number. Numbers are tried with their `+`
 * and without.
 */
export function applyPrefix(number: string, rules: string): string {
  const bare = number.replace(/^\+/, '');
  for (const rule of rules.split(',').map((each) => each.trim())) {
    if (rule === '') continue;
    const [strip, add] = rule.split('|');
    if (add === undefined) return `${rule}${bare}`;
    for (const form of number === bare ? [number] : [number, bare]) {
      if (form.startsWith(strip ?? '')) return `${add}${form.slice((strip ?? '').length)}`;
    }
  }
  return number;
}

/** The recipient, or undefined if there is no number that SMPP could carry. */
export function destinationOf(phone: string | null, prefix: string, settings: SmppSettings): Address | undefined {
  const number = applyPrefix(withoutPunctuation(phone ?? ''), prefix);
  const international = number.startsWith('+');
  const addr = number.replace(/^\+/, '');
  if (!/^[0-9*#]+$/.test(addr) || addr.length > MAX_DIGITS) return undefined;
  const ton = settings.dest_ton ?? (international ? TON.international : TON.unknown);
  return { ton, npi: settings.dest_npi ?? NPI.isdn, addr };
}

/**
 * The sender. Without one the carrier's own is used (SMPP 3.4 section 4.4.1). A name gets TON 5, `+` and digits TON 1,
 * up to six digits TON 3 (a short code).
 */
export function sourceOf(phone: string | null, settings: SmppSettings): Address | undefined {
  const given = settings.source_addr ?? phone ?? '';
  const number = withoutPunctuation(given);
  const { ton, npi, addr } = formOf(given, number);
  const isName = ton === TON.alphanumeric;
  if (addr.length > (isName ? MAX_NAME : MAX_DIGITS) || !/^[\x20-\x7e]*$/.test(addr)) return undefined;
  return { ton: settings.source_ton ?? ton, npi: settings.source_npi ?? npi, addr };
}

function formOf(given: string, number: string): Address {
  if (given === '') return { ton: TON.unknown, npi: NPI.unknown, addr: '' };
  if (/^\+[0-9]+$/.test(number)) return { ton: TON.international, npi: NPI.isdn, addr: number.slice(1) };
  if (!/^[0-9*#]+$/.test(number)) return { ton: TON.alphanumeric, npi: NPI.unknown, addr: given };
  if (number.length <= SHORT_CODE) return { ton: TON.networkSpecific, npi: NPI.unknown, addr: number };
  return { ton: TON.unknown, npi: NPI.isdn, addr: number };
}

/** A number as people write it, without spaces, hyphens, dots and brackets. A name stays as it is. */
function withoutPunctuation(phone: string): string {
  return /[a-z]/i.test(phone) ? phone : phone.replace(/[\s().\-/]/g, '');
}

/** The number of an inbound message, with a `+` where it is known to be international. */
export function inboundNumber(ton: number, addr: string, rule: SmppSettings['inbound_numbers']): string {
  const digits = /^[0-9]+$/.test(addr);
  if (!digits || rule === 'as_is') return addr;
  if (rule === 'international') return addr.length >= 7 ? `+${addr}` : addr;
  return ton === TON.international ? `+${addr}` : addr;
}
