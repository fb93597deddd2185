import { startEmbeddedPostgres } from './embedded-postgres';
import type { DownEvent, UpEvent } from './supervisor';
import { query, until, Workplace } from './testing/child.test.support';

const workplace = new Workplace();
const dir = workplace.dir('data');
afterAll(() => workplace.close());

test('two processes that start at once on an empty folder share one server', async () => {
  const children = [workplace.child('start', dir), workplace.child('start', dir)];
  const answers = await Promise.all(children.map((child) => child.answer()));
  expect(new Set(answers.map((answer) => answer.pid)).size).toBe(1);
  expect(answers.map((answer) => answer.adopted).sort()).toEqual([false, true]);
  await Promise.all(children.map((child) => child.stop()));
  await until('the server is gone', async () => (await workplace.processes()).length === 0);
});

test('kill -9 of postgres: it comes back on the same port with what was committed, and both are told', async () => {
  const postgres = await startEmbeddedPostgres({ dataDir: dir });
  const downs: DownEvent[] = [];
  const ups: UpEvent[] = [];
  postgres.onDown((event) => downs.push(event));
  const unsubscribe = postgres.onUp((event) => ups.push(event));
  const before = { pid: postgres.pid, port: postgres.port };
  await query(postgres.url(), 'CREATE TABLE kept AS SELECT 42 AS answer');
  for (let kill = 1; kill <= 2; kill++) {
    process.kill(postgres.pid, 'SIGKILL');
    await until('the server is back', () => ups.length === kill);
    expect(await query(postgres.url(), 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  }
  expect(downs[0]).toMatchObject({ attempt: 0, reason: expect.stringContaining('SIGKILL') });
  expect(downs.filter((event) => event.attempt === 0)).toHaveLength(2);
  expect(postgres.port).toBe(before.port);
  expect(postgres.pid).not.toBe(before.pid);
  expect(ups.at(-1)).toEqual({ pid: postgres.pid, port: postgres.port });
  unsubscribe();
  await postgres.stop();
});

test('stop() during a restart ends everything', async () => {
  const postgres = await startEmbeddedPostgres({ dataDir: dir });
  const stopped = new Promise<void>((resolve) => postgres.onDown(() => resolve(postgres.stop())));
  process.kill(postgres.pid, 'SIGKILL');
  await stopped;
  await until('the server is gone', async () => (await workplace.processes()).length === 0);
  const up = await startEmbeddedPostgres({ dataDir: dir });
  const late = new Promise<void>((resolve) => up.onUp(() => resolve(up.stop())));
  process.kill(up.pid, 'SIGKILL');
  await late;
  await until('the server is gone', async () => (await workplace.processes()).length === 0);
});

const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux('kill -9 of Node.js during writes: postgres ends, every acknowledged row is there (Linux only)', async () => {
  const child = workplace.child('write', dir);
  const acknowledged = () => child.messages.filter((message) => message.event === 'acknowledged');
  const { pid } = await child.answer();
  await until('rows are written', () => acknowledged().length > 300);
  await child.kill9();
  const postgres = await startEmbeddedPostgres({ dataDir: dir });
  expect(postgres).toMatchObject({ adopted: false });
  expect(postgres.pid).not.toBe(pid);
  const there = new Set((await query<{ id: number }>(postgres.url(), 'SELECT id FROM written')).map((row) => row.id));
  expect(acknowledged().filter((message) => !there.has(message.id))).toEqual([]);
  expect(there.size).toBeGreaterThan(300);
  await postgres.stop();
});

onLinux('who adopted a server takes over when its owner is killed (Linux only)', async () => {
  const owner = workplace.child('start', dir);
  const { pid } = await owner.answer();
  const postgres = await startEmbeddedPostgres({ dataDir: dir });
  expect(postgres).toMatchObject({ adopted: true, pid });
  const up = new Promise((resolve) => postgres.onUp(resolve));
  await owner.kill9();
  await up;
  expect(postgres.adopted).toBe(false);
  expect(await query(postgres.url(), 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  await postgres.stop();
  expect(await workplace.processes()).toEqual([]);
});
