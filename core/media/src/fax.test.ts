import { readFileSync } from 'node:fs';
import { PDFDocument } from 'pdf-lib';
import sharp from 'sharp';
import {
  type Bench,
  BLOCK,
  failureOf,
  inkIn,
  itWith,
  openBench,
  readPage,
  runProgram,
  testPdf,
  testPicture,
} from './fixtures.test.util';
import { FAX_QUALITIES, type FaxQuality, type MediaFile } from './index';

let bench: Bench;
beforeAll(() => {
  bench = openBench();
});
afterAll(() => bench.close());

const QUALITIES = Object.keys(FAX_QUALITIES) as FaxQuality[];
/** Section 1.3 of the API, and the pixels of A4 at these resolutions. */
const EXPECTED: Record<FaxQuality, { x: number; y: number; width: number; height: number }> = {
  basic: { x: 100, y: 98, width: 864, height: 1146 },
  standard: { x: 204, y: 98, width: 1728, height: 1146 },
  fine: { x: 204, y: 196, width: 1728, height: 2292 },
  super: { x: 204, y: 391, width: 1728, height: 4572 },
  superior: { x: 300, y: 300, width: 2592, height: 3508 },
  ultra: { x: 408, y: 391, width: 3456, height: 4572 },
};

/** A4 is 210 mm of the 215 and more that a fax line has: where the page's own shares lie on the fax page. */
function onFax(box: typeof BLOCK, quality: FaxQuality, inset: number): typeof BLOCK {
  const { x, width } = EXPECTED[quality];
  const paper = ((210 / 25.4) * x) / width;
  const across = (share: number): number => (1 - paper) / 2 + share * paper;
  return {
    left: across(box.left) + inset,
    right: across(box.right) - inset,
    top: box.top + inset,
    bottom: box.bottom - inset,
  } as typeof BLOCK;
}

async function expectBlock(path: string, page: number, quality: FaxQuality): Promise<void> {
  const picture = await readPage(path, page);
  const { width, height } = EXPECTED[quality];
  expect(picture).toMatchObject({ width, height });
  expect(inkIn(picture, onFax(BLOCK, quality, 0.005))).toBe(1);
  const outer = onFax(BLOCK, quality, -0.006);
  expect(inkIn(picture, { left: 0, top: 0, right: 1, bottom: outer.top })).toBe(0);
  expect(inkIn(picture, { left: 0, top: outer.bottom, right: 1, bottom: 1 })).toBe(0);
  expect(inkIn(picture, { left: 0, top: 0, right: outer.left, bottom: 1 })).toBe(0);
  expect(inkIn(picture, { left: outer.right, top: 0, right: 1, bottom: 1 })).toBe(0);
}

async function source(kind: string): Promise<MediaFile> {
  const name = `page.${kind}`;
  const picture = testPicture();
  switch (kind) {
    case 'pdf':
      return { path: bench.file(name, await testPdf()), mediaType: 'application/pdf' };
    case 'png':
      return { path: bench.file(name, await picture.png().toBuffer()), mediaType: 'image/png' };
    case 'jpg':
      return { path: bench.file(name, await picture.jpeg({ quality: 90 }).toBuffer()), mediaType: 'image/jpeg' };
    case 'gif':
      return { path: bench.file(name, await picture.gif().toBuffer()), mediaType: 'image/gif' };
    case 'bmp':
      return { path: bench.file(name, bmp24(await picture.raw().toBuffer(), 840, 1188)), mediaType: 'image/bmp' };
    default:
      return { path: bench.file(name, await picture.tiff({ compression: 'lzw' }).toBuffer()), mediaType: 'image/tiff' };
  }
}

/** A Windows bitmap of 24 bits, bottom line first. */
function bmp24(rgb: Buffer, width: number, height: number): Buffer {
  const stride = Math.ceil((width * 3) / 4) * 4;
  const file = Buffer.alloc(54 + stride * height);
  file.write('BM', 0, 'latin1');
  file.writeUInt32LE(file.length, 2);
  file.writeUInt32LE(54, 10);
  file.writeUInt32LE(40, 14);
  file.writeInt32LE(width, 18);
  file.writeInt32LE(height, 22);
  file.writeUInt16LE(1, 26);
  file.writeUInt16LE(24, 28);
  for (let y = 0; y < height; y++) {
    for (let i = 0; i < width * 3; i++) {
      file[54 + (height - 1 - y) * stride + i] = rgb[(y * width + Math.floor(i / 3)) * 3 + 2 - (i % 3)] as number;
    }
  }
  return file;
}

describe.each(QUALITIES)('quality %s', (quality) => {
  it.each(['pdf', 'png', 'jpg', 'gif', 'bmp', 'tif'])(
    'turns %s into a page with the block where it was',
    async (kind) => {
      const out = bench.path(`${quality}-${kind}.tif`);
      const { x, y, width, height } = EXPECTED[quality];
      const result = await bench.media.convertToFax([await source(kind)], { quality }, out);
      expect(result).toEqual({
        pages: 1,
        width,
        height,
        resolutionX: x,
        resolutionY: y,
        bytes: readFileSync(out).length,
      });
      await expectBlock(out, 0, quality);
    },
  );

  it('sets a text of four scripts', async () => {
    const text = 'Grüße\nΕλλάδα\nПривет\nمرحبا بالعالم\n';
    const input = { path: bench.file('text.txt', text), mediaType: 'text/plain' };
    const out = bench.path(`${quality}-txt.tif`);
    await bench.media.convertToFax([input], { quality }, out);
    const picture = await readPage(out, 0);
    const { y, height } = EXPECTED[quality];
    const line = (n: number, left: number, right: number): number =>
      inkIn(picture, {
        left,
        right,
        top: ((0.63 + n * 0.162) * y) / height,
        bottom: ((0.6 + (n + 1) * 0.162) * y) / height,
      });
    // Three lines of Latin, Greek and Cyrillic at the left edge, one of Arabic at the right.
    for (const n of [0, 1, 2]) {
      expect(line(n, 0.06, 0.15)).toBeGreaterThan(0.05);
      expect(line(n, 0.4, 1)).toBe(0);
    }
    expect(line(3, 0, 0.6)).toBe(0);
    expect(line(3, 0.8, 0.96)).toBeGreaterThan(0.02);
    expect(inkIn(picture, { left: 0, right: 1, top: (1.4 * y) / height, bottom: 1 })).toBe(0);
  });
});

describe('fax TIFF', () => {
  itWith('tiffinfo')('is class F in the eyes of libtiff', async () => {
    for (const encoding of ['g3', 'g4'] as const) {
      const out = bench.path(`${encoding}.tif`);
      const input = { path: bench.file('three.pdf', await testPdf(3)), mediaType: 'application/pdf' };
      await bench.media.convertToFax([input], { quality: 'super', encoding }, out);
      const said = runProgram('tiffinfo', ['-s', out]);
      expect(said).toContain(encoding === 'g3' ? 'CCITT Group 3' : 'CCITT Group 4');
      expect(said.match(/Resolution: 204, 391 pixels\/inch/g)).toHaveLength(3);
      expect(said.match(/min-is-white/g)).toHaveLength(3);
      expect(said.match(/1 Strips/g)).toHaveLength(3);
      for (const page of [0, 1, 2]) expect(said).toContain(`Page Number: ${page}-3`);
      for (const page of [0, 1, 2]) await expectBlock(out, page, 'super');
    }
  });

  it('appends pages in the order of the inputs and turns landscape to portrait', async () => {
    const landscape = {
      path: bench.file('wide.pdf', await testPdf(1, [841.89, 595.28])),
      mediaType: 'application/pdf',
    };
    const text = { path: bench.file('a.txt', 'x\fy'), mediaType: 'text/plain' };
    const out = bench.path('mixed.tif');
    const result = await bench.media.convertToFax([text, landscape, await source('png')], { quality: 'fine' }, out);
    expect(result.pages).toBe(4);
    await expectBlock(out, 3, 'fine');
    // A quarter clockwise: the upper left corner becomes the upper right one.
    const turned = await readPage(out, 2);
    const box = onFax({ left: 0.7, right: 0.9, top: 0.15, bottom: 0.45 } as unknown as typeof BLOCK, 'fine', 0.005);
    expect(inkIn(turned, box)).toBe(1);
    expect(inkIn(turned, { left: 0, right: 0.68, top: 0, bottom: 1 })).toBe(0);
  });

  it('keeps a received fax bit by bit when it is sent on', async () => {
    const first = bench.path('first.tif');
    const again = bench.path('again.tif');
    const noise = Buffer.from(Array.from({ length: 300 * 400 }, (_, i) => ((i * 2654435761) >>> 24) & 255));
    const png = await sharp(noise, { raw: { width: 300, height: 400, channels: 1 } })
      .png()
      .toBuffer();
    await bench.media.convertToFax(
      [{ path: bench.file('n.png', png), mediaType: 'image/png' }],
      { quality: 'fine' },
      first,
    );
    await bench.media.convertToFax(
      [{ path: first, mediaType: 'image/tiff' }],
      { quality: 'fine', encoding: 'g3' },
      again,
    );
    const before = await readPage(first, 0);
    const after = await readPage(again, 0);
    expect(inkIn(before, { left: 0, top: 0, right: 1, bottom: 1 })).toBeGreaterThan(0.05);
    expect(after.data.equals(before.data)).toBe(true);
  });

  it('changes the quality of a fax without distorting it', async () => {
    const standard = bench.path('low.tif');
    const ultra = bench.path('high.tif');
    await bench.media.convertToFax([await source('pdf')], { quality: 'standard' }, standard);
    await bench.media.convertToFax([{ path: standard, mediaType: 'image/tiff' }], { quality: 'superior' }, ultra);
    const picture = await readPage(ultra, 0);
    expect(picture).toMatchObject({ width: 2592, height: 3508 });
    expect(inkIn(picture, onFax(BLOCK, 'superior', 0.02))).toBe(1);
    expect(inkIn(picture, { left: 0.5, top: 0, right: 1, bottom: 1 })).toBe(0);
  });

  it('keeps the tones of a photo as dots and cuts a text at a threshold', async () => {
    const grey = await sharp({ create: { width: 840, height: 1188, channels: 3, background: '#999' } })
      .png()
      .toBuffer();
    const input = { path: bench.file('grey.png', grey), mediaType: 'image/png' };
    const whole = { left: 0.2, top: 0.2, right: 0.8, bottom: 0.8 };
    const ink: Record<string, number> = {};
    for (const mode of ['auto', 'photo', 'text'] as const) {
      const out = bench.path(`${mode}.tif`);
      await bench.media.convertToFax([input], { quality: 'fine', mode }, out);
      ink[mode] = inkIn(await readPage(out, 0), whole);
    }
    expect(ink.text).toBe(1); // #999 is below the threshold
    expect(ink.photo).toBeGreaterThan(0.3); // 40 % black
    expect(ink.photo).toBeLessThan(0.5);
    expect(ink.auto).toBe(ink.photo);
  });

  it('cuts a long text into pages and refuses one page too many', async () => {
    const text = Array.from({ length: 150 }, (_, i) => `line ${i}`).join('\r\n');
    const input = { path: bench.file('long.txt', text), mediaType: 'text/plain' };
    const made = await bench.media.convertToFax([input], { quality: 'standard' }, bench.path('long.tif'));
    expect(made.pages).toBe(3);
    const run = bench.media.convertToFax([input], { quality: 'standard', maxPages: 2 }, bench.path('none.tif'));
    expect(await failureOf(run)).toEqual({
      code: 'MEDIA_TOO_MANY_PAGES',
      message: 'The document has more than 2 pages.',
    });
  });
});

describe('faxToPdf', () => {
  it.each(['g3', 'g4'] as const)('gives back the pixels of a %s fax', async (encoding) => {
    const tiff = bench.path(`r-${encoding}.tif`);
    const pdf = bench.path(`r-${encoding}.pdf`);
    const back = bench.path(`r-${encoding}-back.tif`);
    const inputs = [await source('png'), await source('pdf')];
    await bench.media.convertToFax(inputs, { quality: 'fine', encoding }, tiff);
    expect(await bench.media.faxToPdf(tiff, pdf)).toEqual({ pages: 2, bytes: readFileSync(pdf).length });
    const document = await PDFDocument.load(readFileSync(pdf));
    const { width, height } = document.getPage(0).getSize();
    expect(width).toBeCloseTo((1728 / 204) * 72, 3);
    expect(height).toBeCloseTo((2292 / 196) * 72, 3);
    expect(await bench.media.countPages({ path: pdf, mediaType: 'application/pdf' })).toBe(2);
    // Another reader (PDFium) draws it at one dot for each fax pixel: every pixel is the same.
    await bench.media.convertToFax([{ path: pdf, mediaType: 'application/pdf' }], { quality: 'fine' }, back);
    for (const page of [0, 1]) {
      const before = await readPage(tiff, page);
      const after = await readPage(back, page);
      expect(after).toMatchObject({ width: 1728, height: 2292 });
      expect(after.data.equals(before.data)).toBe(true);
    }
  });

  it('takes TIFF in strips, min-is-black, and with the low bit first', async () => {
    const strips = bench.path('strips.tif');
    await testPicture(1728, 2292)
      .toColourspace('b-w')
      .tiff({ compression: 'ccittfax4', bitdepth: 1, xres: 204 / 25.4, yres: 196 / 25.4 })
      .toFile(strips);
    const pdf = bench.path('strips.pdf');
    await bench.media.faxToPdf(strips, pdf);
    const png = bench.path('strips.png');
    await bench.media.pagePreview({ path: pdf, mediaType: 'application/pdf' }, { page: 1, width: 864 }, png);
    const picture = await readPage(png, 0);
    expect(inkIn(picture, { left: 0.16, top: 0.11, right: 0.44, bottom: 0.29 })).toBe(1);
    expect(inkIn(picture, { left: 0.5, top: 0, right: 1, bottom: 1 })).toBe(0);
  });

  itWith('tiffcp')('takes what spandsp writes: Group 3, the low bit first', async () => {
    const tiff = bench.path('msb.tif');
    const received = bench.path('lsb.tif');
    await bench.media.convertToFax([await source('png')], { quality: 'fine', encoding: 'g3' }, tiff);
    for (const coding of ['g3:1d:fill', 'g3:2d', 'g4']) {
      runProgram('tiffcp', ['-f', 'lsb2msb', '-c', coding, '-r', '2292', tiff, received]);
      const pdf = bench.path('lsb.pdf');
      const png = bench.path('lsb.png');
      await bench.media.faxToPdf(received, pdf);
      await bench.media.pagePreview({ path: pdf, mediaType: 'application/pdf' }, { page: 1, width: 1728 }, png);
      const picture = await readPage(png, 0);
      expect(inkIn(picture, onFax(BLOCK, 'fine', 0.005))).toBe(1);
      expect(inkIn(picture, { left: 0, top: 0.32, right: 1, bottom: 1 })).toBe(0);
    }
  });
});

describe('pagePreview and countPages', () => {
  it('draws square pixels from pixels that are not', async () => {
    const tiff = bench.path('p.tif');
    await bench.media.convertToFax([await source('pdf')], { quality: 'standard' }, tiff);
    const out = bench.path('p.jpg');
    const made = await bench.media.pagePreview(
      { path: tiff, mediaType: 'image/tiff' },
      { page: 1, width: 400, format: 'jpeg' },
      out,
    );
    expect(made).toEqual({
      width: 400,
      height: Math.round((400 * 1146 * 204) / (1728 * 98)),
      bytes: readFileSync(out).length,
    });
    expect((await sharp(out).metadata()).format).toBe('jpeg');
    expect(inkIn(await readPage(out, 0), onFax(BLOCK, 'standard', 0.02))).toBe(1);
  });

  it('counts pages of TIFF and pictures, and says which page is not there', async () => {
    const tiff = bench.path('c.tif');
    const pdf = { path: bench.file('c.pdf', await testPdf(3)), mediaType: 'application/pdf' };
    await bench.media.convertToFax([pdf], { quality: 'basic' }, tiff);
    expect(await bench.media.countPages({ path: tiff, mediaType: 'image/tiff' })).toBe(3);
    expect(await bench.media.countPages(await source('gif'))).toBe(1);
    for (const input of [pdf, { path: tiff, mediaType: 'image/tiff' }]) {
      const failure = await failureOf(bench.media.pagePreview(input, { page: 4 }, bench.path('none.png')));
      expect(failure).toEqual({
        code: 'MEDIA_NOT_CONVERTIBLE',
        message: 'The document has 3 pages; there is no page 4.',
      });
    }
  });
});
