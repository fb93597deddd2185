import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** What a fax needs to know of one page of a TIFF. */
export interface TiffPage {
  readonly width: number;
  readonly height: number;
  /** 1 none, 2 modified Huffman, 3 T.4, 4 T.6, others as TIFF 6.0 says. */
  readonly compression: number;
  /** 0 min-is-white, 1 min-is-black. */
  readonly photometric: number;
  readonly bitsPerSample: number;
  /** 2 = the first pixel is in the low bit (spandsp writes this). */
  readonly fillOrder: number;
  readonly t4Options: number;
  /** 1 to 8, as TIFF 6.0 and Exif say. */
  readonly orientation: number;
  /** Dots per inch; 0 when the file does not say. */
  readonly resolutionX: number;
  readonly resolutionY: number;
  readonly strips: readonly { readonly offset: number; readonly bytes: number }[];
}

/** Bytes of one element by TIFF type; 0 = a type we never need. */
const TYPE_SIZE = [0, 1, 1, 2, 4, 8];
/** Values read of one tag: a page with more strips is not a fax page. */
const MAX_VALUES = 4096;

/** Reads the directories of a TIFF by offset, without loading the picture. Throws on files that are not TIFF. */
export class TiffReader {
  private readonly file: number;
  private readonly size: number;
  private readonly little: boolean;
  readonly pages: TiffPage[] = [];
  constructor(path: string, maxPages: number) {
    this.file = openSync(path, 'r');
    try {
      this.size = fstatSync(this.file).size;
      const head = this.read(0, 8);
      const order = head.toString('latin1', 0, 2);
      this.little = order === 'II';
      if ((order !== 'II' && order !== 'MM') || this.uint16(head, 2) !== 42) throw new Error('not a TIFF file');
      this.readPages(this.uint32(head, 4), maxPages);
    } catch (error) {
      closeSync(this.file);
      throw error;
    }
  }

  close(): void {
    closeSync(this.file);
  }

  /** Bytes of the file; throws when it ends before them. */
  read(offset: number, bytes: number): Buffer {
    if (offset < 0 || offset + bytes > this.size) throw new Error('the TIFF file is cut short');
    const buffer = Buffer.alloc(bytes);
    for (let done = 0; done < bytes; ) {
      const got = readSync(this.file, buffer, done, bytes - done, offset + done);
      if (got === 0) throw new Error('the TIFF file is cut short');
      done += got;
    }
    return buffer;
  }

  private readPages(first: number, maxPages: number): void {
    const seen = new Set<number>(); // a directory may point back to an earlier one
    for (let at = first; at !== 0 && !seen.has(at) && this.pages.length < maxPages; ) {
      seen.add(at);
      const count = this.uint16(this.read(at, 2), 0);
      const entries = this.read(at + 2, count * 12 + 4);
      const tags = new Map<number, number[]>();
      for (let i = 0; i < count; i++) this.readTag(entries, i * 12, tags);
      this.pages.push(toPage(tags));
      at = this.uint32(entries, count * 12);
    }
  }

  private readTag(entries: Buffer, at: number, tags: Map<number, number[]>): void {
    const type = this.uint16(entries, at + 2);
    const count = this.uint32(entries, at + 4);
    const size = TYPE_SIZE[type] ?? 0;
    if (!size || count > MAX_VALUES) return;
    const inline = size * count <= 4;
    const data = inline ? entries.subarray(at + 8, at + 12) : this.read(this.uint32(entries, at + 8), size * count);
    const values: number[] = [];
    for (let i = 0; i < count; i++) values.push(this.value(data, type, i * size));
    tags.set(this.uint16(entries, at), values);
  }

  private value(data: Buffer, type: number, at: number): number {
    if (type === 3) return this.uint16(data, at);
    if (type === 4) return this.uint32(data, at);
    if (type !== 5) return data[at] ?? 0;
    const denominator = this.uint32(data, at + 4);
    return denominator === 0 ? 0 : this.uint32(data, at) / denominator;
  }

  private uint16(data: Buffer, at: number): number {
    return this.little ? data.readUInt16LE(at) : data.readUInt16BE(at);
  }

  private uint32(data: Buffer, at: number): number {
    return this.little ? data.readUInt32LE(at) : data.readUInt32BE(at);
  }
}

function toPage(tags: ReadonlyMap<number, number[]>): TiffPage {
  const tag = (number: number, otherwise: number): number => tags.get(number)?.[0] ?? otherwise;
  const sizes = tags.get(279) ?? [];
  const perInch = tag(296, 2) === 3 ? 2.54 : 1; // ResolutionUnit: centimetre or inch
  return {
    width: tag(256, 0),
    height: tag(257, 0),
    compression: tag(259, 1),
    photometric: tag(262, 0),
    bitsPerSample: tag(258, 1),
    fillOrder: tag(266, 1),
    t4Options: tag(292, 0),
    orientation: tag(274, 1),
    resolutionX: tag(282, 0) * perInch,
    resolutionY: tag(283, 0) * perInch,
    strips: (tags.get(273) ?? []).map((offset, i) => ({ offset, bytes: sizes[i] ?? 0 })),
  };
}

/** Width over height of one pixel; 1 when the file does not say, or says nonsense. */
export function pixelAspect(page: TiffPage): number {
  const aspect = page.resolutionY / page.resolutionX;
  return Number.isFinite(aspect) && aspect > 0.1 && aspect < 10 ? aspect : 1;
}
