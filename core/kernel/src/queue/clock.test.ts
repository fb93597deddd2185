import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { definePlugin, type Job, type KernelEvent } from '@ictcore/contract';
import { TestKernel } from '../testing/test-kernel';

let kernel: TestKernel;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'ictcore-job-'));
});
afterEach(async () => {
  await kernel.stop();
  rmSync(folder, { recursive: true, force: true });
});

const plugin = (...jobs: Job<never>[]) =>
  definePlugin({
    name: 'acme-jobs',
    version: '1.0.0',
    api: '^1',
    setup(registry) {
      for (const job of jobs) registry.job(job as never);
    },
  });

async function waitFor(condition: () => boolean): Promise<void> {
  const end = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error('waited 10 s in vain');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('a job with `run` runs in the server, with its plugin’s context; a failure is logged and it runs again', async () => {
  let runs = 0;
  kernel = await TestKernel.start({
    plugins: [
      plugin({
        name: 'light',
        everyMs: 1000,
        async run(context) {
          context.log.info({ runs: ++runs }, 'a light job');
          if (runs === 1) throw new Error('the first one fails');
        },
      }),
    ],
  });
  await waitFor(() => runs >= 2);
  expect(kernel.log.join('')).toContain('the first one fails');
});

test('a job with `file` runs in a worker thread with its data, and its messages arrive', async () => {
  const file = path.join(folder, 'job.cjs');
  writeFileSync(
    file,
    `const { parentPort, workerData, threadId } = require('node:worker_threads');
     parentPort.postMessage({ sum: workerData.a + workerData.b, threadId });`,
  );
  const got: { sum: number; threadId: number }[] = [];
  kernel = await TestKernel.start({
    plugins: [
      plugin({
        name: 'heavy',
        everyMs: 1000,
        file,
        data: { a: 2, b: 3 },
        onMessage: async (message) => void got.push(message as never),
      }),
    ],
  });
  await waitFor(() => got.length >= 1);
  expect(got[0]).toMatchObject({ sum: 5 });
  expect(got[0]?.threadId).toBeGreaterThan(0);
});

test('of two nodes only one runs a due job', async () => {
  const runs: number[] = [];
  const job: Job<never> = { name: 'shared', everyMs: 2000, run: async () => void runs.push(Date.now()) };
  kernel = await TestKernel.start({ plugins: [plugin(job)] });
  await kernel.boot();
  await waitFor(() => runs.length >= 2);
  for (let i = 1; i < runs.length; i++) expect((runs[i] as number) - (runs[i - 1] as number)).toBeGreaterThan(900);
});

test('a stop tells a running job to end and waits for it', async () => {
  let begun = false;
  let ended = false;
  kernel = await TestKernel.start({
    plugins: [
      plugin({
        name: 'long',
        everyMs: 1000,
        async run(_context, signal) {
          begun = true;
          await new Promise((resolve) => signal.addEventListener('abort', resolve));
          await new Promise((resolve) => setTimeout(resolve, 100));
          ended = true;
        },
      }),
    ],
  });
  await waitFor(() => begun);
  await kernel.kernel.stop();
  expect(ended).toBe(true);
});

test('event handlers are told after the commit, in order, and again after a failure', async () => {
  const told: KernelEvent[] = [];
  let failures = 1;
  kernel = await TestKernel.start({
    plugins: [
      definePlugin({
        name: 'acme-listener',
        version: '1.0.0',
        api: '^1',
        setup(registry) {
          registry.on('acme.*', async (event) => {
            if (failures-- > 0) throw new Error('not yet');
            told.push(event);
          });
        },
      }),
    ],
  });
  const { database } = kernel;
  // The one begun first commits last: its event must not be skipped.
  const late = await database.pool.connect();
  await late.query('begin');
  await late.query(`insert into event (type, data) values ('acme.late', '{"n":1}')`);
  await database.query(`insert into event (type, data) values ('acme.early', '{"n":2}'), ('other.event', '{}')`);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(told).toEqual([]);
  await late.query('commit');
  late.release();
  await waitFor(() => told.length >= 2);
  expect(told.map((event) => event.type)).toEqual(['acme.late', 'acme.early']);
  expect(told[0]?.data).toEqual({ n: 1 });
});
