import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { crc32, deflateSync } from 'node:zlib';
import { PDFDocument } from 'pdf-lib';
import { type Bench, failureOf, openBench, testPdf, testPicture } from './fixtures.test.util';
import type { MediaErrorCode, MediaFile } from './index';

/** Seconds within which each file must have its answer. */
const LIMIT_S = 17;

let bench: Bench;
/** What each file cost, for the report at the end. */
const report: string[] = [];

beforeAll(() => {
  bench = openBench();
});
afterAll(async () => {
  await bench.close();
  process.stdout.write(`hostile files, each against the limits of a small server:\n${report.join('\n')}\n`);
});

/** Converts a file that must be refused; measures how long that takes and how long this thread is held up. */
async function refusal(input: MediaFile): Promise<{ code: MediaErrorCode; message: string }> {
  const lag = monitorEventLoopDelay({ resolution: 5 });
  const before = performance.now();
  lag.enable();
  const out = bench.path('must-not-be');
  const run = input.mediaType.startsWith('audio/')
    ? bench.media.convertToVoice([input], {}, out)
    : bench.media.convertToFax([input], { quality: 'fine' }, out);
  const failure = await failureOf(run);
  lag.disable();
  const seconds = (performance.now() - before) / 1000;
  const held = lag.max / 1e6;
  report.push(
    `  ${failure.code.padEnd(22)} ${seconds.toFixed(2)} s, lag ${held.toFixed(0)} ms  ${input.path.split('/').pop()}`,
  );
  expect(seconds).toBeLessThan(LIMIT_S);
  expect(held).toBeLessThan(1000);
  expect(existsSync(out)).toBe(false);
  expect(readdirSync(bench.scratch)).toEqual([]);
  return failure;
}

/** A PDF of numbered objects, written by hand so that it can be wrong. */
function rawPdf(objects: readonly (string | Buffer)[], trailer = ''): Buffer {
  const parts: Buffer[] = [Buffer.from('%PDF-1.7\n')];
  let at = parts[0]?.length ?? 0;
  const offsets: number[] = [];
  const add = (part: Buffer): void => {
    parts.push(part);
    at += part.length;
  };
  objects.forEach((body, i) => {
    offsets.push(at);
    add(Buffer.concat([Buffer.from(`${i + 1} 0 obj\n`), Buffer.from(body), Buffer.from('\nendobj\n')]));
  });
  const start = at;
  const rows = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('');
  const size = objects.length + 1;
  add(Buffer.from(`xref\n0 ${size}\n0000000000 65535 f \n${rows}trailer\n<</Size ${size}/Root 1 0 R${trailer}>>\n`));
  add(Buffer.from(`startxref\n${start}\n%%EOF\n`));
  return Buffer.concat(parts);
}

function stream(dictionary: string, data: Buffer): Buffer {
  const head = Buffer.from(`<<${dictionary}/Length ${data.length}>>\nstream\n`);
  return Buffer.concat([head, data, Buffer.from('\nendstream')]);
}

const CATALOG = '<</Type/Catalog/Pages 2 0 R>>';
const PAGES = '<</Type/Pages/Kids[3 0 R]/Count 1>>';

/** A page with these contents. */
function page(resources: string): string {
  return `<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<<${resources}>>>>`;
}

function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(data.length, 0);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), chunk.length - 4);
  return chunk;
}

/** A black PNG of one bit a pixel. */
function bigPng(width: number, height: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 1;
  const rows = Buffer.alloc((Math.ceil(width / 8) + 1) * height);
  const chunks = [pngChunk('IHDR', header), pngChunk('IDAT', deflateSync(rows)), pngChunk('IEND', Buffer.alloc(0))];
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), ...chunks]);
}

function pdfFile(name: string, content: Uint8Array): MediaFile {
  return { path: bench.file(name, content), mediaType: 'application/pdf' };
}

describe('PDF', () => {
  it('bomb: a page of 3 GB of drawing, 9 KB as a file', async () => {
    let data: Buffer = Buffer.alloc(64 << 20, '0 0 m 9 9 l S\n');
    data = deflateSync(data);
    // The same coded block again and again inside a second layer: 48 streams of 64 MB, one page.
    const kids = Array.from({ length: 48 }, () => '5 0 R').join(' ');
    const contents = `[${kids}]`;
    const layered = deflateSync(data);
    const objects = [CATALOG, PAGES, page(''), contents, stream('/Filter[/FlateDecode/FlateDecode]', layered)];
    const failure = await refusal(pdfFile('bomb-content.pdf', rawPdf(objects)));
    expect(['MEDIA_MEMORY', 'MEDIA_TIMEOUT', 'MEDIA_NOT_CONVERTIBLE']).toContain(failure.code);
  });

  it('bomb: forms that draw ten forms that draw ten forms, ten levels deep', async () => {
    const form = (n: number): Buffer => {
      const inner = n < 14 ? `/Resources<</XObject<</F ${n + 1} 0 R>>>>` : '';
      const draw = n < 14 ? '/F Do '.repeat(10) : '0 0 500 800 re f';
      return stream(`/Type/XObject/Subtype/Form/BBox[0 0 595 842]${inner}`, Buffer.from(draw));
    };
    const forms = Array.from({ length: 10 }, (_, i) => form(i + 5));
    const objects = [CATALOG, PAGES, page('/XObject<</F 5 0 R>>'), stream('', Buffer.from('/F Do')), ...forms];
    const failure = await refusal(pdfFile('bomb-forms.pdf', rawPdf(objects)));
    expect(['MEDIA_MEMORY', 'MEDIA_TIMEOUT']).toContain(failure.code);
  });

  it('bomb: a shading whose colour takes ten thousand multiplications for each pixel', async () => {
    const body = Buffer.from(`{ pop ${'dup mul '.repeat(10_000)} }`);
    const objects = [
      CATALOG,
      PAGES,
      page('/Shading<</S 5 0 R>>'),
      stream('', Buffer.from('/S sh')),
      '<</ShadingType 1/ColorSpace/DeviceGray/Domain[0 1 0 1]/Matrix[595 0 0 842 0 0]/Function 6 0 R>>',
      stream('/FunctionType 4/Domain[0 1 0 1]/Range[0 1]', body),
    ];
    const failure = await refusal(pdfFile('bomb-shading.pdf', rawPdf(objects)));
    expect(failure.code).toBe('MEDIA_TIMEOUT');
    expect(failure.message).toMatch(/given up after 15 seconds/);
  });

  it('bomb: a picture of 60,000 x 60,000 pixels', async () => {
    const size = 60_000;
    const data = deflateSync(deflateSync(Buffer.alloc((size * size) / 8 / 16)));
    const image = `/Type/XObject/Subtype/Image/Width ${size}/Height ${size}/BitsPerComponent 8/ColorSpace/DeviceRGB`;
    const objects = [
      CATALOG,
      PAGES,
      page('/XObject<</I 5 0 R>>'),
      stream('', Buffer.from('q 500 0 0 500 0 0 cm /I Do Q')),
      stream(`${image}/Filter[/FlateDecode/FlateDecode]`, data),
    ];
    const run = bench.media.convertToFax(
      [pdfFile('bomb-image.pdf', rawPdf(objects))],
      { quality: 'fine' },
      bench.path('i.tif'),
    );
    // PDFium may leave out a picture that its data do not fill; what counts is that the limits hold.
    const before = performance.now();
    const code = await run.then(
      () => 'converted',
      (error: { code?: string }) => error.code,
    );
    expect(code).toMatch(/^(converted|MEDIA_\w+)$/);
    expect((performance.now() - before) / 1000).toBeLessThan(LIMIT_S);
  });

  it('encrypted', async () => {
    const lock = `<</Filter/Standard/V 1/R 2/O<${'41'.repeat(32)}>/U<${'42'.repeat(32)}>/P -4>>`;
    const objects = [CATALOG, PAGES, page(''), stream('', Buffer.from('0 0 9 9 re f')), lock];
    const id = '00112233445566778899aabbccddeeff';
    const failure = await refusal(pdfFile('encrypted.pdf', rawPdf(objects, `/Encrypt 5 0 R/ID[<${id}><${id}>]`)));
    expect(failure.code).toBe('MEDIA_NOT_CONVERTIBLE');
    expect(failure.message).toMatch(/protected by a password/);
  });

  it('truncated', async () => {
    const whole = Buffer.from(await testPdf(3));
    const failure = await refusal(pdfFile('truncated.pdf', whole.subarray(0, 300)));
    expect(failure).toEqual({ code: 'MEDIA_NOT_CONVERTIBLE', message: 'The PDF is damaged and cannot be opened.' });
  });

  it('of 1000 pages', async () => {
    const pdf = await PDFDocument.create();
    for (let i = 0; i < 1000; i++) pdf.addPage();
    const failure = await refusal(pdfFile('1000-pages.pdf', await pdf.save()));
    expect(failure).toEqual({ code: 'MEDIA_TOO_MANY_PAGES', message: 'The document has more than 500 pages.' });
  });

  it('whose page tree is a circle', async () => {
    const objects = [
      CATALOG,
      '<</Type/Pages/Kids[3 0 R]/Count 1>>',
      '<</Type/Pages/Kids[2 0 R]/Count 1/Parent 2 0 R>>',
    ];
    const failure = await refusal(pdfFile('circle.pdf', rawPdf(objects)));
    expect(['MEDIA_NOT_CONVERTIBLE', 'MEDIA_TIMEOUT']).toContain(failure.code);
  });

  it('that is nothing but its first line', async () => {
    expect((await refusal(pdfFile('head.pdf', Buffer.from('%PDF-1.7\n')))).code).toBe('MEDIA_NOT_CONVERTIBLE');
  });
});

describe('pictures', () => {
  it('a PNG of 400 megapixels', async () => {
    const failure = await refusal({ path: bench.file('400mp.png', bigPng(20_000, 20_000)), mediaType: 'image/png' });
    expect(failure).toEqual({ code: 'MEDIA_TOO_LARGE', message: 'The picture has more than 120 megapixels.' });
  });

  it('a GIF that claims 65,535 x 65,535 pixels', async () => {
    const gif = Buffer.from('474946383961ffffffff8000000000000000ffffff2c00000000ffffffff00020216003b', 'hex');
    const failure = await refusal({ path: bench.file('huge.gif', gif), mediaType: 'image/gif' });
    expect(['MEDIA_TOO_LARGE', 'MEDIA_NOT_CONVERTIBLE']).toContain(failure.code);
  });

  it.each([
    ['png', 'image/png'],
    ['jpeg', 'image/jpeg'],
    ['gif', 'image/gif'],
    ['tiff', 'image/tiff'],
  ] as const)('a %s that is cut short', async (format, mediaType) => {
    const noise = await testPicture().toFormat(format).toBuffer();
    const cut = noise.subarray(0, Math.floor(noise.length * 0.6));
    const failure = await refusal({ path: bench.file(`cut.${format}`, cut), mediaType });
    expect(failure.code).toBe('MEDIA_NOT_CONVERTIBLE');
  });

  it('a BMP that claims more pixels than it has, or more than allowed', async () => {
    const bmp = Buffer.alloc(100);
    bmp.write('BM', 0, 'latin1');
    bmp.writeUInt32LE(54, 10);
    bmp.writeUInt32LE(40, 14);
    bmp.writeInt32LE(1000, 18);
    bmp.writeInt32LE(1000, 22);
    bmp.writeUInt16LE(24, 28);
    const input = { path: bench.file('short.bmp', bmp), mediaType: 'image/bmp' };
    expect((await refusal(input)).code).toBe('MEDIA_NOT_CONVERTIBLE');
    bmp.writeInt32LE(2_000_000_000, 18);
    bench.file('short.bmp', bmp);
    expect((await refusal(input)).code).toBe('MEDIA_TOO_LARGE');
  });

  it('a TIFF whose pages are a circle is as long as it is; one of 1000 pages is refused', async () => {
    const single = bench.path('one.tif');
    await bench.media.convertToFax([pdfFile('one.pdf', await testPdf())], { quality: 'basic' }, single);
    const content = readFileSync(single);
    const directory = content.readUInt32LE(4);
    const next = directory + 2 + content.readUInt16LE(directory) * 12;
    content.writeUInt32LE(directory, next);
    const circle = { path: bench.file('circle.tif', content), mediaType: 'image/tiff' };
    expect(await bench.media.countPages(circle)).toBe(1);
    const copies = [content];
    const entries = content.subarray(directory, next + 4);
    let end = content.length + (content.length & 1);
    if (content.length & 1) copies.push(Buffer.alloc(1));
    content.writeUInt32LE(end, next);
    for (let i = 0; i < 999; i++) {
      const copy = Buffer.from(entries);
      end += copy.length;
      copy.writeUInt32LE(i === 998 ? 0 : end, copy.length - 4);
      copies.push(copy);
    }
    const many = { path: bench.file('1000-pages.tif', Buffer.concat(copies)), mediaType: 'image/tiff' };
    expect(await bench.media.countPages(many)).toBe(1000);
    expect((await refusal(many)).code).toBe('MEDIA_TOO_MANY_PAGES');
  });
});

describe('sound', () => {
  it('a FLAC that is hours of silence in a few kilobytes', async () => {
    const failure = await refusal({ path: bench.file('silence.flac', flacBomb(60_000)), mediaType: 'audio/flac' });
    expect(['MEDIA_TOO_LARGE', 'MEDIA_MEMORY', 'MEDIA_NOT_CONVERTIBLE', 'MEDIA_TIMEOUT']).toContain(failure.code);
  });

  it('a WAV of a million empty chunks', async () => {
    const head = Buffer.from('RIFF\xff\xff\xff\x7fWAVE', 'latin1');
    const chunks = Buffer.alloc(8_000_000);
    for (let i = 0; i < chunks.length; i += 8) chunks.write('junk', i, 'latin1');
    const input = { path: bench.file('chunks.wav', Buffer.concat([head, chunks])), mediaType: 'audio/wav' };
    expect((await refusal(input)).code).toBe('MEDIA_NOT_CONVERTIBLE');
  });
});

/** FLAC frames of 65,535 samples of silence on 8 channels, 30 bytes each (RFC 9639). */
function flacBomb(frames: number): Buffer {
  const info = Buffer.alloc(42);
  info.write('fLaC', 0, 'latin1');
  info.writeUInt32BE(0x80000022, 4);
  info.writeUInt16BE(65535, 8);
  info.writeUInt16BE(65535, 10);
  // 8 kHz, 8 channels, 16 bits, unknown length
  info.writeUIntBE((8000 << 4) | (7 << 1), 18, 3);
  info[20] = (info[20] as number) & 0xff;
  info[21] = 0xf0;
  const parts: Buffer[] = [info];
  for (let n = 0; n < frames; n++) parts.push(flacFrame(n));
  return Buffer.concat(parts);
}

function flacFrame(number: number): Buffer {
  const coded = utf8Number(number);
  const head = Buffer.concat([Buffer.from([0xff, 0xf8, 0x74, 0x78]), coded, Buffer.from([0xff, 0xfe])]);
  const body = Buffer.concat([
    head,
    Buffer.from([crc(head, 8, 0x07)]),
    ...Array.from({ length: 8 }, () => Buffer.alloc(3)),
  ]);
  const check = crc(body, 16, 0x8005);
  return Buffer.concat([body, Buffer.from([check >> 8, check & 255])]);
}

function utf8Number(value: number): Buffer {
  return Buffer.from(String.fromCodePoint(value >= 0xd800 && value < 0xe000 ? 0xd7ff : value), 'utf8');
}

function crc(data: Buffer, bits: 8 | 16, polynomial: number): number {
  const top = 1 << (bits - 1);
  let value = 0;
  for (const byte of data) {
    value ^= byte << (bits - 8);
    for (let i = 0; i < 8; i++) value = value & top ? (value << 1) ^ polynomial : value << 1;
    value &= (1 << bits) - 1;
  }
  return value;
}
