import { createHash } from 'node:crypto';
import { type MessageBody, TAG, tlvNumber } from '../pdu';

/** Where a part belongs. */
export interface Concatenation {
  /** Reference number of the whole message, with its width: `8:17`, `16:300`, `sar:300`. */
  reference: string;
  total: number;
  /** From 1. */
  number: number;
}

/** The user data of a deliver_sm without its header. */
export interface UserData {
  octets: Buffer;
  concatenation: Concatenation | undefined;
}

const UDH_INDICATOR = 0x40;

/** Splits the text from the user data header and finds out whether it is one of several parts. Never throws. */
export function userDataOf(body: MessageBody): UserData {
  const octets = payloadOf(body);
  const header = (body.esmClass & UDH_INDICATOR) !== 0 ? octets[0] : undefined;
  // A header that is longer than the message is none: the octets are shown as they are.
  if (header === undefined || header + 1 > octets.length) return { octets, concatenation: sarOf(body) };
  const concatenation = udhOf(octets.subarray(1, header + 1)) ?? sarOf(body);
  return { octets: octets.subarray(header + 1), concatenation };
}

/** The text as it came: message_payload where the short message is empty (SMPP 3.4 section 5.3.2.32). */
export function payloadOf(body: MessageBody): Buffer {
  return body.shortMessage.length > 0 ? body.shortMessage : (body.tlvs.get(TAG.message_payload) ?? body.shortMessage);
}

/** Information elements 00 and 08 (3GPP TS 23.040 sections 9.2.3.24.1 and 9.2.3.24.8). */
function udhOf(header: Buffer): Concatenation | undefined {
  for (let at = 0; at + 2 <= header.length; ) {
    const element = header[at] as number;
    const length = header[at + 1] as number;
    const data = header.subarray(at + 2, at + 2 + length);
    if (data.length !== length) return undefined;
    if (element === 0 && length === 3) return concatenationOf(`8:${data[0]}`, data[1], data[2]);
    if (element === 8 && length === 4) return concatenationOf(`16:${data.readUInt16BE(0)}`, data[2], data[3]);
    at += 2 + length;
  }
  return undefined;
}

function sarOf({ tlvs }: MessageBody): Concatenation | undefined {
  const reference = tlvNumber(tlvs, TAG.sar_msg_ref_num);
  if (reference === undefined) return undefined;
  return concatenationOf(
    `sar:${reference}`,
    tlvNumber(tlvs, TAG.sar_total_segments),
    tlvNumber(tlvs, TAG.sar_segment_seqnum),
  );
}

/** Undefined for numbers that make no sense: such an element is to be ignored (3GPP TS 23.040). */
function concatenationOf(reference: string, total = 0, number = 0): Concatenation | undefined {
  return total > 1 && number >= 1 && number <= total ? { reference, total, number } : undefined;
}

/** Names a message by its content: the same when the carrier sends it again. */
export function fingerprintOf(body: MessageBody): string {
  const hash = createHash('sha256');
  hash.update(`${body.sourceAddr}\0${body.destAddr}\0${body.esmClass}\0${body.dataCoding}\0`);
  hash.update(payloadOf(body));
  for (const tag of [TAG.sar_msg_ref_num, TAG.sar_segment_seqnum, TAG.user_message_reference]) {
    hash.update(`\0${tlvNumber(body.tlvs, tag) ?? ''}`);
  }
  return hash.digest('base64url').slice(0, 22);
}
