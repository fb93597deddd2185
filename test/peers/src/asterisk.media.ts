import { randomUUID } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { run } from './peer-process';

/** Samples per second of telephone audio. */
const RATE = 8000;

/** Writes a WAV file (16 bit, mono, 8 kHz) that holds a tone. `level` is the amplitude from 0 to 1. */
export async function writeTone(file: string, seconds: number, frequency = 700, level = 0.25): Promise<void> {
  const count = Math.round(seconds * RATE);
  const data = Buffer.alloc(count * 2);
  for (let i = 0; i < count; i += 1) {
    data.writeInt16LE(Math.round(level * 32_767 * Math.sin((2 * Math.PI * frequency * i) / RATE)), i * 2);
  }
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(36 + data.length, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(RATE, 24);
  header.writeUInt32LE(RATE * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36);
  header.writeUInt32LE(data.length, 40);
  await writeFile(file, Buffer.concat([header, data]));
}

/** What a recording holds: its whole length, and length and level (RMS, 0 to 1) of the part that is not silent. */
export async function measureWav(file: string): Promise<{ seconds: number; soundSeconds: number; rms: number }> {
  const bytes = await readFile(file);
  const start = bytes.indexOf('data') + 8;
  const samples = new Int16Array((bytes.length - start) >> 1);
  for (let i = 0; i < samples.length; i += 1) samples[i] = bytes.readInt16LE(start + i * 2);
  const loud = (value: number) => Math.abs(value) > 300;
  const first = samples.findIndex(loud);
  const last = samples.findLastIndex(loud);
  const sound = first < 0 ? samples.subarray(0, 0) : samples.subarray(first, last + 1);
  const energy = sound.reduce((sum, value) => sum + (value / 32_768) ** 2, 0);
  const rms = sound.length === 0 ? 0 : Math.sqrt(energy / sound.length);
  return { seconds: samples.length / RATE, soundSeconds: sound.length / RATE, rms };
}

/** Pixels across a fax page of normal width (ITU-T T.4). */
const WIDTH = 1728;

/**
 * Writes a TIFF that fax machines take: G4, 1728 pixels wide, 204x98 dots per inch ("standard"). A `light` page holds
 * bars, a `dense` one noise that no fax coding can shorten.
 */
export async function writeFaxTiff(file: string, pages: readonly ('light' | 'dense')[], rows = 1146): Promise<void> {
  const raw = `${file}.${randomUUID()}.raw.tif`;
  await writeFile(
    raw,
    uncompressedTiff(
      pages.map((kind, index) => pixels(kind, index, rows)),
      rows,
    ),
  );
  await run('tiffcp', ['-c', 'g4', raw, file], { timeout: 20_000 });
  await rm(raw);
}

function pixels(kind: 'light' | 'dense', page: number, rows: number): Buffer {
  const stride = WIDTH / 8;
  const data = Buffer.alloc(stride * rows); // 0 is white (WhiteIsZero)
  let seed = 12_345 + page;
  for (let row = 60; row < rows - 60; row += 1) {
    for (let column = 10; column < stride - 10; column += 1) {
      if (kind === 'dense') {
        seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff;
        if (column < 120) data[row * stride + column] = (seed >> 16) & 0xff;
      } else if (row % 120 < 12 && column < 40 + 20 * (page + 1)) {
        data[row * stride + column] = 0xff;
      }
    }
  }
  return data;
}

/** A bilevel TIFF of several pages, written by hand: little-endian, one strip a page. */
function uncompressedTiff(images: readonly Buffer[], rows: number): Buffer {
  const parts: Buffer[] = [Buffer.from([0x49, 0x49, 42, 0, 8, 0, 0, 0])];
  let offset = 8;
  images.forEach((image, index) => {
    const entries: [tag: number, type: number, value: number][] = [
      [254, 4, 2],
      [256, 3, WIDTH],
      [257, 3, rows],
      [258, 3, 1],
      [259, 3, 1],
      [262, 3, 0],
      [273, 4, offset + 2 + 12 * 13 + 4 + 16],
      [277, 3, 1],
      [278, 4, rows],
      [279, 4, image.length],
      [282, 5, offset + 2 + 12 * 13 + 4],
      [283, 5, offset + 2 + 12 * 13 + 4 + 8],
      [296, 3, 2],
    ];
    const directory = Buffer.alloc(2 + 12 * entries.length + 4 + 16);
    directory.writeUInt16LE(entries.length, 0);
    entries.forEach(([tag, type, value], at) => {
      directory.writeUInt16LE(tag, 2 + at * 12);
      directory.writeUInt16LE(type, 4 + at * 12);
      directory.writeUInt32LE(1, 6 + at * 12);
      directory.writeUInt32LE(value, 10 + at * 12);
    });
    const size = directory.length + image.length;
    directory.writeUInt32LE(index === images.length - 1 ? 0 : offset + size, 2 + 12 * entries.length);
    [204, 1, 98, 1].forEach((value, at) => {
      directory.writeUInt32LE(value, 6 + 12 * entries.length + at * 4);
    });
    parts.push(directory, image);
    offset += size;
  });
  return Buffer.concat(parts);
}

/** The pages of any bilevel TIFF as rows of packed pixels, 1 is black. */
export async function readFaxPages(file: string): Promise<Buffer[][]> {
  const plain = `${file}.${randomUUID()}.plain.tif`;
  await run('tiffcp', ['-c', 'none', '-r', '20000', '-f', 'msb2lsb', file, plain], { timeout: 20_000 });
  const bytes = await readFile(plain);
  await rm(plain);
  const little = bytes[0] === 0x49;
  const u16 = (at: number) => (little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at));
  const u32 = (at: number) => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  const pages: Buffer[][] = [];
  for (let directory = u32(4); directory !== 0; ) {
    const tags = new Map<number, number>();
    const count = u16(directory);
    for (let i = 0; i < count; i += 1) {
      const at = directory + 2 + i * 12;
      tags.set(u16(at), u16(at + 2) === 3 ? u16(at + 8) : u32(at + 8));
    }
    const stride = Math.ceil((tags.get(256) ?? 0) / 8);
    const start = tags.get(273) ?? 0;
    const invert = tags.get(262) === 1;
    const rows = Array.from({ length: tags.get(257) ?? 0 }, (_, row) => {
      const line = Buffer.from(bytes.subarray(start + row * stride, start + (row + 1) * stride));
      if (invert) for (let i = 0; i < line.length; i += 1) line[i] = ~(line[i] ?? 0) & 0xff;
      return line;
    });
    pages.push(rows);
    directory = u32(directory + 2 + count * 12);
  }
  return pages;
}

/**
 * Compares a received fax with what was sent. A header line adds rows at the top of each received page.
 *
 * @returns per page the rows that were added and the rows that differ below them
 */
export async function compareFax(sent: string, received: string): Promise<{ headerRows: number; differing: number }[]> {
  const [a, b] = [await readFaxPages(sent), await readFaxPages(received)];
  if (a.length !== b.length) throw new Error(`sent ${a.length} pages, received ${b.length}`);
  return a.map((rows, page) => {
    const other = b[page] ?? [];
    const headerRows = other.length - rows.length;
    const differing = rows.filter((row, index) => !row.equals(other[index + headerRows] ?? Buffer.alloc(0))).length;
    return { headerRows, differing };
  });
}
