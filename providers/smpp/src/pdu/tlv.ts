import { Malformed, type OctetReader, type OctetWriter } from './octets';

/** Tags of optional parameters (SMPP 3.4 section 5.3.2). */
export const TAG = {
  dest_addr_subunit: 0x0005,
  receipted_message_id: 0x001e,
  user_message_reference: 0x0204,
  sar_msg_ref_num: 0x020c,
  sar_total_segments: 0x020e,
  sar_segment_seqnum: 0x020f,
  network_error_code: 0x0423,
  message_payload: 0x0424,
  message_state: 0x0427,
} as const;

/** Optional parameters by tag. Of one that comes twice the first counts. */
export type Tlvs = ReadonlyMap<number, Buffer>;

/** No optional parameters. */
export const NO_TLVS: Tlvs = new Map();

/** Octets that the parameters take on the wire. */
export function tlvSize(tlvs: Tlvs): number {
  let size = 0;
  for (const value of tlvs.values()) size += 4 + value.length;
  return size;
}

/** Appends the parameters. */
export function writeTlvs(writer: OctetWriter, tlvs: Tlvs): void {
  for (const [tag, value] of tlvs) {
    writer.u16(tag);
    writer.u16(value.length);
    writer.bytes(value);
  }
}

/**
 * Everything that is left of a body as optional parameters.
 *
 * @param lenient - keep what could be read when the rest is no parameter, instead of refusing the whole PDU
 */
export function readTlvs(reader: OctetReader, lenient: boolean): Tlvs {
  if (reader.left === 0) return NO_TLVS;
  const tlvs = new Map<number, Buffer>();
  try {
    while (reader.left > 0) {
      const tag = reader.u16();
      const value = reader.take(reader.u16());
      if (!tlvs.has(tag)) tlvs.set(tag, value);
    }
  } catch (error) {
    if (!lenient || !(error instanceof Malformed)) throw error;
  }
  return tlvs;
}

/** A parameter of one or two octets as a number; undefined if it is missing or has another size. */
export function tlvNumber(tlvs: Tlvs, tag: number): number | undefined {
  const value = tlvs.get(tag);
  if (value?.length === 1) return value[0];
  if (value?.length === 2) return value.readUInt16BE(0);
  return undefined;
}

/** A parameter that is a C-octet string; its NUL may be missing, as some centres leave it out. */
export function tlvText(tlvs: Tlvs, tag: number): string | undefined {
  const value = tlvs.get(tag);
  if (value === undefined) return undefined;
  const end = value.indexOf(0);
  return value.toString('latin1', 0, end < 0 ? value.length : end);
}

/** A parameter of one octet. */
export function octet(value: number): Buffer {
  return Buffer.from([value]);
}

/** A parameter of two octets. */
export function word(value: number): Buffer {
  return Buffer.from([(value >> 8) & 0xff, value & 0xff]);
}
