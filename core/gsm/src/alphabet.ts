/**
 * The GSM 7 bit default alphabet and its extension table (3GPP TS 23.038 sections 6.2.1 and 6.2.1.1). The position in
 * the text is the septet; position 0x1b is the escape to the extension table.
 */
export const BASIC =
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u001bÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?' +
  '¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà';

/** Escape to the extension table: the septet before each character of it. */
export const ESCAPE = 0x1b;
/** What stands in for a character that the alphabet lacks. */
export const SUBSTITUTE = 0x3f;

/** Septet after the escape → character. Form feed is the page break of TS 23.038. */
export const EXTENSION: Readonly<Record<number, string>> = {
  10: '\f',
  20: '^',
  40: '{',
  41: '}',
  47: '\\',
  60: '[',
  61: '~',
  62: ']',
  64: '|',
  101: '€',
};

/** One above the highest UTF-16 code unit in either table (the euro sign). */
export const TABLE_SIZE = 0x20ad;
/** UTF-16 code unit → how many septets it takes: 1, 2 (extension table), or 0 if GSM 7 bit cannot write it. */
export const SEPTETS = new Uint8Array(TABLE_SIZE);
/** UTF-16 code unit → its septet in the table that holds it; only meaningful where {@link SEPTETS} is not 0. */
export const CODE = new Uint8Array(TABLE_SIZE);

for (let septet = 0; septet < BASIC.length; septet++) {
  if (septet === ESCAPE) continue;
  SEPTETS[BASIC.charCodeAt(septet)] = 1;
  CODE[BASIC.charCodeAt(septet)] = septet;
}
for (const [septet, character] of Object.entries(EXTENSION)) {
  SEPTETS[character.charCodeAt(0)] = 2;
  CODE[character.charCodeAt(0)] = Number(septet);
}
