import { closeSync, openSync, writeSync } from 'node:fs';
import type { FaxEncoding } from '../types';
import type { BilevelPage } from './bilevel';
import { encodeG3, encodeG4 } from './ccitt-encoder';

const SHORT = 3;
const LONG = 4;
const RATIONAL = 5;
const PAGE_NUMBER = 297;

/** A tag of TIFF 6.0: number, type, value or offset, and a second SHORT for PageNumber. */
type Tag = readonly [tag: number, type: number, value: number];

/**
 * Writes a fax TIFF page by page: TIFF class F (RFC 2306) with one strip a page, min-is-white, which spandsp sends
 * as it is. Only one coded page is in memory at a time.
 */
export class FaxTiffWriter {
  private readonly file: number;
  private size = 8;
  /** Where the offset of the next directory goes. */
  private link = 4;
  /** File positions of the "of how many" halves of the PageNumber tags. */
  private readonly totals: number[] = [];

  constructor(
    path: string,
    private readonly resolution: { readonly x: number; readonly y: number },
    private readonly encoding: FaxEncoding,
    /** Bytes the file may have; beyond it `addPage` throws a RangeError. */
    private readonly maxBytes: number,
  ) {
    this.file = openSync(path, 'wx', 0o600);
    writeSync(this.file, Uint8Array.of(0x49, 0x49, 42, 0, 0, 0, 0, 0), 0, 8, 0);
  }

  get pages(): number {
    return this.totals.length;
  }

  get bytes(): number {
    return this.size;
  }

  addPage(page: BilevelPage): void {
    const data = this.encoding === 'g4' ? encodeG4(page) : encodeG3(page);
    const strip = this.append(data);
    const resolution = new DataView(new ArrayBuffer(16));
    [this.resolution.x, 1, this.resolution.y, 1].forEach((value, i) => {
      resolution.setUint32(i * 4, value, true);
    });
    const tags = this.tags(page, strip, data.length, this.append(new Uint8Array(resolution.buffer)));
    const directory = this.directory(tags);
    const at = this.append(directory);
    this.totals.push(at + 2 + tags.findIndex(([tag]) => tag === PAGE_NUMBER) * 12 + 10);
    this.patch(this.link, 4, at);
    this.link = at + directory.length - 4;
  }

  /** Tells each page of how many it is, and closes the file. */
  finish(): void {
    for (const at of this.totals) this.patch(at, 2, this.pages);
    closeSync(this.file);
  }

  private tags(page: BilevelPage, strip: number, stripBytes: number, resolutionAt: number): Tag[] {
    const g4 = this.encoding === 'g4';
    return [
      [254, LONG, 2], // NewSubfileType: a page of many
      [256, LONG, page.width],
      [257, LONG, page.height],
      [258, SHORT, 1], // BitsPerSample
      [259, SHORT, g4 ? 4 : 3], // Compression
      [262, SHORT, 0], // PhotometricInterpretation: min-is-white
      [266, SHORT, 1], // FillOrder: first pixel in the high bit
      [273, LONG, strip],
      [274, SHORT, 1], // Orientation
      [277, SHORT, 1], // SamplesPerPixel
      [278, LONG, page.height], // RowsPerStrip
      [279, LONG, stripBytes],
      [282, RATIONAL, resolutionAt],
      [283, RATIONAL, resolutionAt + 8],
      g4 ? [293, LONG, 0] : [292, LONG, 4], // T6Options; T4Options: one-dimensional, EOLs on byte borders
      [296, SHORT, 2], // ResolutionUnit: inch
      [PAGE_NUMBER, SHORT, this.pages],
    ];
  }

  private directory(tags: readonly Tag[]): Uint8Array {
    const view = new DataView(new ArrayBuffer(2 + tags.length * 12 + 4));
    view.setUint16(0, tags.length, true);
    tags.forEach(([tag, type, value], i) => {
      const at = 2 + i * 12;
      view.setUint16(at, tag, true);
      view.setUint16(at + 2, type, true);
      view.setUint32(at + 4, tag === PAGE_NUMBER ? 2 : 1, true);
      if (type === SHORT) view.setUint16(at + 8, value, true);
      else view.setUint32(at + 8, value, true);
    });
    return new Uint8Array(view.buffer);
  }

  /** Appends on an even offset, as TIFF 6.0 asks for directories. */
  private append(data: Uint8Array): number {
    const at = this.size + (this.size & 1);
    if (at + data.length > this.maxBytes) throw new RangeError('the fax file would be too large');
    for (let done = 0; done < data.length; ) {
      done += writeSync(this.file, data, done, data.length - done, at + done);
    }
    this.size = at + data.length;
    return at;
  }

  private patch(at: number, bytes: 2 | 4, value: number): void {
    const buffer = Buffer.alloc(bytes);
    buffer.writeUIntLE(value, 0, bytes);
    writeSync(this.file, buffer, 0, bytes, at);
  }
}
