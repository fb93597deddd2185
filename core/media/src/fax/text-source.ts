import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { TextDecoder } from 'node:util';
import sharp from 'sharp';
import { MediaError } from '../media-error';
import type { FaxPaper } from '../types';
import { type FaxGrid, pageHeight } from './geometry';
import type { GreyPage } from './pdf-source';
import { restrictDecoders } from './restrict-decoders';
import { tooManyPages } from './too-many-pages';

restrictDecoders();

/**
 * DejaVu Sans Mono (Bitstream Vera licence and public domain): Latin, Greek, Cyrillic, Arabic and more. It comes with
 * the package, so that a text looks the same on every server. Pango inside libvips shapes and orders the letters.
 */
const FONT_FILE = join(
  dirname(createRequire(__filename).resolve('dejavu-fonts-ttf/package.json')),
  'ttf',
  'DejaVuSansMono.ttf',
);
const FONT = 'DejaVu Sans Mono 10';
/** Advance and line height of that font at 10 points, in inches. */
const CELL_WIDTH = (10 * 0.602) / 72;
const LINE_HEIGHT = (10 * 1.165) / 72;
/** Inches of white on each side. */
const MARGIN = 0.6;
const TAB = 8;

/** A text, cut into pages of lines that fit. */
export interface TextPages {
  readonly columns: number;
  readonly pages: readonly (readonly string[])[];
}

/**
 * Reads a UTF-8 text and lays it out in a fixed pitch. A form feed starts a new page.
 * @throws MediaError MEDIA_NOT_CONVERTIBLE when it is not UTF-8 text, MEDIA_TOO_MANY_PAGES
 */
export function layOutText(path: string, grid: FaxGrid, paper: FaxPaper, maxPages: number): TextPages {
  const columns = Math.floor((grid.width / grid.x - 2 * MARGIN) / CELL_WIDTH);
  const rows = Math.floor((pageHeight(grid, paper) / grid.y - 2 * MARGIN) / LINE_HEIGHT);
  const pages: string[][] = [];
  for (const sheet of decode(path).replaceAll(/\r\n?/g, '\n').split('\f')) {
    let lines: string[] = [];
    const turn = (): void => {
      if (pages.length >= maxPages) throw tooManyPages(maxPages);
      pages.push(lines);
      lines = [];
    };
    for (const line of wrapped(sheet, columns)) {
      if (lines.length === rows) turn();
      lines.push(line);
    }
    turn();
  }
  return { columns, pages };
}

function decode(path: string): string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path)); // drops the byte order mark
  } catch (error) {
    throw new MediaError('MEDIA_NOT_CONVERTIBLE', 'The text is not UTF-8. Save it as UTF-8.', String(error));
  }
  if (text.includes('\0')) throw new MediaError('MEDIA_NOT_CONVERTIBLE', 'The file is not a text.');
  return text;
}

/** Characters without a glyph that would upset the markup or the layout. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what has to go
const CONTROLS = /[\u0001-\u0008\u000b\u000e-\u001f\u007f-\u009f\ufffe\uffff]/g;
/** Han, kana and Hangul take two cells. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]|\p{Extended_Pictographic}/u;
const ZERO = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
const ASCII = /^[ -~]*$/;

/** Lines of at most `columns` cells, broken at a blank where there is one. */
function* wrapped(sheet: string, columns: number): Generator<string> {
  for (const paragraph of sheet.split('\n')) {
    let rest = expandTabs(paragraph.replaceAll(CONTROLS, ''));
    for (;;) {
      const fit = fitting(rest, columns);
      if (fit >= rest.length) break;
      const blank = rest.lastIndexOf(' ', fit);
      const cut = blank > 0 ? blank : fit;
      yield rest.slice(0, cut);
      rest = rest.slice(cut).trimStart();
    }
    yield rest;
  }
}

/** UTF-16 units of the text that fit into so many cells; never cuts a character in two. */
function fitting(text: string, columns: number): number {
  if (text.length <= columns && ASCII.test(text)) return text.length;
  let cells = 0;
  let at = 0;
  for (const character of text) {
    if (ZERO.test(character)) cells += 0;
    else cells += WIDE.test(character) ? 2 : 1;
    if (cells > columns) return at;
    at += character.length;
  }
  return at;
}

function expandTabs(line: string): string {
  if (!line.includes('\t')) return line;
  let out = '';
  for (const part of line.split(/(\t)/)) out += part === '\t' ? ' '.repeat(TAB - (out.length % TAB)) : part;
  return out;
}

/** Draws one page of lines on white. */
export async function renderTextPage(
  lines: readonly string[],
  columns: number,
  grid: FaxGrid,
  paper: FaxPaper,
): Promise<GreyPage> {
  const width = grid.width;
  const height = pageHeight(grid, paper);
  const page = new Uint8Array(width * height).fill(255);
  if (lines.every((line) => line.trim() === '')) return { width, height, grey: page };
  const dpi = Math.max(grid.x, grid.y);
  const drawn = await drawLines(lines, columns, dpi);
  const left = Math.round(MARGIN * grid.x);
  const top = Math.round(MARGIN * grid.y);
  const inner = {
    width: Math.min(width - left, Math.round((drawn.width * grid.x) / dpi)),
    height: Math.min(height - top, Math.round((drawn.height * grid.y) / dpi)),
  };
  const grey = await drawn.picture
    .toColourspace('b-w')
    .negate()
    .resize(inner.width, inner.height, { fit: 'fill', kernel: 'lanczos3' })
    .raw()
    .toBuffer();
  for (let y = 0; y < inner.height; y++) {
    page.set(grey.subarray(y * inner.width, (y + 1) * inner.width), (top + y) * width + left);
  }
  return { width, height, grey: page };
}

async function drawLines(
  lines: readonly string[],
  columns: number,
  dpi: number,
): Promise<{ picture: sharp.Sharp; width: number; height: number }> {
  // libvips crops a text to its ink. A bar of full blocks above and below keeps the margins; it is cut off again.
  const bar = '█'.repeat(columns);
  const size = await textPicture(bar, dpi).toBuffer({ resolveWithObject: true });
  const { width, height: barHeight } = size.info;
  const text = [bar, ...lines, bar].join('\n');
  const { data, info } = await textPicture(text, dpi, width + 4).toBuffer({ resolveWithObject: true });
  const height = info.height - 2 * barHeight;
  const raw = { width: info.width, height: info.height, channels: info.channels };
  return {
    picture: sharp(data, { raw }).extract({ left: 0, top: barHeight, width: info.width, height }),
    width: info.width,
    height,
  };
}

function textPicture(text: string, dpi: number, width?: number): sharp.Sharp {
  const markup = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  const line = width === undefined ? {} : { width };
  return sharp({ text: { text: markup, font: FONT, fontfile: FONT_FILE, dpi, wrap: 'char', ...line } }).raw();
}
