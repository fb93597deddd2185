import { SEPTETS } from './alphabet';
import { isHighSurrogate, isLowSurrogate } from './gsm7';

/** How a text goes over the air: GSM 7 bit default alphabet where it fits, else UCS-2 (3GPP TS 23.038). */
export type SmsEncoding = 'gsm7' | 'ucs2';

/**
 * Units that fit one message: alone, and as a part of several after the 6 octets of a concatenation header
 * (3GPP TS 23.040 section 9.2.3.24.1). A unit is a septet or a 16-bit word.
 */
export const SEGMENT_UNITS: Readonly<Record<SmsEncoding, { single: number; part: number }>> = {
  gsm7: { single: 160, part: 153 },
  ucs2: { single: 70, part: 67 },
};

/** The most parts that one concatenated message can have: the count is one octet. */
export const MAX_SEGMENTS = 255;

/** A text cut as it goes over the air. */
export interface SegmentedText {
  encoding: SmsEncoding;
  /** The parts in order; joined they are the text. One empty part for an empty text: it still takes a message. */
  segments: string[];
  /** Characters (Unicode code points). */
  length: number;
  /** Septets or 16-bit words of the whole text. */
  units: number;
}

/** `gsm7` if every character is in the GSM basic or extension table, else `ucs2`. Linear time. */
export function detectEncoding(text: string): SmsEncoding {
  for (let i = 0; i < text.length; i++) {
    if ((SEPTETS[text.charCodeAt(i)] ?? 0) === 0) return 'ucs2';
  }
  return 'gsm7';
}

/**
 * Cuts a text into the parts that carry it. An escape is never parted from its character nor a surrogate pair cut, so
 * a part may end a unit early. It does not stop at {@link MAX_SEGMENTS}: what to do with more is the caller's choice.
 * Linear time.
 *
 * @example
 * segmentText('5 €').units; // 4: the euro sign takes two septets
 */
export function segmentText(text: string): SegmentedText {
  const encoding = detectEncoding(text);
  const { single, part } = SEGMENT_UNITS[encoding];
  const widthAt = encoding === 'gsm7' ? gsmWidthAt : ucs2WidthAt;
  const cuts: number[] = [0];
  let [units, length, used] = [0, 0, 0];
  for (let i = 0; i < text.length; ) {
    const width = widthAt(text, i);
    if (used + width > part) {
      cuts.push(i);
      used = 0;
    }
    used += width;
    units += width;
    length += 1;
    i += encoding === 'gsm7' ? 1 : width;
  }
  // Whether it fits one message alone is known only at the end: without a header there is room for more.
  const segments = units <= single ? [text] : cuts.map((cut, index) => text.slice(cut, cuts[index + 1]));
  return { encoding, segments, length, units };
}

/** Septets of the character at `index`. */
function gsmWidthAt(text: string, index: number): number {
  return SEPTETS[text.charCodeAt(index)] as number;
}

/** 16-bit words of the character at `index`: 2 for a surrogate pair; a lone surrogate counts as one. */
function ucs2WidthAt(text: string, index: number): number {
  const paired = isHighSurrogate(text.charCodeAt(index)) && isLowSurrogate(text.charCodeAt(index + 1));
  return paired ? 2 : 1;
}
