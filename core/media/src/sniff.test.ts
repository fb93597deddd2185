import { readFileSync } from 'node:fs';
import { crc32, deflateRawSync } from 'node:zlib';
import { type Bench, openBench, testPdf, testPicture } from './fixtures.test.util';
import { ACCEPTED_TYPES, normalizeType, typeOfName } from './index';

let bench: Bench;
beforeAll(() => {
  bench = openBench();
});
afterAll(() => bench.close());

/** A ZIP of stored or deflated files, enough for what is told by its entries. */
function zip(files: Record<string, string>): Buffer {
  const parts: Buffer[] = [];
  const central: Buffer[] = [];
  let at = 0;
  for (const [name, text] of Object.entries(files)) {
    const data = name === 'mimetype' ? Buffer.from(text) : deflateRawSync(text);
    const head = Buffer.alloc(30 + name.length);
    head.writeUInt32LE(0x04034b50, 0);
    head.writeUInt16LE(20, 4);
    head.writeUInt16LE(name === 'mimetype' ? 0 : 8, 8);
    head.writeUInt32LE(crc32(Buffer.from(text)), 14);
    head.writeUInt32LE(data.length, 18);
    head.writeUInt32LE(Buffer.byteLength(text), 22);
    head.writeUInt16LE(name.length, 26);
    head.write(name, 30, 'latin1');
    const entry = Buffer.alloc(46 + name.length);
    entry.writeUInt32LE(0x02014b50, 0);
    head.copy(entry, 6, 4, 30);
    entry.writeUInt32LE(at, 42);
    entry.write(name, 46, 'latin1');
    central.push(entry);
    parts.push(head, data);
    at += head.length + data.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(central.length, 8);
  end.writeUInt16LE(central.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, directory, end]);
}

function ooxml(part: string, kind: string): Buffer {
  const type = `application/vnd.openxmlformats-officedocument.${kind}.main+xml`;
  return zip({
    '[Content_Types].xml': `<Types><Override PartName="/${part}" ContentType="${type}"/></Types>`,
    [part]: '<x/>',
  });
}

const DOCX = ooxml('word/document.xml', 'wordprocessingml.document');
const CFB = Buffer.concat([Buffer.from('d0cf11e0a1b11ae1', 'hex'), Buffer.alloc(1024)]);

async function told(content: Uint8Array | string, mediaType?: string, fileName?: string): Promise<string> {
  const path = bench.file('upload', content);
  const both = [await bench.media.sniff(path, { mediaType, fileName })];
  // The head alone must give the same answer.
  both.push(await bench.media.sniff(Buffer.from(content).subarray(0, 4100), { mediaType, fileName }));
  const [first, second] = both.map((answer) => (answer.ok ? answer.mediaType : answer.error.code));
  expect(second).toBe(first);
  return first as string;
}

describe('what is accepted', () => {
  it('every format by its content, with its type, an alias, parameters, octet-stream or nothing', async () => {
    const pdf = await testPdf();
    for (const type of [
      'application/pdf',
      'Application/PDF; name="x.pdf"',
      'application/octet-stream',
      '',
      undefined,
    ]) {
      expect(await told(pdf, type)).toBe('application/pdf');
    }
    for (const [format, mediaType, alias] of [
      ['png', 'image/png', 'image/x-png'],
      ['jpeg', 'image/jpeg', 'image/x-citrix-jpeg'],
      ['gif', 'image/gif', 'image/gif'],
      ['tiff', 'image/tiff', 'image/x-tiff'],
    ] as const) {
      const content = await testPicture(64, 90).toFormat(format).toBuffer();
      for (const type of [mediaType, alias, undefined]) expect(await told(content, type)).toBe(mediaType);
    }
    const wav = Buffer.from('RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00', 'latin1');
    for (const type of ['audio/wav', 'audio/x-wav', 'audio/wave', 'audio/vnd.wave', undefined]) {
      expect(await told(wav, type)).toBe('audio/wav');
    }
  });

  it('office documents by what is in them', async () => {
    expect(await told(DOCX)).toMatch(/wordprocessingml\.document$/);
    expect(await told(ooxml('xl/workbook.xml', 'spreadsheetml.sheet'), undefined, 'a.xlsx')).toMatch(
      /spreadsheetml\.sheet$/,
    );
    const odt = zip({ mimetype: 'application/vnd.oasis.opendocument.text', 'content.xml': '<x/>' });
    expect(await told(odt, 'application/vnd.oasis.opendocument.text')).toBe('application/vnd.oasis.opendocument.text');
    expect(await told('{\\rtf1 hello}', 'text/rtf', 'a.rtf')).toBe('application/rtf');
  });

  it('Word, Excel and PowerPoint before 2007 by what they are said to be', async () => {
    expect(await told(CFB, 'application/msword')).toBe('application/msword');
    expect(await told(CFB, undefined, 'prices.xls')).toBe('application/vnd.ms-excel');
    expect(await told(CFB)).toBe('MEDIA_TYPE_UNSUPPORTED');
  });

  it('text only when it is said to be text, and is', async () => {
    expect(await told('Grüße, мир', 'text/plain; charset=utf-8')).toBe('text/plain');
    expect(await told('\ufeffhello', undefined, 'note.TXT')).toBe('text/plain');
    expect(await told('BMW and other cars', 'text/plain')).toBe('text/plain'); // "BM" is how a bitmap begins
    expect(await told('<!doctype html><p>hi', 'text/html')).toBe('text/html');
    expect(await told('<?xml version="1.0"?><html/>', 'text/html', 'x.html')).toBe('text/html');
    expect(await told('hello')).toBe('MEDIA_TYPE_UNSUPPORTED');
    expect(await told('hello\0world', 'text/plain')).toBe('MEDIA_TYPE_MISMATCH');
    expect(await told(Buffer.from('Gr\xfc\xdfe', 'latin1'), 'text/plain')).toBe('MEDIA_TYPE_MISMATCH');
    // An error behind the head is seen as well.
    const late = Buffer.concat([Buffer.alloc(200_000, 'a'), Buffer.from([0xff])]);
    const answer = await bench.media.sniff(bench.file('late.txt', late), { mediaType: 'text/plain' });
    expect(answer).toMatchObject({ ok: false, error: { code: 'MEDIA_TYPE_MISMATCH' } });
  });
});

describe('what is refused', () => {
  it('content that is not what was said, either way round', async () => {
    const png = await testPicture(64, 90).png().toBuffer();
    expect(await told(png, 'application/pdf')).toBe('MEDIA_TYPE_MISMATCH');
    expect(await told(png, undefined, 'song.mp3')).toBe('MEDIA_TYPE_MISMATCH');
    expect(await told(await testPdf(), 'text/plain')).toBe('MEDIA_TYPE_MISMATCH');
    expect(await told(await testPdf(), 'application/pdf', 'page.html')).toBe('MEDIA_TYPE_MISMATCH');
    expect(await told(DOCX, 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet')).toBe(
      'MEDIA_TYPE_MISMATCH',
    );
    expect(await told('plain words', 'application/pdf')).toBe('MEDIA_TYPE_MISMATCH');
    expect(await told(png, 'image/jpeg', 'picture.gif')).toBe('image/png'); // one family: harmless
    expect(await told(png, 'image/png', 'Invoice No. 5')).toBe('image/png'); // no extension at all
  });

  it('polyglots: what they begin with decides, and must be what was said', async () => {
    const html = '<html><script>alert(1)</script></html>';
    const gif = Buffer.concat([await testPicture(64, 90).gif().toBuffer(), Buffer.from(html)]);
    expect(await told(gif, 'text/html')).toBe('MEDIA_TYPE_MISMATCH');
    expect(await told(gif, 'image/gif', 'x.html')).toBe('MEDIA_TYPE_MISMATCH');
    const pdfZip = Buffer.concat([Buffer.from(await testPdf()), DOCX]);
    expect(await told(pdfZip, 'application/vnd.openxmlformats-officedocument.wordprocessingml.document')).toBe(
      'MEDIA_TYPE_MISMATCH',
    );
    const zipPdf = Buffer.concat([DOCX, Buffer.from(await testPdf())]);
    expect(await told(zipPdf, 'application/pdf')).toBe('MEDIA_TYPE_MISMATCH');
    expect(await told(Buffer.concat([Buffer.from(`${html}\n`), Buffer.from(await testPdf())]), 'application/pdf')).toBe(
      'MEDIA_TYPE_MISMATCH',
    );
  });

  it('kinds that are not on the list', async () => {
    const svg = '<svg xmlns="http://www.w3.org/2000/svg"/>';
    expect(await told(svg, 'image/svg+xml')).toBe('MEDIA_TYPE_UNSUPPORTED');
    expect(await told(svg, 'image/png')).toBe('MEDIA_TYPE_MISMATCH');
    expect(await told(zip({ 'a.txt': 'x' }))).toBe('MEDIA_TYPE_UNSUPPORTED');
    expect(await told(Buffer.from('7f454c4602010100000000000000000002003e00', 'hex'))).toBe('MEDIA_TYPE_UNSUPPORTED');
    expect(await told('', 'application/pdf')).toBe('MEDIA_TYPE_MISMATCH');
    const answer = await bench.media.sniff(Buffer.from('x'), { mediaType: 'video/mp4' });
    expect(answer).toMatchObject({
      ok: false,
      error: { status: 415, message: 'Files of type video/mp4 are not accepted.' },
    });
  });
});

it('answers many at a time, and goes on after a file that cannot be read', async () => {
  const path = bench.file('m.pdf', await testPdf());
  const many = await Promise.all(Array.from({ length: 50 }, () => bench.media.sniff(path)));
  expect(many.every((answer) => answer.ok)).toBe(true);
  await expect(bench.media.sniff(bench.path('missing'))).rejects.toThrow(/ENOENT|no such file/);
  expect((await bench.media.sniff(readFileSync(path))).ok).toBe(true);
});

it('knows names and types', () => {
  expect(normalizeType(' Image/JPG ; q=1')).toBe('image/jpeg');
  expect(normalizeType('application/octet-stream')).toBeUndefined();
  expect(typeOfName('a.b.JPEG')?.mediaType).toBe('image/jpeg');
  expect(typeOfName('.pdf')?.extension).toBe('pdf');
  expect(typeOfName('../../etc/passwd')).toBeUndefined();
  for (const [name, type] of ACCEPTED_TYPES) expect(typeOfName(`x.${type.extension}`)?.mediaType).toBe(name);
});
