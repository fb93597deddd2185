/** Files for the tests, made in code, and what reads the results back without our own code. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PDFDocument } from 'pdf-lib';
import sharp from 'sharp';
import { MediaConverter, type MediaConverterOptions, MediaError, type MediaErrorCode } from './index';

/** A converter with a scratch root of its own, and a folder for the test's files. */
export interface Bench {
  readonly media: MediaConverter;
  readonly scratch: string;
  /** Writes a file and returns its path. */
  file(name: string, content: Uint8Array | string): string;
  /** A path in the folder. */
  path(name: string): string;
  /** Closes the converter and removes everything. Throws when a conversion left something behind. */
  close(): Promise<void>;
}

/** Workers are compiled JavaScript: stale ones would test yesterday's code. */
function requireFreshBuild(): void {
  const dist = join(__dirname, '..', 'dist');
  const worker = join(dist, 'worker', 'main.js');
  if (!existsSync(worker)) throw new Error('core/media is not built. Run: npx tsc -b core/media');
  for (const name of readdirSync(__dirname, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts') || name.includes('.test.')) continue;
    const built = join(dist, name.replace(/\.ts$/, '.js'));
    const info = existsSync(join(dist, '..', 'tsconfig.tsbuildinfo'))
      ? join(dist, '..', 'tsconfig.tsbuildinfo')
      : built;
    // tsc leaves files whose output did not change: the build's own record tells when it last ran.
    const newest = Math.max(statSync(built, { throwIfNoEntry: false })?.mtimeMs ?? 0, statSync(info).mtimeMs);
    if (statSync(join(__dirname, name)).mtimeMs > newest) {
      throw new Error(`core/media/src/${name} is newer than its build. Run: npx tsc -b core/media`);
    }
  }
}

export function openBench(options: Partial<MediaConverterOptions> = {}): Bench {
  requireFreshBuild();
  const folder = mkdtempSync(join(tmpdir(), 'media-test-'));
  const scratch = join(folder, 'scratch');
  const media = new MediaConverter({ scratchRoot: scratch, ...options });
  const path = (name: string): string => join(folder, name);
  return {
    media,
    scratch,
    path,
    file(name, content) {
      writeFileSync(path(name), content);
      return path(name);
    },
    async close() {
      await media.close();
      const left = existsSync(scratch) ? readdirSync(scratch) : [];
      rmSync(folder, { recursive: true, force: true });
      if (left.length > 0) throw new Error(`left in the scratch directory: ${left.join(', ')}`);
    },
  };
}

/** Runs what must fail with a media error, and returns that. */
export async function failureOf(run: Promise<unknown>): Promise<{ code: MediaErrorCode; message: string }> {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof MediaError)) throw new Error(`no media error, but: ${String(error)}`);
  return { code: error.code, message: error.message };
}

/** True when a program of the system is there; tests that need it are reported as skipped otherwise. */
export function hasProgram(name: string): boolean {
  return (process.env.PATH ?? '').split(':').some((folder) => folder !== '' && existsSync(join(folder, name)));
}

/** Runs a program and returns what it prints. */
export function runProgram(name: string, args: readonly string[]): string {
  return execFileSync(name, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 30_000 });
}

type Test = (name: string, run: () => Promise<void>, timeout?: number) => void;

/** `it`, or an `it` that is reported as skipped with the reason. */
export function itIf(condition: boolean, reason: string): Test {
  if (condition) return (name, run, timeout) => it(name, run, timeout);
  const skipped = it.skip;
  return (name, run, timeout) => skipped(`${name} (skipped: ${reason})`, run, timeout);
}

/** Tests that need a program of the system. */
export function itWith(program: string): Test {
  return itIf(hasProgram(program), `${program} is not installed`);
}

/** The black block of the test page, as shares of its width and height. */
export const BLOCK = { left: 0.15, top: 0.1, right: 0.45, bottom: 0.3 } as const;

/** An A4 page with one black block in its upper left part, as an SVG-free raw picture. */
export function testPicture(width = 840, height = 1188): sharp.Sharp {
  const data = Buffer.alloc(width * height * 3, 255);
  for (let y = Math.round(BLOCK.top * height); y < BLOCK.bottom * height; y++) {
    const row = y * width;
    data.fill(0, (row + Math.round(BLOCK.left * width)) * 3, (row + Math.round(BLOCK.right * width)) * 3);
  }
  return sharp(data, { raw: { width, height, channels: 3 } });
}

/** The same page as a PDF, so many times. */
export async function testPdf(pages = 1, size: [number, number] = [595.28, 841.89]): Promise<Uint8Array> {
  const pdf = await PDFDocument.create();
  for (let i = 0; i < pages; i++) {
    const page = pdf.addPage(size);
    const [width, height] = size;
    page.drawRectangle({
      x: BLOCK.left * width,
      y: (1 - BLOCK.bottom) * height,
      width: (BLOCK.right - BLOCK.left) * width,
      height: (BLOCK.bottom - BLOCK.top) * height,
    });
  }
  return pdf.save();
}

/** One page of a TIFF read by libvips: one byte a pixel, 0 black or 255 white. */
export async function readPage(path: string, page: number): Promise<{ data: Buffer; width: number; height: number }> {
  const picture = sharp(path, { page, limitInputPixels: false }).toColourspace('b-w').raw();
  const { data, info } = await picture.toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}

/** Share of black pixels in a rectangle given by shares of width and height. */
export function inkIn(
  picture: { data: Buffer; width: number; height: number },
  box: { left: number; top: number; right: number; bottom: number },
): number {
  const { data, width, height } = picture;
  const [left, right] = [Math.ceil(box.left * width), Math.floor(box.right * width)];
  const [top, bottom] = [Math.ceil(box.top * height), Math.floor(box.bottom * height)];
  let black = 0;
  for (let y = top; y < bottom; y++) {
    for (let i = y * width + left; i < y * width + right; i++) black += (data[i] as number) < 128 ? 1 : 0;
  }
  const all = (right - left) * (bottom - top);
  return all <= 0 ? 0 : black / all;
}
