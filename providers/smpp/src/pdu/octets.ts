/** What is wrong with the octets of a PDU. Thrown inside the codec only; {@link decodePdu} returns it as a value. */
export class Malformed extends Error {}

/** Reads the fields of a PDU's body in order; never beyond its end. */
export class OctetReader {
  private at = 0;

  constructor(private readonly octets: Buffer) {}

  /** Octets not read yet. */
  get left(): number {
    return this.octets.length - this.at;
  }

  u8(): number {
    if (this.left < 1) throw new Malformed('the body ends early');
    return this.octets[this.at++] as number;
  }

  u16(): number {
    return this.u8() * 256 + this.u8();
  }

  /** A C-octet string in Latin-1 without its NUL; `max` counts the NUL (SMPP 3.4 section 3.1). */
  cString(max: number): string {
    const end = this.octets.indexOf(0, this.at);
    if (end < 0) throw new Malformed('a string without its end');
    if (end - this.at >= max) throw new Malformed(`a string longer than ${max - 1} octets`);
    const text = this.octets.toString('latin1', this.at, end);
    this.at = end + 1;
    return text;
  }

  /** Exactly `count` octets; shares memory with the PDU. */
  take(count: number): Buffer {
    if (count > this.left) throw new Malformed(`${count} octets announced, ${this.left} there`);
    this.at += count;
    return this.octets.subarray(this.at - count, this.at);
  }
}

/** Writes the fields of a PDU in order into a buffer of the right size. */
export class OctetWriter {
  readonly octets: Buffer;
  private at = 0;

  constructor(size: number) {
    this.octets = Buffer.allocUnsafe(size);
  }

  u8(value: number): void {
    this.at = this.octets.writeUInt8(value, this.at);
  }

  u16(value: number): void {
    this.at = this.octets.writeUInt16BE(value, this.at);
  }

  u32(value: number): void {
    this.at = this.octets.writeUInt32BE(value >>> 0, this.at);
  }

  cString(text: string): void {
    this.at += this.octets.write(text, this.at, 'latin1');
    this.octets[this.at++] = 0;
  }

  bytes(value: Buffer): void {
    this.at += value.copy(this.octets, this.at);
  }
}

/**
 * Refuses what no C-octet string of `max` octets (NUL included) can hold.
 *
 * @throws RangeError naming the field: the caller should have checked its input
 */
export function cStringSize(field: string, text: string, max: number): number {
  if (text.length >= max) throw new RangeError(`${field} takes ${max - 1} octets at most, not ${text.length}`);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === 0 || unit > 0xff) throw new RangeError(`${field} holds a character that SMPP cannot carry`);
  }
  return text.length + 1;
}
