import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { type FaxResult, MediaConverter } from '@ictcore/media';
import { endlessPdf, samplePdf, sampleWav } from '../../testing/media-samples';
import { refuseUnready } from '../readiness';
import { converterOptions, MediaDesk, MediaNode } from './media-desk.test.support';

/** A fake for faults: counts what it is asked to convert, and holds it up until told to go on. */
class HeldConverter extends MediaConverter {
  started = 0;
  private go: () => void = () => undefined;
  private readonly gate: Promise<void>;

  constructor(dataDir: string, held: boolean) {
    super(converterOptions(dataDir));
    this.gate = held ? new Promise((resolve) => (this.go = resolve)) : Promise.resolve();
  }

  release(): void {
    this.go();
  }

  override async convertToFax(...args: Parameters<MediaConverter['convertToFax']>): Promise<FaxResult> {
    this.started += 1;
    await this.gate;
    return super.convertToFax(...args);
  }
}

interface Row {
  status: string | null;
  status_detail: string;
  pages: number;
  has_media: number;
}

let desk: MediaDesk;
const nodes: MediaNode[] = [];

/** Answers never wait here: what an upload comes to is told by the row. */
beforeAll(async () => {
  desk = await MediaDesk.open({ convert_wait: 0 });
});
afterAll(async () => {
  for (const node of nodes) await node.stop();
  await desk.close();
});

async function node(converter: MediaConverter): Promise<MediaNode> {
  const made = await MediaNode.make(desk.db.another(), desk.folder, { convert_wait: 0 }, converter);
  nodes.push(made);
  return made;
}

async function read(id: number): Promise<Row> {
  return (await desk.call('ann', 'GET', `/documents/${id}`)).body;
}

async function until(id: number, status: string): Promise<Row> {
  for (let i = 0; i < 400; i++) {
    const row = await read(id);
    if (row.status === status) return row;
    await delay(25);
  }
  throw new Error(`still ${JSON.stringify(await read(id))}`);
}

async function upload(id: number, method: string, content: Buffer, type = 'application/pdf'): Promise<void> {
  expect(await desk.send('ann', method, `/documents/${id}/media`, content, type)).toMatchObject({
    status: 200,
    body: id,
  });
}

async function create(): Promise<number> {
  return (await desk.call('ann', 'POST', '/documents', { name: 'slow' })).body;
}

async function expectTidy(): Promise<void> {
  await desk.node.storage.settle();
  for (let i = 0; i < 40 && desk.filesOnDisk().some((file) => file.startsWith('tmp')); i++) await delay(25);
  expect(desk.filesOnDisk()).toEqual(await desk.filesOfRows());
}

describe('what takes longer than it is waited for', () => {
  test('converting, then ready', async () => {
    const id = await create();
    await upload(id, 'PUT', samplePdf(3));
    expect(await read(id)).toMatchObject({ status: 'converting', has_media: 0, pages: 0 });
    expect(await until(id, 'ready')).toMatchObject({ pages: 3, has_media: 1 });
    await upload(id, 'POST', samplePdf(1));
    const changed = await desk.call('ann', 'PUT', `/documents/${id}`, { quality: 'fine', name: 'both' });
    expect(changed.body).toMatchObject({ status: 'converting', quality: 'standard', name: 'both' });
    expect(await until(id, 'ready')).toMatchObject({ pages: 4, quality: 'fine', resolution_y: 196 });
    await expectTidy();
  });

  test('error with the reason; the pages that were there stay, and a good upload mends it', async () => {
    const id = await create();
    await upload(id, 'PUT', samplePdf(2));
    await upload(id, 'POST', samplePdf(3).subarray(0, 200));
    await upload(id, 'POST', samplePdf(1));
    const row = await until(id, 'ready');
    // The good one after the bad one has cleared the error.
    expect(row).toMatchObject({ pages: 3, status_detail: '' });
    await upload(id, 'PUT', samplePdf(3).subarray(0, 200));
    expect(await until(id, 'error')).toMatchObject({ pages: 3, status_detail: expect.stringMatching(/\w{3}/) });
    expect((await desk.call('ann', 'GET', `/documents/${id}/media`)).status).toBe(200);
    await upload(id, 'POST', samplePdf(1));
    expect(await until(id, 'ready')).toMatchObject({ pages: 4, status_detail: '' });
    await expectTidy();
  });

  test('deleting it kills the conversion at once', async () => {
    const id = await create();
    await upload(id, 'PUT', endlessPdf());
    await delay(300);
    const begun = performance.now();
    expect((await desk.call('ann', 'DELETE', `/documents/${id}`)).body).toBe(true);
    const scratch = () => readdirSync(path.join(desk.folder, 'tmp', 'conversions'));
    while (scratch().length > 0 && performance.now() - begun < 5000) await delay(25);
    // By itself it would be given up after 15 seconds.
    expect(scratch()).toEqual([]);
    await expectTidy();
  });

  test('the server answers meanwhile', async () => {
    const id = await create();
    await upload(id, 'PUT', endlessPdf());
    const lag = monitorEventLoopDelay({ resolution: 5 });
    lag.enable();
    const times: number[] = [];
    for (let i = 0; i < 40; i++) {
      const begun = performance.now();
      expect((await desk.call('ann', 'GET', `/documents/${id}`)).status).toBe(200);
      times.push(performance.now() - begun);
      await delay(10);
    }
    lag.disable();
    expect(await read(id)).toMatchObject({ status: 'converting' });
    // The machine may be busy with other things: one stutter is not ours, several would be.
    expect(lag.percentile(99) / 1e6).toBeLessThan(100);
    expect(times.sort((a, b) => a - b)[38]).toBeLessThan(100);
    await desk.call('ann', 'DELETE', `/documents/${id}`);
  });
});

describe('several nodes', () => {
  /** Stores a change as a node does that dies right after its commit. */
  async function leftBehind(count: number): Promise<number[]> {
    const dead = await node(new HeldConverter(desk.folder, true));
    const ids: number[] = [];
    for (let i = 0; i < count; i++) {
      const file = path.join(desk.folder, 'tmp', `left-${i}.pdf`);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, samplePdf(i + 1));
      const incoming = { fileName: 'left.pdf', mediaType: 'application/pdf', path: file, size: 1000 };
      // Not started: it promises the change and never gets to it.
      ids.push(await dead.documents.create(desk.actors.ann, { name: `left ${i}` }, [incoming]));
    }
    return ids;
  }

  test('what a dead node has left is done once, whoever looks', async () => {
    const ids = await leftBehind(3);
    for (const id of ids) expect(await read(id)).toMatchObject({ status: 'converting' });
    const [a, b] = [new HeldConverter(desk.folder, false), new HeldConverter(desk.folder, false)];
    const [one, two] = [await node(a), await node(b)];
    await Promise.all([one.start(), two.start()]);
    await Promise.all([one.conversions.resume(), two.conversions.resume(), one.conversions.resume()]);
    for (const [index, id] of ids.entries()) expect(await until(id, 'ready')).toMatchObject({ pages: index + 1 });
    expect(a.started + b.started).toBe(3);
  });

  test('a living node is left alone; when it is dead, another takes over, and the late result is dropped', async () => {
    const id = await create();
    const slow = new HeldConverter(desk.folder, true);
    const first = await node(slow);
    await first.start();
    const file = path.join(desk.folder, 'tmp', 'taken.pdf');
    writeFileSync(file, samplePdf(2));
    const incoming = { fileName: 'a.pdf', mediaType: 'application/pdf', path: file, size: 1000 };
    await first.documents.upload(desk.actors.ann, id, [incoming], 'append');
    while (slow.started === 0) await delay(10);

    const other = new HeldConverter(desk.folder, false);
    const second = await node(other);
    await second.start();
    await second.conversions.resume();
    expect(other.started).toBe(0);
    expect(await read(id)).toMatchObject({ status: 'converting' });

    await desk.db.database.query('update node set stopped_at = now() where node_id = $1', [first.id]);
    await second.conversions.resume();
    expect(await until(id, 'ready')).toMatchObject({ pages: 2 });
    const [kept] = await desk.filesOf(id, 'derived');
    slow.release();
    await first.stop();
    expect(await read(id)).toMatchObject({ status: 'ready', pages: 2 });
    expect(await desk.filesOf(id, 'derived')).toEqual([kept]);
    expect(await desk.filesOf(id, 'original')).toHaveLength(1);
  });

  test('an orderly stop leaves it for the next start', async () => {
    const id = await create();
    const slow = await node(new MediaConverter(converterOptions(desk.folder)));
    await slow.start();
    const file = path.join(desk.folder, 'tmp', 'endless.pdf');
    writeFileSync(file, endlessPdf());
    const incoming = { fileName: 'a.pdf', mediaType: 'application/pdf', path: file, size: 1000 };
    await slow.documents.upload(desk.actors.ann, id, [incoming], 'replace');
    await delay(400);
    const begun = performance.now();
    await slow.stop();
    expect(performance.now() - begun).toBeLessThan(5000);
    expect(await read(id)).toMatchObject({ status: 'converting' });
    const [change] = await desk.db.database.query('select tries, state from media_change where document_id = $1', [id]);
    expect(change).toEqual({ tries: 0, state: 'waiting' });
    await desk.call('ann', 'DELETE', `/documents/${id}`);
  });

  test('a file that takes the server down each time is given up', async () => {
    const [id] = await leftBehind(1);
    await desk.db.database.query('update media_change set tries = 3 where document_id = $1', [id]);
    await desk.node.conversions.resume();
    expect(await until(id as number, 'error')).toMatchObject({ status_detail: expect.stringContaining('given up') });
    expect(await desk.filesOf(id as number, 'waiting')).toEqual([]);
  });
});

describe('what cannot be sent yet', () => {
  async function program(type: string, id: number): Promise<number> {
    const [row] = await desk.db.database.query<{ program_id: number }>(
      `with p as (insert into program (name, type, created_by) values ('p', 'x', 1) returning program_id)
       insert into program_resource select program_id, $1, $2 from p returning program_id`,
      [type, id],
    );
    return row?.program_id as number;
  }
  const refusal = async (programId: number) =>
    refuseUnready(desk.db.database, programId).then(
      () => 'sent',
      (error: { status: number; message: string }) => `${error.status} ${error.message}`,
    );

  test('says which message, and what to do', async () => {
    const id = await create();
    const fax = await program('document', id);
    expect(await refusal(fax)).toMatch(/^423 Its document \d+ \(slow\) has no media yet; upload a file first$/);
    await upload(id, 'PUT', endlessPdf());
    expect(await refusal(fax)).toMatch(/^423 .* is still being converted/);
    await desk.call('ann', 'DELETE', `/documents/${id}`);
    expect(await refusal(fax)).toBe(`423 Its document ${id} is deleted; make a new program`);

    const bad = await create();
    await upload(bad, 'PUT', samplePdf(3).subarray(0, 200));
    await until(bad, 'error');
    expect(await refusal(await program('document', bad))).toMatch(
      /^423 .* could not be converted: .* Upload it again$/,
    );
    const good = await create();
    await upload(good, 'PUT', samplePdf(1));
    await until(good, 'ready');
    expect(await refusal(await program('document', good))).toBe('sent');
  });

  test('the other kinds', async () => {
    const { body: recording } = await desk.call('ann', 'POST', '/recordings', { name: 'r' });
    const voice = await program('recording', recording);
    expect(await refusal(voice)).toMatch(/^423 Its recording \d+ \(r\) has no media yet/);
    await desk.send('ann', 'PUT', `/recordings/${recording}/media`, sampleWav(1), 'audio/wav');
    for (let i = 0; i < 200 && (await refusal(voice)) !== 'sent'; i++) await delay(25);
    expect(await refusal(voice)).toBe('sent');
    expect(await refusal(await program('text', 999_999))).toBe('423 Its text 999999 is deleted; make a new program');
    expect(await refusal(await program('template', 999_999))).toMatch(/^423 Its template/);
    expect(await refusal(await program('account', 999_999))).toBe('sent');
  });
});

test('capabilities', async () => {
  const { body, status } = await desk.call('bob', 'GET', '/system/capabilities');
  expect(status).toBe(200);
  expect(body).toMatchObject({
    fax: { available: true, formats: expect.arrayContaining(['pdf', 'tiff', 'png', 'txt']) },
    voice: { available: true, formats: expect.arrayContaining(['wav', 'mp3']) },
    office: { available: expect.any(Boolean) },
    qualities: ['basic', 'standard', 'fine', 'super', 'superior', 'ultra'],
    limits: { document_max_bytes: 26_214_400, document_max_pages: 500, recording_max_seconds: 1800 },
  });
});
