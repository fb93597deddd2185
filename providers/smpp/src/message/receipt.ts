import { type Accepted, accepted, delivered, type Fact, type FinalOutcome, failed, refused } from '@ictcore/contract';
import { type MessageBody, TAG, tlvNumber, tlvText } from '../pdu';
import type { SmppSettings } from '../smpp.settings';

/** A delivery receipt as the carrier wrote it (SMPP 3.4 appendix B and section 5.3.2). */
export interface Receipt {
  /** As in the receipt; see {@link refOfReceipt}. */
  id: string;
  /** One of the words of appendix B, upper case; `UNKNOWN` for what is none. */
  state: string;
  /** The carrier's error code; empty if none. */
  error: string;
  /** Seconds since 1970 when it was done, as the text has it, in the carrier's own zone; undefined if none. */
  doneDate: string;
}

const DELIVERY_RECEIPT = 0x04;
const INTERMEDIATE = 0x20;
/** message_state (SMPP 3.4 section 5.2.28). */
const STATES: Readonly<Record<number, string>> = {
  0: 'SCHEDULED',
  1: 'ENROUTE',
  2: 'DELIVRD',
  3: 'EXPIRED',
  4: 'DELETED',
  5: 'UNDELIV',
  6: 'ACCEPTD',
  7: 'UNKNOWN',
  8: 'REJECTD',
};
/** Some carriers write the states out or shorten them in their own way. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/^DELIV/, 'DELIVRD'],
  [/^EXPIR/, 'EXPIRED'],
  [/^DELET/, 'DELETED'],
  [/^UNDEL/, 'UNDELIV'],
  [/^FAIL/, 'UNDELIV'],
  [/^ACCEP/, 'ACCEPTD'],
  [/^REJEC/, 'REJECTD'],
  [/^ENROU|^BUFFER/, 'ENROUTE'],
  [/^SCHED/, 'SCHEDULED'],
];

/**
 * The receipt in a deliver_sm or data_sm; undefined if it is a message of a person, or names no id. The text is only
 * believed where esm_class, or a parameter that handsets cannot write, says that it is a receipt.
 */
export function receiptOf(body: MessageBody, text: string, settings: SmppSettings): Receipt | undefined {
  const type = body.esmClass & 0x3c;
  const flagged = type === DELIVERY_RECEIPT || type === INTERMEDIATE;
  const tlvId = tlvText(body.tlvs, TAG.receipted_message_id);
  const tlvState = tlvNumber(body.tlvs, TAG.message_state);
  const byTlv = tlvId !== undefined && tlvState !== undefined;
  const looksLikeOne = settings.receipts_without_flag && /^id:\S+ .*\bstat:\w+/is.test(text);
  if (!flagged && !byTlv && !looksLikeOne) return undefined;
  // Whitespace is bounded: a hostile text must not make this backtrack.
  const field = (name: string) => new RegExp(`\\b${name}:[ ]{0,3}([^\\s]{1,64})`, 'i').exec(text)?.[1];
  const textId = field('id');
  const id = settings.receipt_id_from === 'text' ? (textId ?? tlvId) : (tlvId ?? textId);
  if (id === undefined || id === '') return undefined;
  const word = field('stat')?.toUpperCase();
  const state = word === undefined ? STATES[tlvState ?? -1] : WORDS.find(([form]) => form.test(word))?.[1];
  return {
    id,
    state: state ?? STATES[tlvState ?? -1] ?? 'UNKNOWN',
    error: field('err') ?? networkError(body.tlvs.get(TAG.network_error_code)),
    doneDate: /\bdone date:[ ]{0,3}(\d{10,12})/i.exec(text)?.[1] ?? '',
  };
}

/** True for what claims to be a receipt by esm_class. */
export function isFlaggedReceipt(body: MessageBody): boolean {
  return (body.esmClass & 0x3c) === DELIVERY_RECEIPT || (body.esmClass & 0x3c) === INTERMEDIATE;
}

/** network_error_code: a network type and a code (SMPP 3.4 section 5.3.2.31). */
function networkError(value: Buffer | undefined): string {
  return value?.length === 3 ? String(value.readUInt16BE(1)) : '';
}

/** What a receipt says of the message. `segments` is what is billed if it was delivered. */
export function outcomeOfReceipt(receipt: Receipt, ref: string, segments: number): FinalOutcome | Accepted {
  const { state, error } = receipt;
  const detail = error === '' || /^0+$/.test(error) ? state : `${state} err:${error}`;
  const facts: Fact[] = receipt.doneDate === '' ? [] : [{ type: 'info', name: 'done_date', data: receipt.doneDate }];
  switch (state) {
    case 'DELIVRD':
      return delivered(ref, { detail, facts, amount: segments });
    case 'EXPIRED':
      return failed('timeout', detail, { ref, facts });
    case 'DELETED':
      return failed('cancelled', detail, { ref, facts });
    case 'UNDELIV':
      return failed('rejected', detail, { ref, facts });
    case 'REJECTD':
      return refused('rejected', detail, { ref, facts });
    case 'UNKNOWN':
      return failed('unknown', detail, { ref, facts });
    default:
      return accepted(ref, { detail, facts }); // ENROUTE, ACCEPTD, SCHEDULED: on its way
  }
}

/** The id of submit_sm_resp as it is kept: the carrier's own, or decimal where the two forms differ. */
export function refOfResponse(id: string, format: SmppSettings['message_id_format']): string {
  return format === 'hex_then_decimal' ? decimal(id, 16) : format === 'decimal_then_hex' ? decimal(id, 10) : id.trim();
}

/** The id of a receipt in the same form as {@link refOfResponse} gives. */
export function refOfReceipt(id: string, format: SmppSettings['message_id_format']): string {
  return format === 'hex_then_decimal' ? decimal(id, 10) : format === 'decimal_then_hex' ? decimal(id, 16) : id.trim();
}

/** A number without leading zeros; what is none stays as it is. */
function decimal(id: string, base: 10 | 16): string {
  const digits = id.trim();
  const isNumber = base === 16 ? /^[0-9a-f]{1,64}$/i.test(digits) : /^[0-9]{1,64}$/.test(digits);
  return isNumber ? BigInt(base === 16 ? `0x${digits}` : digits).toString() : digits;
}
