/** A mail taken apart by hand, so that what a parser forgives is seen. */
export interface RawMail {
  /** Header fields in order, unfolded (RFC 5322 section 2.2.3), not decoded. */
  readonly fields: readonly { readonly name: string; readonly value: string }[];
  /** The value of a field that must be there exactly once. */
  one(name: string): string;
  readonly body: string;
  /** All lines with their CRLF taken off. */
  readonly lines: readonly string[];
}

/** Splits the bytes given to DATA into header and body. */
export function rawMail(data: Buffer): RawMail {
  const text = data.toString('latin1');
  const end = text.indexOf('\r\n\r\n');
  const head = text.slice(0, end).replace(/\r\n[ \t]+/g, ' ');
  const fields = head.split('\r\n').map((line) => {
    const colon = line.indexOf(':');
    return { name: line.slice(0, colon).toLowerCase(), value: line.slice(colon + 1).trim() };
  });
  return {
    fields,
    one(name) {
      const found = fields.filter((field) => field.name === name.toLowerCase());
      if (found.length !== 1) throw new Error(`${found.length} fields ${name}`);
      return found[0]?.value ?? '';
    },
    body: text.slice(end + 4),
    lines: text.split('\r\n'),
  };
}

/** Decodes the encoded words of a header field (RFC 2047), adjoining ones without the space between them. */
export function decodeWords(value: string): string {
  return value.replace(/\?=\s+=\?/g, '?==?').replace(/(?:=\?utf-8\?[bq]\?[^?]*\?=)+/gi, (run) => {
    const words = [...run.matchAll(/=\?utf-8\?([bq])\?([^?]*)\?=/gi)];
    return Buffer.concat(words.map((word) => bytesOf(word[1] ?? '', word[2] ?? ''))).toString('utf8');
  });
}

function bytesOf(encoding: string, text: string): Buffer {
  if (encoding.toLowerCase() === 'b') return Buffer.from(text, 'base64');
  const plain = text
    .replace(/_/g, ' ')
    .replace(/=([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number(`0x${hex}`)));
  return Buffer.from(plain, 'latin1');
}
