import { appendFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { delivered, failed } from '@ictcore/contract';
import { RecordingLogger } from '@ictcore/test-kit';
import { Journal } from './journal';
import type { Part } from './reassembler';
import { openStores, releaseStores, type Stores } from './stores';

let dir: string;
const log = new RecordingLogger();
const open = () => openStores(dir, 60_000, log);
const reopen = async (): Promise<Stores> => {
  await releaseStores(dir);
  return open();
};

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'smpp-state-'));
});
afterEach(async () => {
  await releaseStores(dir);
  await rm(dir, { recursive: true });
});

async function message({ ledger }: Stores, ids: string[]): Promise<string> {
  const group = ledger.begin(ids.length);
  for (const id of ids) group.add(id);
  return (await group.finish()).ref;
}

describe('receipts of long messages', () => {
  test.each([[['a', 'b', 'c']], [['c', 'b', 'a']], [['b', 'c', 'a']], [['b', 'b', 'a', 'a', 'c']]])(
    'in the order %j, with a restart after each',
    async (order) => {
      let stores = await open();
      expect(await message(stores, ['a', 'b', 'c'])).toBe('c');
      const states: string[] = [];
      for (const id of order) {
        stores = await reopen();
        states.push((await stores.ledger.receipt(id, delivered(id))).state);
      }
      expect(states.at(-1)).toBe('delivered');
      expect(states.slice(0, -1).every((state) => state === 'waiting')).toBe(true);
      await stores.ledger.settled('c');
      stores = await reopen();
      expect(await stores.ledger.receipt('c', delivered('c'))).toMatchObject({ state: 'single', ref: 'c' });
    },
  );

  test('a failure is told until the kernel has it, whatever comes before and after', async () => {
    const stores = await open();
    await message(stores, ['a', 'b']);
    await stores.ledger.receipt('b', delivered('b'));
    const failure = failed('rejected', 'UNDELIV');
    expect(await stores.ledger.receipt('a', failure)).toMatchObject({ state: 'failed', ref: 'b', failure });
    expect(await stores.ledger.receipt('b', delivered('b'))).toMatchObject({ state: 'failed', ref: 'b' });
  });

  test('a lost journal: the last part decides alone', async () => {
    await message(await open(), ['a', 'b']);
    for (const file of await readdir(dir)) await rm(join(dir, file));
    const { ledger } = await reopen();
    expect(await ledger.receipt('a', delivered('a'))).toMatchObject({ state: 'single', ref: 'a' });
    expect(await ledger.receipt('b', delivered('b'))).toMatchObject({ state: 'single', ref: 'b' });
  });

  test('an abandoned message leaves nothing', async () => {
    const { ledger } = await open();
    const group = ledger.begin(2);
    group.add('a');
    group.abandon();
    expect(await ledger.receipt('a', delivered('a'))).toMatchObject({ state: 'single' });
  });
});

describe('journal', () => {
  test('half a line at the end, foreign lines and old files do no harm', async () => {
    await writeFile(join(dir, 'receipts-2001-01-01.jsonl'), '{"o":"begin"}\n');
    await message(await open(), ['a', 'b']);
    const [file] = await readdir(dir);
    await appendFile(join(dir, file as string), 'no json\n{"o":"what"}\n"text"\n{"o":"part","ref":"b","i');
    const { ledger } = await reopen();
    expect(await readdir(dir)).toEqual([file]);
    expect(await ledger.receipt('a', delivered('a'))).toMatchObject({ state: 'waiting', ref: 'b' });
  });

  test('lines given together are written in order, and a folder that is gone is an error', async () => {
    const journal = new Journal(dir, 'test', 1, log);
    await Promise.all(Array.from({ length: 500 }, (_, n) => journal.append({ n })));
    const read: unknown[] = [];
    await journal.load((entry) => read.push(entry));
    expect(read).toEqual(Array.from({ length: 500 }, (_, n) => ({ n })));
    await journal.close();
    const lost = new Journal(join(dir, 'gone'), 'test', 1, log);
    await expect(lost.append({})).rejects.toThrow('ENOENT');
    await lost.close();
  });
});

describe('parts that come in', () => {
  const part = (number: number, more: Partial<Part> = {}): Part => {
    const base = { from: '1', to: '2', reference: '8:1', total: 3, dataCoding: 0 };
    return { ...base, number, octets: Buffer.from(`<${number}>`), ...more };
  };

  test('in any order over restarts, and the ref is the same when told twice', async () => {
    let stores = await open();
    expect(await stores.reassembler.take(part(3))).toBe('waiting');
    stores = await reopen();
    expect(await stores.reassembler.take(part(1))).toBe('waiting');
    stores = await reopen();
    const whole = await stores.reassembler.take(part(2));
    expect(whole).toMatchObject({ octets: Buffer.from('<1><2><3>'), missing: [] });
    // The process dies before the kernel's answer; the carrier sends the last part again.
    stores = await reopen();
    const again = await stores.reassembler.take(part(2));
    expect((again as { ref: string }).ref).toBe((whole as { ref: string }).ref);
    await stores.reassembler.told((again as { key: string }).key);
    stores = await reopen();
    expect(await stores.reassembler.take(part(2))).toBe('again');
  });

  test('while it is being told, and when it could not be', async () => {
    const { reassembler } = await open();
    for (const number of [1, 2]) await reassembler.take(part(number));
    const whole = await reassembler.take(part(3));
    expect(await reassembler.take(part(3))).toBe('waiting');
    reassembler.notTold((whole as { key: string }).key);
    expect(await reassembler.take(part(3))).toMatchObject({ missing: [] });
  });

  test('a flood of odd parts takes bounded memory, and loses nothing that was taken', async () => {
    const { reassembler } = await open();
    const flood = (from: number, to: number) => {
      const parts = Array.from({ length: to - from }, (_, n) => part(1, { reference: `16:${from + n}` }));
      return Promise.allSettled(parts.map((each) => reassembler.take(each)));
    };
    const taken = await flood(0, 9000);
    expect(taken.every(({ status }) => status === 'fulfilled')).toBe(true);
    const told = reassembler.overdue(60_000); // none is old, 4000 are too many
    expect(told).toHaveLength(4000);
    await Promise.all(told.map(({ key }) => reassembler.told(key)));
    await flood(9000, 10_000);
    const rest = reassembler.overdue(-1);
    expect(new Set([...told, ...rest].map(({ key }) => key)).size).toBe(10_000);
    for (let from = 20_000; from < 40_000; from += 1000) await flood(from, from + 1000);
    const late = await flood(50_000, 50_001);
    expect(late[0]?.status).toBe('rejected');
  });
});
