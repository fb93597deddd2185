import { SegmentedMessage } from 'sms-segments-calculator';
import { encodeGsm7 } from './gsm7';
import { detectEncoding, SEGMENT_UNITS, segmentText } from './segments';
import { encodeUcs2 } from './ucs2';

const ARABIC = 'مرحبا بك في خدمتنا، رصيدك الحالي ٢٥٠ ريال. ';
const URDU = 'آپ کا پیغام موصول ہو گیا ہے، شکریہ۔ ';
const CORPUS = [
  'Hello',
  'a'.repeat(160),
  'a'.repeat(161),
  'a'.repeat(306),
  'a'.repeat(307),
  '€'.repeat(80),
  '€'.repeat(81),
  `${'a'.repeat(152)}€${'b'.repeat(20)}`,
  `${'a'.repeat(152)}€${'b'.repeat(152)}{${'c'.repeat(10)}`,
  'Grüße, señor Ñandú: 5 € [test] {x} ~ | \\ ^',
  'line one\nline two\r\nline three',
  ARABIC,
  ARABIC.repeat(2),
  ARABIC.repeat(9),
  URDU,
  URDU.repeat(2),
  URDU.repeat(11),
  'я'.repeat(70),
  'я'.repeat(71),
  'я'.repeat(134),
  'я'.repeat(135),
  '😀'.repeat(35),
  '😀'.repeat(36),
  `${'a'.repeat(66)}😀${'b'.repeat(10)}`,
  `${'漢'.repeat(66)}😀${'字'.repeat(66)}😀😀`,
  'ç is not in the alphabet, Ç is',
  'smart ’quotes’ cost segments',
];

/** Deterministic random numbers (mulberry32), so that a failure can be repeated. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const POOLS = [
  [...'abcXYZ 0123@£$éàΔΩ\n'],
  [...'abc€{}[]|~^\\'],
  [...'abc漢字яابپ€'],
  ['a', '😀', '🚀', '𝒳', 'я', '漢'],
];

function randomTexts(count: number, seed: number): string[] {
  const random = randomFrom(seed);
  return Array.from({ length: count }, () => {
    const pool = POOLS[Math.floor(random() * POOLS.length)] as string[];
    const length = Math.floor(random() * 420);
    return Array.from({ length }, () => pool[Math.floor(random() * pool.length)]).join('');
  });
}

function check(text: string): void {
  const ours = segmentText(text);
  expect(ours.segments.join('')).toBe(text);
  expect(ours.length).toBe([...text].length);
  const { single, part } = SEGMENT_UNITS[ours.encoding];
  const unitsOf = (s: string) => (ours.encoding === 'gsm7' ? encodeGsm7(s).length : encodeUcs2(s).length / 2);
  expect(ours.segments.reduce((sum, segment) => sum + unitsOf(segment), 0)).toBe(ours.units);
  for (const segment of ours.segments) {
    expect(unitsOf(segment)).toBeLessThanOrEqual(ours.segments.length === 1 ? single : part);
    expect(Buffer.from(segment, 'utf8').toString('utf8')).toBe(segment);
  }
}

describe('segments', () => {
  const texts = [...CORPUS, ...randomTexts(400, 20230838)];

  test.each(CORPUS.map((text) => [text.slice(0, 20), text]))('agrees with the calculator: %s', (_name, text) => {
    const theirs = new SegmentedMessage(text);
    expect(segmentText(text).segments.length).toBe(theirs.segmentsCount);
    expect(detectEncoding(text)).toBe(theirs.getEncodingName() === 'GSM-7' ? 'gsm7' : 'ucs2');
  });

  test('agrees with the calculator on random texts', () => {
    for (const text of texts.filter((text) => text !== '')) {
      const theirs = new SegmentedMessage(text);
      expect([text, segmentText(text).segments.length]).toEqual([text, theirs.segmentsCount]);
    }
  });

  test('parts join to the text, keep pairs and escapes whole and fit', () => {
    for (const text of texts) check(text);
  });

  test('a cluster of several characters may be cut between them: never more parts than the calculator', () => {
    // The calculator keeps a family emoji in one part; a handset joins the parts before it shows them.
    for (const text of ['👨‍👩‍👧‍👦'.repeat(9), 'e\u0301'.repeat(100), 'नमस्ते '.repeat(30)]) {
      check(text);
      expect(segmentText(text).segments.length).toBeLessThanOrEqual(new SegmentedMessage(text).segmentsCount);
    }
  });

  test('an escape at the border moves to the next part as a whole', () => {
    const { segments, units } = segmentText(`${'a'.repeat(152)}€${'b'.repeat(20)}`);
    expect(segments).toEqual(['a'.repeat(152), `€${'b'.repeat(20)}`]);
    expect(units).toBe(174);
  });

  test('a surrogate pair at the border moves to the next part as a whole', () => {
    const { segments } = segmentText(`${'я'.repeat(66)}😀${'я'.repeat(10)}`);
    expect(segments[0]).toBe('я'.repeat(66));
  });

  test('an empty text is one empty message; lone surrogates do no harm', () => {
    expect(segmentText('')).toEqual({ encoding: 'gsm7', segments: [''], length: 0, units: 0 });
    expect(segmentText('\ud83d'.repeat(71)).segments.map((part) => part.length)).toEqual([67, 4]);
    expect(segmentText('\ude00a').units).toBe(2);
  });

  test('the escape itself and NUL are no characters of the alphabet', () => {
    expect(detectEncoding('\u001b')).toBe('ucs2');
    expect(detectEncoding('\u0000')).toBe('ucs2');
    expect(detectEncoding('\uffff')).toBe('ucs2');
  });

  test('time grows with the length, not with its square', () => {
    const time = (length: number) => {
      const text = 'é€'.repeat(length / 2);
      const start = process.hrtime.bigint();
      segmentText(text);
      return Number(process.hrtime.bigint() - start);
    };
    time(100_000);
    const best = (length: number) => Math.min(...Array.from({ length: 5 }, () => time(length)));
    // 16 times the text: about 16 times the time, 256 times if it were quadratic.
    expect(best(1_600_000) / best(100_000)).toBeLessThan(80);
  });
});
