import 'reflect-metadata';
import { readFile, rm, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import yauzl from 'yauzl';
import { ORPHAN_AGE_MS } from '../../media';
import { samplePdf, samplePng } from '../../testing/media-samples';
import { MESSAGE_MEDIA_KEYS } from '../conversion/media.sql';
import { type Answer, MediaDesk } from '../conversion/media-desk.test.support';
import type { DocumentRow } from './document.schema';

let desk: MediaDesk;

beforeAll(async () => {
  desk = await MediaDesk.open();
});
afterAll(() => desk.close());

async function create(user = 'ann', more: object = {}): Promise<number> {
  const { status, body } = await desk.call(user, 'POST', '/messages/documents', { name: 'offer', ...more });
  expect(status).toBe(200);
  return body;
}

async function read(id: number, user = 'ann'): Promise<DocumentRow> {
  return (await desk.call(user, 'GET', `/documents/${id}`)).body;
}

/** A document with so many pages. */
async function withPages(pages: number, more: object = {}): Promise<number> {
  const id = await create('ann', more);
  const answer = await desk.send('ann', 'PUT', `/documents/${id}/media`, samplePdf(pages), 'application/pdf');
  expect(answer).toMatchObject({ status: 200, body: id });
  return id;
}

/** Nothing lies around that no row refers to. */
async function expectTidy(): Promise<void> {
  await desk.node.storage.settle();
  // The scratch folder of a request goes just after its answer.
  for (let i = 0; i < 40 && desk.filesOnDisk().some((file) => file.startsWith('tmp/uploads')); i++) await delay(25);
  expect(desk.filesOnDisk()).toEqual(await desk.filesOfRows());
}

const message = (answer: Answer) => (answer.body as { error?: { message: string } }).error?.message;

test('without a file it is a row like any other', async () => {
  const id = await create('ann', {
    quality: 'Fine',
    pages: 99,
    type: 'exe',
    file_name: '/etc/passwd',
    status: 'ready',
  });
  expect(await read(id)).toEqual({
    document_id: id,
    message_id: id,
    name: 'offer',
    description: '',
    quality: 'fine',
    resolution_x: 204,
    resolution_y: 196,
    pages: 0,
    size_x: null,
    size_y: null,
    ocr: null,
    type: null,
    file_name: null,
    original_name: null,
    media_type: null,
    media_size: null,
    has_media: 0,
    status: null,
    status_detail: '',
    user_id: desk.actors.ann.userId,
    date_created: expect.any(Number),
    last_updated: null,
  });
  const missing = await desk.call('ann', 'GET', `/documents/${id}/download`);
  expect(missing).toMatchObject({ status: 404, body: { error: { message: 'Media not found' } } });
  const changed = await desk.call('ann', 'PUT', `/documents/${id}`, { quality: 'super', ocr: 'words', name: 'new' });
  expect(changed.body).toMatchObject({ quality: 'super', resolution_y: 391, ocr: 'words', name: 'new', status: null });
});

test.each([
  [{}, 'name'],
  [{ name: '' }, 'name'],
  [{ name: 'x'.repeat(129) }, 'name'],
  [{ name: 'x', quality: 'best' }, 'quality'],
  [{ name: 'x\u0000' }, 'name'],
])('412 naming the field: %#', async (body, field) => {
  const answer = await desk.call('ann', 'POST', '/documents', body);
  expect(answer).toMatchObject({ status: 412, body: { error: { details: [{ field }] } } });
});

test('PUT replaces, POST appends; the row tells what is there', async () => {
  const id = await create();
  const headers = {
    'content-type': 'text/plain; charset=utf-8',
    'content-disposition': `attachment; filename="a.txt"`,
  };
  expect((await desk.call('ann', 'PUT', `/messages/documents/${id}/media`, Buffer.from('Hello'), headers)).body).toBe(
    id,
  );
  expect(await read(id)).toMatchObject({
    pages: 1,
    type: 'txt',
    media_type: 'text/plain',
    media_size: 5,
    original_name: 'a.txt',
    file_name: 'offer.pdf',
    has_media: 1,
    status: 'ready',
    size_x: 610,
    size_y: 842,
  });
  const firstPage = (await desk.call('ann', 'GET', `/documents/${id}/media?format=png`)).bytes;

  const pdf = samplePdf(3);
  await desk.send('ann', 'POST', `/messages/documents/${id}/media`, pdf, 'application/pdf');
  expect(await read(id)).toMatchObject({ pages: 4, type: 'txt', media_size: 5 + pdf.length, original_name: 'a.txt' });
  expect((await desk.call('ann', 'GET', `/documents/${id}/media?format=png&page=1`)).bytes.equals(firstPage)).toBe(
    true,
  );

  const png = samplePng(100, 100);
  await desk.send('ann', 'PUT', `/documents/${id}/media`, png, 'application/octet-stream');
  expect(await read(id)).toMatchObject({ pages: 1, type: 'png', media_type: 'image/png', original_name: null });
  await expectTidy();
});

test('multipart: create in one go, several files in order, replace by PUT', async () => {
  const form = new FormData();
  form.set('name', 'two files');
  form.set('quality', 'fine');
  form.append('file', new Blob([samplePdf(2)], { type: 'application/pdf' }), 'Angebot für Zoë.pdf');
  form.append('file', new Blob(['second'], { type: 'text/plain' }), 'b.txt');
  const { body: id } = await desk.call('ann', 'POST', '/documents', form);
  expect(await read(id)).toMatchObject({
    pages: 3,
    quality: 'fine',
    resolution_y: 196,
    original_name: 'Angebot für Zoë.pdf',
    status: 'ready',
  });
  const replacement = new FormData();
  replacement.set('description', 'changed too');
  replacement.append('file', new Blob([samplePdf(1)], { type: 'application/pdf' }), 'c.pdf');
  const changed = await desk.call('ann', 'PUT', `/documents/${id}`, replacement);
  expect(changed.body).toMatchObject({ pages: 1, description: 'changed too', original_name: 'c.pdf', quality: 'fine' });
  await expectTidy();
});

test('a new quality makes the pages anew from the original, not from the old pages', async () => {
  const id = await withPages(2);
  const tiff = async () => (await desk.call('ann', 'GET', `/documents/${id}/media?format=tiff`)).bytes;
  const standard = await tiff();
  for (const [quality, resolution_x, resolution_y] of [
    ['basic', 100, 98],
    ['ultra', 408, 391],
    ['standard', 204, 98],
  ] as const) {
    const { body } = await desk.call('ann', 'PUT', `/documents/${id}`, { quality });
    expect(body).toMatchObject({ quality, resolution_x, resolution_y, pages: 2, status: 'ready', size_y: 842 });
  }
  expect((await tiff()).equals(standard)).toBe(true);
  await expectTidy();
});

test('downloads: PDF, TIFF, original, pages as pictures', async () => {
  const original = samplePdf(2);
  const id = await create('ann', { name: 'Größe/A: "1"' });
  await desk.call('ann', 'PUT', `/documents/${id}/media`, original, {
    'content-type': 'application/pdf',
    'content-disposition': `attachment; filename*=UTF-8''%C3%BCber.pdf`,
  });
  const get = (query: string, headers = {}) =>
    desk.call('ann', 'GET', `/messages/documents/${id}/download${query}`, undefined, headers);
  const pdf = await get('');
  expect(pdf.status).toBe(200);
  expect(pdf.bytes.subarray(0, 5).toString()).toBe('%PDF-');
  expect(pdf.headers.get('content-type')).toBe('application/pdf');
  expect(pdf.headers.get('content-length')).toBe(String(pdf.bytes.length));
  expect(pdf.headers.get('content-disposition')).toBe(
    `attachment; filename="Gr__e_A_ _1_.pdf"; filename*=UTF-8''Gr%C3%B6%C3%9Fe_A_%20_1_.pdf`,
  );
  const file = path.join(desk.folder, 'made.pdf');
  await writeFile(file, pdf.bytes);
  expect(await desk.node.converter.countPages({ path: file, mediaType: 'application/pdf' })).toBe(2);
  await rm(file);

  expect((await get('?format=tiff')).bytes.subarray(0, 4).toString('hex')).toBe('49492a00');
  const same = await get('?format=original');
  expect(same.bytes.equals(original)).toBe(true);
  expect(same.headers.get('content-disposition')).toContain(`filename*=UTF-8''%C3%BCber.pdf`);
  const jpeg = await get('?format=jpg&page=2&width=300&inline=1');
  expect(jpeg.headers.get('content-type')).toBe('image/jpeg');
  expect(jpeg.headers.get('content-disposition')).toMatch(/^inline; filename="Gr__e_A_ _1_-2.jpg"/);
  expect(jpeg.bytes.subarray(0, 2).toString('hex')).toBe('ffd8');
  expect(await get('?format=png&page=3')).toMatchObject({ status: 404 });
  expect(await get('?format=docx')).toMatchObject({ status: 412, body: { error: { details: [{ field: 'format' }] } } });
  expect(await get('?format=png&page=x')).toMatchObject({ status: 412 });

  const etag = pdf.headers.get('etag') as string;
  expect((await get('')).headers.get('etag')).toBe(etag);
  expect(await get('', { 'if-none-match': etag })).toMatchObject({ status: 304 });
  const part = await get('', { range: 'bytes=1-3' });
  expect([part.status, part.bytes.toString(), part.headers.get('content-range')]).toEqual([
    206,
    'PDF',
    `bytes 1-3/${pdf.bytes.length}`,
  ]);
  expect((await get('', { range: `bytes=${pdf.bytes.length}-` })).status).toBe(416);

  await desk.send('ann', 'POST', `/documents/${id}/media`, 'more', 'text/plain');
  expect((await get('')).headers.get('etag')).not.toBe(etag);
  const zip = await get('?format=original');
  expect(zip.headers.get('content-type')).toBe('application/zip');
  expect(await namesIn(zip.bytes)).toEqual(['über.pdf', 'Größe_A_ _1_']);
  await expectTidy();
});

test('many downloads at once make one PDF', async () => {
  const id = await withPages(1);
  const all = await Promise.all(Array.from({ length: 4 }, () => desk.call('ann', 'GET', `/documents/${id}/media`)));
  expect(new Set(all.map((each) => each.headers.get('etag'))).size).toBe(1);
  await expectTidy();
});

test('uploads to one row at the same time lose no page', async () => {
  const id = await create();
  const answers = await Promise.all(
    [1, 2, 3, 1, 2].map((pages) =>
      desk.send('ann', 'POST', `/documents/${id}/media`, samplePdf(pages), 'application/pdf'),
    ),
  );
  expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 200, 200]);
  expect(await read(id)).toMatchObject({ pages: 9, status: 'ready' });
  const [left] = await desk.db.database.query<{ count: number }>('select count(*) as count from media_change');
  expect(left?.count).toBe(0);
  await expectTidy();
});

describe('what is refused leaves everything as it was', () => {
  let id: number;
  let before: DocumentRow;
  beforeAll(async () => {
    id = await withPages(2);
    before = await read(id);
  });
  afterEach(async () => {
    expect(await read(id)).toEqual(before);
    await expectTidy();
  });

  const half = samplePdf(3).subarray(0, 200);
  test.each([
    ['empty', '', 'application/pdf', 411, /empty/],
    ['a program declared as PDF', 'MZ\u0090 this program', 'application/pdf', 415, /not pdf/],
    [
      'a sound',
      Buffer.from('ID3\u0003\u0000\u0000\u0000\u0000\u0000\u0000'),
      'audio/mpeg',
      415,
      /recording|document|content/,
    ],
    ['a video', 'x', 'video/mp4', 415, /video\/mp4/],
    ['JSON', '{"a":1}', 'application/json', 415, /application\/json/],
    ['half a PDF', half, 'application/pdf', 412, /./],
    ['a picture of 400 megapixels', samplePng(20_000, 20_000), 'image/png', 413, /pixel/],
    ['PNG that says PDF', samplePng(10, 10), 'application/pdf', 415, /png.*pdf/],
  ])('%s', async (_what, content, type, status, words) => {
    for (const [method, at] of [
      ['PUT', `/documents/${id}/media`],
      ['POST', `/documents/${id}/media`],
    ] as const) {
      const answer = await desk.send('ann', method, at, content, type);
      expect([answer.status, message(answer)]).toEqual([status, expect.stringMatching(words)]);
    }
  });

  test('more than 500 pages', async () => {
    const answer = await desk.send('ann', 'POST', `/documents/${id}/media`, samplePdf(499), 'application/pdf');
    expect([answer.status, message(answer)]).toEqual([412, expect.stringMatching(/500/)]);
  });

  test('multipart without a file, and a create with a bad one of two', async () => {
    const form = new FormData();
    form.set('name', 'x');
    expect((await desk.call('ann', 'POST', '/documents', form)).status).toBe(411);
    const total = async () => (await desk.call('ann', 'GET', '/documents?totalrows=1')).body;
    const rows = await total();
    form.append('file', new Blob([samplePdf(1)], { type: 'application/pdf' }), 'good.pdf');
    form.append('file', new Blob([half], { type: 'application/pdf' }), 'bad.pdf');
    expect((await desk.call('ann', 'POST', '/documents', form)).status).toBe(412);
    expect(await total()).toEqual(rows);
  });

  test('a quality that nobody knows, together with a file', async () => {
    const form = new FormData();
    form.set('quality', 'best');
    form.append('file', new Blob([samplePdf(1)], { type: 'application/pdf' }), 'good.pdf');
    expect((await desk.call('ann', 'PUT', `/documents/${id}`, form)).status).toBe(412);
  });
});

test('HTML goes through the sandbox, or is refused with what to install; it gets no file of the server', async () => {
  const { html: can } = (await desk.call('ann', 'GET', '/system/capabilities')).body as {
    html: { available: boolean };
  };
  const id = await create();
  const send = (html: string) => desk.send('ann', 'PUT', `/documents/${id}/media`, html, 'text/html');
  const plain = await send('<html><body><h1>Offer</h1></body></html>');
  expect([plain.status, message(plain)]).toEqual(
    can.available ? [200, undefined] : [415, expect.stringMatching(/install/i)],
  );
  const greedy = await send('<html><body><iframe src="file:///etc/passwd"></iframe></body></html>');
  expect(greedy.status).toBe(can.available ? 412 : 415);
  expect(await read(id)).toMatchObject({ pages: can.available ? 1 : 0 });
  await expectTidy();
});

test('ownership: others see nothing of it, administrators everything, permissions come first', async () => {
  const id = await withPages(1);
  for (const [method, at] of [
    ['GET', ''],
    ['GET', '/download'],
    ['GET', '/media'],
    ['PUT', ''],
    ['DELETE', ''],
  ] as const) {
    const body = method === 'PUT' ? { name: 'mine' } : undefined;
    expect((await desk.call('bob', method, `/documents/${id}${at}`, body)).status).toBe(404);
  }
  for (const method of ['PUT', 'POST']) {
    const answer = await desk.send('bob', method, `/documents/${id}/media`, samplePdf(1), 'application/pdf');
    expect(answer.status).toBe(404);
  }
  expect((await desk.send('reader', 'PUT', `/documents/${id}/media`, samplePdf(1), 'application/pdf')).status).toBe(
    403,
  );
  expect((await desk.call('reader', 'POST', '/documents', { name: 'x' })).status).toBe(403);
  expect(await desk.call('bob', 'GET', '/documents')).toMatchObject({ body: [] });
  expect((await desk.call('admin', 'GET', `/documents/${id}/media`)).status).toBe(200);
  expect(await read(id)).toMatchObject({ pages: 1, name: 'offer' });
  await expectTidy();
});

test('lists: ascending ids, columns, filters', async () => {
  const ids = [await create('bob', { name: 'Alpha', description: 'first' }), await create('bob', { name: 'Beta' })];
  await desk.send('bob', 'PUT', `/documents/${ids[1]}/media`, samplePdf(2), 'application/pdf');
  const list = async (query: string) =>
    (await desk.call('bob', 'GET', `/messages/documents?${query}`)).body as DocumentRow[];
  const all = await list('');
  expect(all.map((row) => row.document_id)).toEqual(ids);
  expect(all[1]).toMatchObject({
    name: 'Beta',
    file_name: 'Beta.pdf',
    type: 'pdf',
    pages: 2,
    quality: 'standard',
    has_media: 1,
    status: 'ready',
  });
  expect(Object.keys(all[1] as object)).not.toContain('ocr');
  expect((await list('name=alph')).length).toBe(1);
  expect((await list('type=PD')).length).toBe(1);
  expect((await list('description=FIRST')).length).toBe(1);
  expect((await list('status=ready&quality=standard')).length).toBe(1);
  expect((await list(`document_id=${ids[0]}`)).length).toBe(1);
  expect((await desk.call('bob', 'GET', '/documents?document_id=x')).status).toBe(412);
});

describe('in use', () => {
  async function use(id: number, status: string): Promise<number> {
    const [row] = await desk.db.database.query<{ transmission_id: number }>(
      `with p as (insert into program (name, type, created_by) values ('spring news', 'sendfax', $1) returning program_id),
            r as (insert into program_resource select program_id, 'document', $2 from p)
       insert into transmission (service_flag, program_id, status, created_by)
       select 2, program_id, $3, $1 from p returning transmission_id`,
      [desk.actors.ann.userId, id, status],
    );
    return row?.transmission_id as number;
  }

  test('a pending transmission keeps it from being deleted, a finished one does not; force is for administrators', async () => {
    const id = await withPages(1);
    await use(id, 'pending');
    const refused = await desk.call('ann', 'DELETE', `/documents/${id}`);
    expect([refused.status, message(refused)]).toEqual([423, expect.stringContaining('spring news')]);
    expect((await desk.call('ann', 'DELETE', `/documents/${id}?force=1`)).status).toBe(403);
    expect((await desk.send('ann', 'PUT', `/documents/${id}/media`, samplePdf(2), 'application/pdf')).status).toBe(200);
    expect((await desk.call('admin', 'DELETE', `/documents/${id}?force=1`)).body).toBe(true);
    const other = await withPages(1);
    await use(other, 'completed');
    expect((await desk.call('ann', 'DELETE', `/documents/${other}`)).body).toBe(true);
    expect((await desk.call('ann', 'GET', `/documents/${other}`)).status).toBe(404);
    await expectTidy();
  });

  test('pages that are being sent stay as they are; a name may change', async () => {
    const id = await withPages(1);
    const transmission = await use(id, 'processing');
    for (const method of ['PUT', 'POST']) {
      const answer = await desk.send('ann', method, `/documents/${id}/media`, samplePdf(1), 'application/pdf');
      expect([answer.status, message(answer)]).toEqual([423, expect.stringContaining(`${transmission}`)]);
    }
    expect((await desk.call('ann', 'PUT', `/documents/${id}`, { quality: 'fine' })).status).toBe(423);
    expect((await desk.call('ann', 'PUT', `/documents/${id}`, { name: 'other', quality: 'standard' })).status).toBe(
      200,
    );
    await expectTidy();
  });
});

test('the sweep takes old files that no row refers to, and no others', async () => {
  const id = await withPages(1);
  await desk.call('ann', 'GET', `/documents/${id}/download`);
  const { storage } = desk.node;
  const lost = await storage.put('document', path.join(__dirname, 'index.ts'), 'tif');
  const yesterday = new Date(Date.now() - ORPHAN_AGE_MS - 60_000);
  for (const file of desk.filesOnDisk()) await utimes(path.join(desk.folder, file), yesterday, yesterday);
  expect(await storage.sweepOrphans('document', MESSAGE_MEDIA_KEYS, desk.db.database)).toBe(1);
  await expect(storage.size(lost.key)).rejects.toMatchObject({ code: 'MEDIA_MISSING' });
  await expectTidy();
});

test('the engine gets the TIFF and its pages', async () => {
  const id = await withPages(2);
  const empty = await create();
  const found = await desk.node.documents.sendable([id, empty, 999_999]);
  expect([...found.keys()]).toEqual([id]);
  const { file, pages, name } = found.get(id) as NonNullable<ReturnType<typeof found.get>>;
  expect([pages, name, file.name, file.mediaType]).toEqual([2, 'offer', 'offer.tif', 'image/tiff']);
  expect((await readFile(await file.localPath())).length).toBe(file.size);
});

async function namesIn(zip: Buffer): Promise<string[]> {
  return new Promise((resolve, reject) => {
    yauzl.fromBuffer(zip, { lazyEntries: false }, (error, file) => {
      if (error) return reject(error);
      const names: string[] = [];
      file.on('entry', (entry) => names.push(entry.fileName));
      file.on('end', () => resolve(names));
      file.on('error', reject);
    });
  });
}
