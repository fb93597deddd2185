import { BASIC, CODE, ESCAPE, EXTENSION, SEPTETS, SUBSTITUTE } from './alphabet';

/**
 * The septets of a text, one per byte (unpacked: what SMPP carries with data coding 0). Characters outside the alphabet
 * become `?`; ask {@link detectEncoding} first. Linear in the length of the text.
 */
export function encodeGsm7(text: string): Uint8Array {
  const septets = new Uint8Array(text.length * 2);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    const width = SEPTETS[unit] ?? 0;
    if (width === 0) {
      // One substitute for one character: the second half of a surrogate pair adds none.
      if (isLowSurrogate(unit) && i > 0 && isHighSurrogate(text.charCodeAt(i - 1))) continue;
      septets[length++] = SUBSTITUTE;
      continue;
    }
    if (width === 2) septets[length++] = ESCAPE;
    septets[length++] = CODE[unit] as number;
  }
  return septets.slice(0, length);
}

/**
 * The text of unpacked septets. After 3GPP TS 23.038 section 6.2.1.1 an escape before a septet that the extension table
 * lacks shows the basic table's character, and an escape with nothing or another escape after it shows a space. The
 * highest bit of a byte is ignored.
 */
export function decodeGsm7(septets: Uint8Array): string {
  const characters: string[] = [];
  for (let i = 0; i < septets.length; i++) {
    const septet = (septets[i] as number) & 0x7f;
    if (septet !== ESCAPE) {
      characters.push(BASIC[septet] as string);
      continue;
    }
    const next = i + 1 < septets.length ? (septets[++i] as number) & 0x7f : ESCAPE;
    characters.push(next === ESCAPE ? ' ' : (EXTENSION[next] ?? (BASIC[next] as string)));
  }
  return characters.join('');
}

/**
 * Packs septets into octets, least significant bit first (3GPP TS 23.038 section 6.1.2.1.1).
 *
 * @param fillBits - zero bits before the first septet (0 to 6), so that text after a user data header begins on a septet
 * boundary (3GPP TS 23.040 section 9.2.3.24): 1 after the usual 6 octets of a concatenation header
 */
export function packSeptets(septets: Uint8Array, fillBits = 0): Uint8Array {
  const octets = new Uint8Array(Math.ceil((septets.length * 7 + fillBits) / 8));
  let bit = fillBits;
  for (const septet of septets) {
    const shifted = (septet & 0x7f) << (bit & 7);
    const at = bit >> 3;
    octets[at] = (octets[at] as number) | (shifted & 0xff);
    if (shifted > 0xff) octets[at + 1] = shifted >> 8;
    bit += 7;
  }
  return octets;
}

/**
 * Unpacks octets into septets; the opposite of {@link packSeptets}.
 *
 * @param count - how many septets there are: the octets alone cannot tell 7 from 8
 * @throws RangeError if the octets hold fewer
 */
export function unpackSeptets(octets: Uint8Array, count: number, fillBits = 0): Uint8Array {
  if (Math.ceil((count * 7 + fillBits) / 8) > octets.length) {
    throw new RangeError(`${octets.length} octets do not hold ${count} septets`);
  }
  const septets = new Uint8Array(count);
  let bit = fillBits;
  for (let i = 0; i < count; i++) {
    const at = bit >> 3;
    const pair = (octets[at] as number) | ((octets[at + 1] ?? 0) << 8);
    septets[i] = (pair >> (bit & 7)) & 0x7f;
    bit += 7;
  }
  return septets;
}

/** True for the first code unit of a surrogate pair. */
export function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

/** True for the second code unit of a surrogate pair. */
export function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
