import { decodeGsm7, decodeUcs2 } from '@ictcore/gsm';
import type { SmppSettings } from '../smpp.settings';

/** Values of data_coding (SMPP 3.4 section 5.2.19). */
export const DATA_CODING = { default: 0x00, ascii: 0x01, latin1: 0x03, binary: 0x04, ucs2: 0x08 } as const;

/** How octets are to be read. */
export type Alphabet = 'gsm7' | 'latin1' | 'ucs2' | 'binary' | 'iso-8859-5' | 'iso-8859-8' | 'shift_jis' | 'euc-kr';

const SMPP_CODINGS: Readonly<Record<number, Alphabet>> = {
  1: 'latin1', // ASCII is its lower half
  2: 'binary',
  3: 'latin1',
  4: 'binary',
  5: 'shift_jis',
  6: 'iso-8859-5',
  7: 'iso-8859-8',
  8: 'ucs2',
  14: 'euc-kr',
};

/**
 * The alphabet of a data_coding: SMPP's own values below 0x10, the groups of 3GPP TS 23.038 section 4 above. What is
 * reserved there is read as the default alphabet, as that section asks.
 */
export function alphabetOf(dataCoding: number, defaultAlphabet: SmppSettings['default_alphabet']): Alphabet {
  if (dataCoding < 0x10) return SMPP_CODINGS[dataCoding] ?? defaultAlphabet;
  const group = dataCoding >> 4;
  if (group < 8) return (['gsm7', 'binary', 'ucs2', 'gsm7'] as const)[(dataCoding >> 2) & 3] ?? 'gsm7';
  if (group === 0xe) return 'ucs2';
  if (group === 0xf) return dataCoding & 4 ? 'binary' : 'gsm7';
  return 'gsm7';
}

/** The text of octets; undefined for binary ones. NUL characters are left out: no database takes them. */
export function decodeText(octets: Buffer, alphabet: Alphabet): string | undefined {
  switch (alphabet) {
    case 'binary':
      return undefined;
    case 'gsm7':
      return decodeGsm7(octets);
    case 'ucs2':
      return decodeUcs2(octets).replaceAll('\0', '');
    case 'latin1':
      return octets.toString('latin1').replaceAll('\0', '');
    default:
      return new TextDecoder(alphabet).decode(octets).replaceAll('\0', '');
  }
}
