import { readFileSync } from 'node:fs';
import { MediaError } from '../media-error';

/** A picture of three bytes a pixel: red, green, blue. */
export interface RgbPicture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

interface BmpHeader {
  readonly width: number;
  readonly height: number;
  readonly topDown: boolean;
  readonly bits: number;
  readonly pixelsAt: number;
  /** Colours of pictures of up to 8 bits: blue, green, red and perhaps a byte of filling. */
  readonly palette: { readonly at: number; readonly entry: 3 | 4; readonly colours: number };
  /** Red, green and blue masks of pictures of 16 and 32 bits. */
  readonly masks: readonly [number, number, number];
}

/**
 * Reads a Windows or OS/2 bitmap of 1, 4, 8, 16, 24 or 32 bits without run-length coding ([MS-WMF] 2.2.2.3), which
 * the picture library cannot. Transparency is ignored, as most readers do.
 */
export function readBmp(path: string, maxPixels: number): RgbPicture {
  const file = readFileSync(path);
  const header = readHeader(file);
  const { width, height, bits } = header;
  if (width * height > maxPixels) {
    throw new MediaError('MEDIA_TOO_LARGE', `The picture has more than ${Math.round(maxPixels / 1e6)} megapixels.`);
  }
  const stride = Math.ceil((width * bits) / 32) * 4;
  if (header.pixelsAt + stride * height > file.length) throw damaged('pixels are missing');
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const row = header.pixelsAt + stride * (header.topDown ? y : height - 1 - y);
    readRow(file, row, header, data, y * width * 3);
  }
  return { width, height, data };
}

function damaged(detail: string): MediaError {
  return new MediaError('MEDIA_NOT_CONVERTIBLE', 'The BMP is damaged or of an unusual kind. Save it as PNG.', detail);
}

function readHeader(file: Buffer): BmpHeader {
  if (file.length < 30 || file.toString('latin1', 0, 2) !== 'BM') throw damaged('no BMP header');
  const size = file.readUInt32LE(14);
  const core = size === 12; // OS/2 1.x
  if (!core && (size < 40 || file.length < 14 + size)) throw damaged(`header of ${size} bytes`);
  const width = core ? file.readUInt16LE(18) : file.readInt32LE(18);
  const signedHeight = core ? file.readUInt16LE(20) : file.readInt32LE(22);
  const bits = file.readUInt16LE(core ? 24 : 28);
  const compression = core ? 0 : file.readUInt32LE(30);
  const bitfields = compression === 3 || compression === 6;
  if (width < 1 || signedHeight === 0 || ![1, 4, 8, 16, 24, 32].includes(bits)) throw damaged('impossible size');
  if (compression !== 0 && !(bitfields && (bits === 16 || bits === 32))) throw damaged(`compression ${compression}`);
  const masksAt = 54; // inside the longer headers, right behind the short one
  if (bitfields && file.length < masksAt + 12) throw damaged('no masks');
  const mask = (i: number): number => file.readUInt32LE(masksAt + 4 * i);
  const plain: readonly [number, number, number] = bits === 16 ? [0x7c00, 0x3e0, 0x1f] : [0xff0000, 0xff00, 0xff];
  const used = core ? 0 : file.readUInt32LE(46);
  return {
    width,
    height: Math.abs(signedHeight),
    topDown: signedHeight < 0,
    bits,
    pixelsAt: file.readUInt32LE(10),
    palette: { at: 14 + size, entry: core ? 3 : 4, colours: Math.min(used || 1 << Math.min(bits, 8), 256) },
    masks: bitfields ? [mask(0), mask(1), mask(2)] : plain,
  };
}

function readRow(file: Buffer, row: number, header: BmpHeader, out: Uint8Array, at: number): void {
  const { width, bits, palette } = header;
  for (let x = 0; x < width; x++) {
    const o = at + x * 3;
    if (bits === 24) {
      const p = row + x * 3;
      out[o] = file[p + 2] as number;
      out[o + 1] = file[p + 1] as number;
      out[o + 2] = file[p] as number;
    } else if (bits > 8) {
      const value = bits === 16 ? file.readUInt16LE(row + x * 2) : file.readUInt32LE(row + x * 4);
      header.masks.forEach((mask, i) => {
        out[o + i] = channel(value, mask);
      });
    } else {
      const byte = file[row + ((x * bits) >> 3)] as number;
      const index = (byte >> (8 - bits - ((x * bits) & 7))) & ((1 << bits) - 1);
      const p = palette.at + Math.min(index, palette.colours - 1) * palette.entry;
      out[o] = file[p + 2] ?? 0;
      out[o + 1] = file[p + 1] ?? 0;
      out[o + 2] = file[p] ?? 0;
    }
  }
}

/** The bits of one colour, stretched to 0 to 255. */
function channel(value: number, mask: number): number {
  if (mask === 0) return 0;
  const shift = 31 - Math.clz32(mask & -mask);
  return Math.round(((((value & mask) >>> 0) >>> shift) / (mask >>> shift)) * 255);
}
