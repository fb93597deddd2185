import 'reflect-metadata';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import type { Logger, SqlRunner } from '@ictcore/contract';
import type { Config } from '../boot/config';
import { downloadReply } from './download';
import { MediaStorage, ORPHAN_AGE_MS } from './storage';

const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} } as unknown as Logger;

let folder: string;
let storage: MediaStorage;

beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'ictcore-media-'));
  storage = new MediaStorage({ data_dir: folder } as Config, silent);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function sourceFile(content: string): Promise<string> {
  const file = path.join(folder, 'source ; rm -rf');
  await writeFile(file, content);
  return file;
}

describe('MediaStorage', () => {
  test('stores, opens, measures and deletes', async () => {
    const { key, size } = await storage.put('template', await sourceFile('hello'), 'txt');
    expect(key).toMatch(/^template\/[0-9a-f]{2}\/[0-9a-f-]{36}\.txt$/);
    expect(size).toBe(5);
    expect(await text(await storage.open(key))).toBe('hello');
    expect(await text(await storage.open(key, { start: 1, end: 3 }))).toBe('ell');
    expect(await storage.size(key)).toBe(5);
    expect(storage.localPath(key)).toBe(path.join(folder, 'media', key));
    await storage.delete(key);
    await storage.delete(key);
    await expect(storage.open(key)).rejects.toMatchObject({ code: 'MEDIA_MISSING', status: 404 });
    await expect(storage.size(key)).rejects.toMatchObject({ code: 'MEDIA_MISSING' });
  });

  test('nobody else on the machine can read it', async () => {
    const { key } = await storage.put('template', Readable.from(['x']));
    const file = storage.localPath(key);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    for (let at = path.dirname(file); at !== folder; at = path.dirname(at))
      expect(statSync(at).mode & 0o777).toBe(0o700);
  });

  test('keys that are not ours are refused', async () => {
    const uuid = '01234567-89ab-cdef-0123-456789abcdef';
    for (const key of ['../etc/passwd', '/etc/passwd', `template/01/../${uuid}`, `template/01/${uuid}/x`, '']) {
      expect(() => storage.localPath(key)).toThrow('no media key');
      await expect(storage.delete(key)).rejects.toThrow('no media key');
    }
    await expect(storage.put('../x', Readable.from(['x']))).rejects.toThrow(RangeError);
    await expect(storage.put('template', Readable.from(['x']), '../x')).rejects.toThrow(RangeError);
  });

  test('a source that breaks leaves no file', async () => {
    const broken = new Readable({
      read() {
        this.push('half');
        this.destroy(new Error('source broke'));
      },
    });
    await expect(storage.put('template', broken)).rejects.toThrow('source broke');
    const left = readdirSync(path.join(folder, 'media'), { recursive: true, withFileTypes: true });
    expect(left.filter((entry) => entry.isFile())).toEqual([]);
  });

  test('a reader that goes away closes the file', async () => {
    const { key } = await storage.put('template', Readable.from([Buffer.alloc(1024 * 1024)]));
    const before = readdirSync('/proc/self/fd').length;
    for (let i = 0; i < 20; i++) {
      const stream = await storage.open(key);
      stream.once('data', () => stream.destroy());
      await new Promise((resolve) => stream.once('close', resolve));
    }
    expect(readdirSync('/proc/self/fd').length).toBeLessThan(before + 5);
  });

  test('deletes wait for the commit', async () => {
    const { key } = await storage.put('template', Readable.from(['x']));
    const after: (() => void)[] = [];
    storage.deleteAfterCommit({ afterCommit: (work) => after.push(work) }, [key]);
    await storage.settle();
    expect(existsSync(storage.localPath(key))).toBe(true);
    for (const work of after) work();
    await storage.settle();
    expect(existsSync(storage.localPath(key))).toBe(false);
  });

  test('the sweep takes old files of its kind that no row refers to, and nothing else', async () => {
    const old = new Date(Date.now() - ORPHAN_AGE_MS - 60_000);
    const make = async (kind: string, age?: Date) => {
      const { key } = await storage.put(kind, Readable.from(['x']));
      if (age) await utimes(storage.localPath(key), age, age);
      return key;
    };
    const [orphan, used, young, other] = [
      await make('template', old),
      await make('template', old),
      await make('template'),
      await make('document', old),
    ];
    const asked: string[] = [];
    const rows: SqlRunner = {
      query: async <R extends object>(_sql: string, values?: readonly unknown[]) => {
        asked.push(...((values?.[0] ?? []) as string[]));
        return [{ key: used }] as unknown as R[];
      },
    };
    expect(await storage.sweepOrphans('template', 'select', rows)).toBe(1);
    expect(asked.sort()).toEqual([orphan, used].sort());
    expect([orphan, used, young, other].map((key) => existsSync(storage.localPath(key)))).toEqual([
      false,
      true,
      true,
      true,
    ]);
    expect(await storage.sweepOrphans('nothing', 'select', rows)).toBe(0);
  });
});

describe('downloadReply', () => {
  async function get(headers: Record<string, string>, options = {}, mediaType = 'application/pdf') {
    const { key, size } = await storage.put('template', Readable.from(['0123456789']));
    const file = {
      name: 'ä "x".pdf',
      mediaType,
      size,
      version: 'v1',
      open: (r?: { start: number; end: number }) => storage.open(key, r),
    };
    const answer = await downloadReply(file, headers, options);
    return { ...answer, text: answer.stream ? (await buffer(answer.stream)).toString() : undefined };
  }

  test('the whole file, with its tag', async () => {
    const answer = await get({});
    expect(answer).toMatchObject({ status: 200, text: '0123456789' });
    expect(answer.headers).toMatchObject({ 'Content-Length': '10', 'Accept-Ranges': 'bytes' });
    expect(answer.headers['Content-Disposition']).toBe(
      `attachment; filename="_ _x_.pdf"; filename*=UTF-8''%C3%A4%20%22x%22.pdf`,
    );
    const etag = answer.headers.ETag as string;
    expect(await get({ 'if-none-match': `"other", ${etag}` })).toMatchObject({ status: 304, text: undefined });
    expect(await get({ 'if-none-match': '"other"' })).toMatchObject({ status: 200 });
    expect(await get({ range: 'bytes=0-0', 'if-range': etag })).toMatchObject({ status: 206, text: '0' });
    expect(await get({ range: 'bytes=0-0', 'if-range': '"old"' })).toMatchObject({ status: 200 });
  });

  test.each([
    ['bytes=2-4', 206, '234', 'bytes 2-4/10'],
    ['bytes=7-', 206, '789', 'bytes 7-9/10'],
    ['bytes=-2', 206, '89', 'bytes 8-9/10'],
    ['bytes=8-99', 206, '89', 'bytes 8-9/10'],
    ['bytes=-99', 206, '0123456789', 'bytes 0-9/10'],
    ['bytes=0-1,3-4', 200, '0123456789', undefined],
    ['bytes=5-4', 200, '0123456789', undefined],
    ['items=0-1', 200, '0123456789', undefined],
  ])('%s', async (range, status, expected, contentRange) => {
    const answer = await get({ range });
    expect(answer).toMatchObject({ status, text: expected });
    expect(answer.headers['Content-Range']).toBe(contentRange);
    expect(answer.headers['Content-Length']).toBe(String(expected.length));
  });

  test.each(['bytes=10-', 'bytes=-0'])('%s is beyond the end', async (range) => {
    await expect(get({ range })).rejects.toMatchObject({ status: 416, headers: { 'Content-Range': 'bytes */10' } });
  });

  test('inline only where it cannot run as a page of ours', async () => {
    expect((await get({}, { inline: true })).headers['Content-Disposition']).toMatch(/^inline; filename=/);
    expect((await get({}, { inline: true }, 'text/html')).headers['Content-Disposition']).toMatch(/^attachment/);
    expect((await get({}, { inline: true }, 'image/svg+xml')).headers['Content-Disposition']).toMatch(/^attachment/);
  });
});
