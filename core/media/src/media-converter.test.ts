import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32, deflateSync } from 'node:zlib';
import { PDFDocument } from 'pdf-lib';
import { type Bench, failureOf, hasProgram, itIf, openBench, testPdf } from './fixtures.test.util';
import { isMediaError, type MediaConverterOptions, MediaError, type MediaFile } from './index';

const benches: Bench[] = [];
function bench(options: Partial<MediaConverterOptions> = {}): Bench {
  const made = openBench({ keepWarm: false, ...options });
  benches.push(made);
  return made;
}
afterEach(async () => {
  for (const made of benches.splice(0)) await made.close();
});

/** A PDF that takes some seconds in the best quality. */
async function slowPdf({ file }: Bench, pages = 400): Promise<MediaFile> {
  const pdf = await PDFDocument.create();
  for (let i = 0; i < pages; i++) pdf.addPage();
  return { path: file('slow.pdf', await pdf.save()), mediaType: 'application/pdf' };
}

/** Process ids of the workers that run below this process. */
function workers(): number[] {
  const mine = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8');
  const all = mine.trim().split(' ').filter(Boolean).map(Number);
  return all.filter(
    (pid) => existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('worker'),
  );
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i++) await sleep(10);
  expect(condition()).toBe(true);
}

const onLinux = itIf(existsSync('/proc/self/task'), 'processes are looked up in /proc');

describe('a conversion', () => {
  it('ends at once when it is aborted, and leaves nothing', async () => {
    const { media, scratch, path, ...rest } = bench();
    const controller = new AbortController();
    const input = await slowPdf({ media, scratch, path, ...rest });
    const run = media.convertToFax([input], { quality: 'ultra', signal: controller.signal }, path('out.tif'));
    await until(() => existsSync(scratch) && readdirSync(scratch).length === 1);
    await sleep(300);
    const reason = new Error('the user went away');
    const before = performance.now();
    controller.abort(reason);
    await expect(run).rejects.toBe(reason);
    expect(performance.now() - before).toBeLessThan(1000);
    expect(readdirSync(scratch)).toEqual([]);
    expect(existsSync(path('out.tif'))).toBe(false);
    await expect(
      media.convertToFax([input], { quality: 'fine', signal: controller.signal }, path('out.tif')),
    ).rejects.toBe(reason);
  });

  onLinux('reports the death of its process, and leaves nothing', async () => {
    const made = bench();
    const run = failureOf(made.media.convertToFax([await slowPdf(made)], { quality: 'ultra' }, made.path('out.tif')));
    await until(() => workers().length === 1);
    for (const pid of workers()) process.kill(pid, 'SIGSEGV');
    expect(await run).toEqual({
      code: 'MEDIA_NOT_CONVERTIBLE',
      message: 'The file is damaged: it made the decoder fail.',
    });
    expect(readdirSync(made.scratch)).toEqual([]);
  });

  it('has a limit of time', async () => {
    const made = bench({ timeMs: 1500 });
    const before = performance.now();
    const failure = await failureOf(
      made.media.convertToFax([await slowPdf(made)], { quality: 'ultra' }, made.path('o')),
    );
    expect(failure.code).toBe('MEDIA_TIMEOUT');
    expect(performance.now() - before).toBeLessThan(3000);
  });

  it.each([
    ['its own', 400],
    ['the kernel', 200],
  ])('has a limit of memory: %s', async (_who, megabytes) => {
    const made = bench({ memoryBytes: megabytes * 2 ** 20 });
    const input = { path: made.file('big.png', interlacedPng(10_900)), mediaType: 'image/png' };
    const failure = await failureOf(made.media.convertToFax([input], { quality: 'basic' }, made.path('o.tif')));
    expect(failure.code).toBe('MEDIA_MEMORY');
    expect(failure.message).toMatch(/too much memory/);
    expect(readdirSync(made.scratch)).toEqual([]);
  });

  it('never sees the secrets of the server', async () => {
    process.env.MEDIA_TEST_SECRET = 'hunter2';
    const made = bench();
    const run = made.media.convertToFax([await slowPdf(made, 100)], { quality: 'fine' }, made.path('o.tif'));
    if (existsSync('/proc/self/environ')) {
      await until(() => workers().length === 1);
      expect(readFileSync(`/proc/${workers()[0]}/environ`, 'utf8')).not.toContain('hunter2');
    }
    await run;
    delete process.env.MEDIA_TEST_SECRET;
  });

  it('replaces what was there, and only when all went well', async () => {
    const made = bench();
    const out = made.file('out.tif', 'the old one');
    const bad = { path: made.file('bad.pdf', '%PDF-1.4 no'), mediaType: 'application/pdf' };
    const good = { path: made.file('good.pdf', await testPdf()), mediaType: 'application/pdf' };
    await failureOf(made.media.convertToFax([good, bad], { quality: 'basic' }, out));
    expect(readFileSync(out, 'utf8')).toBe('the old one');
    await made.media.convertToFax([good], { quality: 'basic' }, out);
    expect(readFileSync(out).toString('latin1', 0, 2)).toBe('II');
  });

  it('refuses what it has no use for, by name', async () => {
    const { media, file, path } = bench();
    const text = file('a.txt', 'a');
    const cases: [MediaFile[], string][] = [
      [[], 'MEDIA_NOT_CONVERTIBLE'],
      [[{ path: file('empty', ''), mediaType: 'text/plain' }], 'MEDIA_NOT_CONVERTIBLE'],
      [[{ path: text, mediaType: 'audio/wav' }], 'MEDIA_TYPE_UNSUPPORTED'],
      [[{ path: text, mediaType: 'image/svg+xml' }], 'MEDIA_TYPE_UNSUPPORTED'],
      [[{ path: text, mediaType: 'image/png' }], 'MEDIA_NOT_CONVERTIBLE'],
      [[{ path: text, mediaType: 'image/tiff' }], 'MEDIA_NOT_CONVERTIBLE'],
    ];
    for (const [inputs, code] of cases) {
      expect((await failureOf(media.convertToFax(inputs, { quality: 'fine' }, path('o')))).code).toBe(code);
    }
    // A picture is decoded by its content: an SVG or anything else behind a picture's type has no decoder here.
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>';
    const disguised = { path: file('x.png', svg), mediaType: 'image/png' };
    expect((await failureOf(media.convertToFax([disguised], { quality: 'fine' }, path('o')))).code).toBe(
      'MEDIA_NOT_CONVERTIBLE',
    );
  });
});

describe('the converter', () => {
  onLinux('runs no more than its workers; the others wait and may leave', async () => {
    const made = bench({ workers: 1 });
    const input = await slowPdf(made, 60);
    const leaving = new AbortController();
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, workers().length);
    }, 5);
    const first = made.media.convertToFax([input], { quality: 'super' }, made.path('1.tif'));
    const second = made.media.convertToFax([input], { quality: 'super', signal: leaving.signal }, made.path('2.tif'));
    const third = made.media.convertToFax([input], { quality: 'basic' }, made.path('3.tif'));
    const left = expect(second).rejects.toThrow('changed my mind');
    await until(() => workers().length === 1);
    leaving.abort(new Error('changed my mind'));
    await left;
    expect(await Promise.all([first, third])).toMatchObject([{ pages: 60 }, { pages: 60 }]);
    clearInterval(watch);
    expect(most).toBe(1);
    expect(existsSync(made.path('2.tif'))).toBe(false);
  });

  it('kills what runs when it is closed, and takes nothing more', async () => {
    const made = bench();
    const input = await slowPdf(made);
    const run = expect(made.media.convertToFax([input], { quality: 'ultra' }, made.path('o'))).rejects.toThrow(
      'closed',
    );
    await until(() => existsSync(made.scratch) && readdirSync(made.scratch).length === 1);
    await made.media.close();
    await run;
    expect(readdirSync(made.scratch)).toEqual([]);
    await expect(made.media.countPages(input)).rejects.toThrow('closed');
  });

  onLinux('keeps one process loaded for the next job, which does not see a third', async () => {
    const made = bench({ keepWarm: true });
    const input = { path: made.file('a.pdf', await testPdf()), mediaType: 'application/pdf' };
    const seen = new Set<number>();
    for (let i = 0; i < 3; i++) {
      expect(await made.media.countPages(input)).toBe(1);
      await until(() => workers().length === 1);
      for (const pid of workers()) seen.add(pid);
    }
    expect(seen.size).toBe(3);
    for (const pid of workers()) process.kill(pid, 'SIGKILL'); // a spare one that died is not missed
    expect(await made.media.countPages(input)).toBe(1);
    await made.media.close();
    await until(() => workers().length === 0);
  });

  it('sweeps what killed servers left, and only that', async () => {
    const { media, scratch } = bench();
    const names = ['job-999999999-abcdef', `job-${process.pid}-abcdef`, 'other'];
    for (const name of names) mkdirSync(join(scratch, name), { recursive: true });
    expect(await media.sweep()).toBe(1);
    expect(readdirSync(scratch).sort()).toEqual([names[1], names[2]]);
    // The other two are not ours to keep either: the bench checks for leftovers.
    for (const name of names.slice(1)) rmdirSync(join(scratch, name));
  });

  it('tells what this server can do, and what to install for the rest', async () => {
    const { media } = bench();
    const can = await media.capabilities();
    expect(can.fax).toMatchObject({ available: true, by: 'built in' });
    expect(can.voice.formats).toContain('flac');
    const office = hasProgram('soffice') || hasProgram('libreoffice');
    if (!office)
      expect(can.office).toMatchObject({ available: false, install: expect.stringContaining('libreoffice') });
    if (office && can.sandbox)
      expect(can.office).toMatchObject({ available: true, by: expect.stringMatching(/^LibreOffice \d/) });
    if (!can.sandbox)
      expect(can.html).toMatchObject({ available: false, install: expect.stringContaining('bubblewrap') });
  });

  it('gives errors that are known by their code', () => {
    const error = new MediaError('MEDIA_TOO_LARGE', 'x');
    expect([isMediaError(error), error.status]).toEqual([true, 413]);
    expect(isMediaError(Object.assign(new Error('x'), { code: 'MEDIA_TIMEOUT' }))).toBe(true);
    expect(isMediaError(Object.assign(new Error('x'), { code: 'toString' }))).toBe(false);
    expect(isMediaError({ code: 'MEDIA_TIMEOUT' })).toBe(false);
  });
});

/** A black interlaced PNG of 8 bits and four channels: the decoder has to hold all of it. */
function interlacedPng(size: number): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(data.length, 0);
    body.copy(out, 4);
    out.writeUInt32BE(crc32(body), out.length - 4);
    return out;
  };
  // Adam7: x and y of the first pixel of each pass, and its steps.
  const passes = [
    [0, 0, 8, 8],
    [4, 0, 8, 8],
    [0, 4, 4, 8],
    [2, 0, 4, 4],
    [0, 2, 2, 4],
    [1, 0, 2, 2],
    [0, 1, 1, 2],
  ] as const;
  let bytes = 0;
  for (const [x, y, stepX, stepY] of passes) {
    bytes += Math.ceil((size - y) / stepY) * (1 + 4 * Math.ceil((size - x) / stepX));
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  header.set([8, 6, 0, 0, 1], 8);
  const data = deflateSync(Buffer.alloc(bytes), { level: 1 });
  const magic = Buffer.from('89504e470d0a1a0a', 'hex');
  return Buffer.concat([magic, chunk('IHDR', header), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))]);
}
