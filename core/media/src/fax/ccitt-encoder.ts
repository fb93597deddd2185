import type { BilevelPage } from './bilevel';
import {
  BLACK_MAKE_UP,
  BLACK_TERMINATING,
  COMMON_MAKE_UP,
  type CodeWord,
  WHITE_MAKE_UP,
  WHITE_TERMINATING,
  word,
} from './ccitt-tables';

type Colour = 0 | 1;

const TERMINATING = [WHITE_TERMINATING, BLACK_TERMINATING] as const;
/** Index = run / 64 - 1. */
const MAKE_UP = [
  [...WHITE_MAKE_UP, ...COMMON_MAKE_UP],
  [...BLACK_MAKE_UP, ...COMMON_MAKE_UP],
] as const;
/** Table 4/T.4: vertical modes, a1 - b1 = -3 to 3. */
const VERTICAL = ['0000010', '000010', '010', '1', '011', '000011', '0000011'].map(word);
const PASS = word('0001');
const HORIZONTAL = word('001');
const EOL = word('000000000001');

class BitWriter {
  private bytes = new Uint8Array(1 << 16);
  private length = 0;
  private pending = 0;
  private pendingBits = 0;

  put([value, bits]: CodeWord): void {
    this.pending = (this.pending << bits) | value; // 7 held and 13 new bits at most
    this.pendingBits += bits;
    while (this.pendingBits >= 8) {
      this.pendingBits -= 8;
      this.push((this.pending >>> this.pendingBits) & 255);
    }
    this.pending &= (1 << this.pendingBits) - 1;
  }

  /** Fills with zeros so that the next EOL ends on a byte border (T4Options bit 2 of TIFF 6.0). */
  alignEol(): void {
    const fill = (8 - ((this.pendingBits + EOL[1]) % 8)) % 8;
    if (fill) this.put([0, fill]);
  }

  done(): Uint8Array {
    if (this.pendingBits) this.put([0, 8 - this.pendingBits]);
    return this.bytes.slice(0, this.length);
  }

  private push(byte: number): void {
    if (this.length === this.bytes.length) {
      const grown = new Uint8Array(this.length * 2);
      grown.set(this.bytes);
      this.bytes = grown;
    }
    this.bytes[this.length++] = byte;
  }
}

/** Where the colour changes on a line: changes[even] start black, changes[odd] white; then `width` four times. */
function findChanges(page: BilevelPage, y: number, changes: Int32Array): void {
  const { width, black } = page;
  // indexOf scans at memory speed, and most of a line is one colour.
  const line = black.subarray(y * width, (y + 1) * width);
  let count = 0;
  for (let x = line.indexOf(1); x !== -1; x = line.indexOf(count & 1 ? 0 : 1, x)) changes[count++] = x;
  changes.fill(width, count, count + 4);
}

function putRun(out: BitWriter, colour: Colour, run: number): void {
  let rest = run;
  for (; rest > 2623; rest -= 2560) out.put(MAKE_UP[colour][39] as CodeWord);
  if (rest > 63) {
    out.put(MAKE_UP[colour][(rest >> 6) - 1] as CodeWord);
    rest &= 63;
  }
  out.put(TERMINATING[colour][rest] as CodeWord);
}

function putLine1D(out: BitWriter, changes: Int32Array, width: number): void {
  let at = 0;
  for (let i = 0; at < width; i++) {
    const next = changes[i] as number;
    putRun(out, (i & 1) as Colour, next - at);
    at = next;
  }
}

/** First change right of `a0` that starts the other colour than `colour`, found from a hint. */
function nextChange(changes: Int32Array, hint: number, a0: number, colour: Colour, width: number): number {
  let i = hint;
  while (i > 0 && (changes[i - 1] as number) > a0) i--;
  while (((changes[i] as number) <= a0 && (changes[i] as number) < width) || (i & 1) !== colour) i++;
  return i;
}

/** ITU-T T.6 section 2.2: codes a line against the one above it. */
function putLine2D(out: BitWriter, current: Int32Array, above: Int32Array, width: number): void {
  let a0 = -1; // the imaginary white pixel before the line
  let colour: Colour = 0;
  let ci = 0;
  let ri = 0;
  while (a0 < width) {
    ci = nextChange(current, ci, a0, colour, width);
    ri = nextChange(above, ri, a0, colour, width);
    const a1 = current[ci] as number;
    const b1 = above[ri] as number;
    const b2 = b1 < width ? (above[ri + 1] as number) : width;
    if (b2 < a1) {
      out.put(PASS);
      a0 = b2;
    } else if (Math.abs(a1 - b1) <= 3) {
      out.put(VERTICAL[a1 - b1 + 3] as CodeWord);
      a0 = a1;
      colour = (colour ^ 1) as Colour;
    } else {
      const a2 = a1 < width ? (current[ci + 1] as number) : width;
      out.put(HORIZONTAL);
      putRun(out, colour, a1 - Math.max(a0, 0));
      putRun(out, (colour ^ 1) as Colour, a2 - a1);
      a0 = a2;
    }
  }
}

/** ITU-T T.4 one-dimensional with byte-aligned EOLs, as TIFF class F wants it: an EOL before each line, no RTC. */
export function encodeG3(page: BilevelPage): Uint8Array {
  const out = new BitWriter();
  const changes = new Int32Array(page.width + 4);
  for (let y = 0; y < page.height; y++) {
    findChanges(page, y, changes);
    out.alignEol();
    out.put(EOL);
    putLine1D(out, changes, page.width);
  }
  return out.done();
}

/** ITU-T T.6 with its end-of-block mark. */
export function encodeG4(page: BilevelPage): Uint8Array {
  const out = new BitWriter();
  let above = new Int32Array(page.width + 4).fill(page.width, 0, 4);
  let current = new Int32Array(page.width + 4);
  for (let y = 0; y < page.height; y++) {
    findChanges(page, y, current);
    putLine2D(out, current, above, page.width);
    [above, current] = [current, above];
  }
  out.put(EOL);
  out.put(EOL);
  return out.done();
}
