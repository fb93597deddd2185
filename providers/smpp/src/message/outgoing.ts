import { type Refused, refused, type SmsOrder } from '@ictcore/contract';
import { detectEncoding, encodeGsm7, encodeUcs2, MAX_SEGMENTS, SEGMENT_UNITS, segmentText } from '@ictcore/gsm';
import { type MessageBody, NO_TLVS, octet, TAG, type Tlvs, word } from '../pdu';
import type { SmppSettings } from '../smpp.settings';
import { destinationOf, sourceOf } from './address';
import { DATA_CODING } from './alphabet';

/** A message ready to be sent. */
export interface Outgoing {
  /** One submit_sm each, in order. */
  bodies: MessageBody[];
  /** Messages over the air: what is billed. With message_payload more than there are bodies. */
  segments: number;
}

/** Octets of a binary message alone and beside the 6 octets of a concatenation header. */
const BINARY_OCTETS = { single: 140, part: 134 } as const;
const UDH_INDICATOR = 0x40;
const NO_OCTETS = Buffer.alloc(0);
/** dest_addr_subunit: the handset's display (SMPP 3.4 section 5.3.2.1). */
const DISPLAY = 1;
const REGISTERED = { none: 0, receipt: 1, failure: 2 } as const;

interface Coded {
  /** data_coding of a message without class. */
  coding: number;
  segments: Buffer[];
}

/** The submit_sm of an order, or why it can never be sent. */
export function buildMessage(order: SmsOrder, prefix: string, settings: SmppSettings): Outgoing | Refused {
  const destination = destinationOf(order.to.phone, prefix, settings);
  if (!destination) {
    return refused('invalid_destination', `${order.to.phone ?? 'no number'} cannot be dialled by SMPP`);
  }
  const source = sourceOf(order.from.phone, settings);
  if (!source) return refused('rejected', `${settings.source_addr ?? order.from.phone} cannot be a sender in SMPP`);
  const coded = encodeOrder(order, settings);
  if ('kind' in coded) return coded;
  const { segments } = coded;
  if (segments.length > MAX_SEGMENTS) return refused('media_rejected', `${segments.length} parts, more than 255`);
  const base: MessageBody = {
    serviceType: settings.service_type,
    sourceTon: source.ton,
    sourceNpi: source.npi,
    sourceAddr: source.addr,
    destTon: destination.ton,
    destNpi: destination.npi,
    destAddr: destination.addr,
    esmClass: 0,
    protocolId: 0,
    priority: 0,
    scheduleTime: '',
    validityPeriod: relativeTime(settings.validity_period),
    registeredDelivery: REGISTERED[settings.registered_delivery],
    replaceIfPresent: 0,
    defaultMessageId: 0,
    shortMessage: NO_OCTETS,
    ...classOf(order, coded.coding, settings),
  };
  return { bodies: bodiesOf(base, segments, order.spoolId, settings), segments: segments.length };
}

function encodeOrder(order: SmsOrder, settings: SmppSettings): Coded | Refused {
  const { text } = order;
  if (order.encoding === 'binary') return encodeBinary(text);
  // The order's word is not taken for a text that the alphabet cannot write: nothing becomes a question mark.
  if (order.encoding === 'ucs2' || detectEncoding(text) === 'ucs2') return encodeWide(text);
  const { segments } = segmentText(text);
  if (settings.default_alphabet === 'gsm7') {
    return { coding: DATA_CODING.default, segments: segments.map((part) => Buffer.from(encodeGsm7(part))) };
  }
  if (/[^\0-\xff]/.test(text)) return encodeWide(text); // the euro sign and Greek capitals
  return { coding: DATA_CODING.default, segments: segments.map((part) => Buffer.from(part, 'latin1')) };
}

/** Binary orders carry one octet per character, U+0000 to U+00FF. */
function encodeBinary(text: string): Coded | Refused {
  if (/[^\0-\xff]/.test(text)) return refused('media_rejected', 'a binary message of characters above U+00FF');
  const octets = Buffer.from(text, 'latin1');
  const segments: Buffer[] = [];
  const step = octets.length > BINARY_OCTETS.single ? BINARY_OCTETS.part : BINARY_OCTETS.single;
  for (let at = 0; at < octets.length || at === 0; at += step) segments.push(octets.subarray(at, at + step));
  return { coding: DATA_CODING.binary, segments };
}

/** UCS-2, also for texts that GSM 7 bit could write. A surrogate pair is never cut. */
function encodeWide(text: string): Coded {
  const { single, part } = SEGMENT_UNITS.ucs2;
  const segments: Buffer[] = [];
  let at = 0;
  while (text.length > single && at < text.length) {
    let end = Math.min(at + part, text.length);
    const cutsPair = end < text.length && /[\ud800-\udbff][\udc00-\udfff]/.test(text.slice(end - 1, end + 1));
    if (cutsPair) end -= 1;
    segments.push(encodeUcs2(text.slice(at, end)));
    at = end;
  }
  return { coding: DATA_CODING.ucs2, segments: segments.length > 0 ? segments : [encodeUcs2(text)] };
}

/** data_coding and parameters for the message's class (flash is class 0 of 3GPP TS 23.038). */
function classOf(order: SmsOrder, coding: number, { flash_by }: SmppSettings): { dataCoding: number; tlvs: Tlvs } {
  if (order.messageClass !== 'flash') return { dataCoding: coding, tlvs: NO_TLVS };
  if (flash_by === 'dest_addr_subunit') {
    return { dataCoding: coding, tlvs: new Map([[TAG.dest_addr_subunit, octet(DISPLAY)]]) };
  }
  if (coding === DATA_CODING.ucs2) return { dataCoding: 0x18, tlvs: NO_TLVS }; // the group 0xF0 has no UCS-2
  const group = flash_by === 'data_coding_f0' ? 0xf0 : 0x10;
  return { dataCoding: group | (coding === DATA_CODING.binary ? 4 : 0), tlvs: NO_TLVS };
}

function bodiesOf(base: MessageBody, segments: Buffer[], spoolId: number, settings: SmppSettings): MessageBody[] {
  const only = segments[0];
  if (segments.length === 1 && only) return [{ ...base, shortMessage: only }];
  if (settings.concatenation === 'payload') {
    return [{ ...base, tlvs: new Map([...base.tlvs, [TAG.message_payload, Buffer.concat(segments)]]) }];
  }
  return segments.map((segment, index) => {
    const last = index === segments.length - 1;
    const registeredDelivery = settings.receipt_parts === 'last' && !last ? 0 : base.registeredDelivery;
    const number = index + 1;
    if (settings.concatenation === 'sar') {
      const sar: [number, Buffer][] = [
        [TAG.sar_msg_ref_num, word(spoolId)],
        [TAG.sar_total_segments, octet(segments.length)],
        [TAG.sar_segment_seqnum, octet(number)],
      ];
      return { ...base, registeredDelivery, shortMessage: segment, tlvs: new Map([...base.tlvs, ...sar]) };
    }
    // The reference comes from the attempt: the same in each hand-over of it, another one in the next attempt.
    const header = Buffer.from([5, 0, 3, spoolId & 0xff, segments.length, number]);
    const shortMessage = Buffer.concat([header, segment]);
    return { ...base, registeredDelivery, esmClass: base.esmClass | UDH_INDICATOR, shortMessage };
  });
}

/** Seconds as a relative time (SMPP 3.4 section 7.1.1): `YYMMDDhhmmss000R`. */
function relativeTime(seconds: number | undefined): string {
  if (seconds === undefined) return '';
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  const days = seconds / 86_400;
  return `0000${two(days)}${two((seconds / 3600) % 24)}${two((seconds / 60) % 60)}${two(seconds % 60)}000R`;
}
