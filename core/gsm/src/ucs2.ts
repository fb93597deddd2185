/**
 * A text as big-endian 16-bit units (3GPP TS 23.038 section 4, UCS2). Characters above U+FFFF go as surrogate pairs
 * (UTF-16BE), which is what every handset made this century reads.
 */
export function encodeUcs2(text: string): Buffer {
  return Buffer.from(text, 'utf16le').swap16();
}

/** The text of big-endian 16-bit units; a trailing odd byte is dropped. */
export function decodeUcs2(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(0, bytes.length & ~1))
    .swap16()
    .toString('utf16le');
}
