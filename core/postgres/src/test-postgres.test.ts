import fs from 'node:fs';
import path from 'node:path';
import { Client } from 'pg';
import { connectTestPostgres } from './test-databases';
import { startTestPostgres } from './test-postgres';
import { query, until, Workplace } from './testing/child.test.support';

const workplace = new Workplace();
const dir = workplace.dir('cache');
afterAll(() => workplace.close());

const systemId = async (url: string) =>
  (await query<{ id: string }>(url, 'SELECT system_identifier::text AS id FROM pg_control_system()'))[0]?.id;
const databases = async (url: string) =>
  (await query<{ datname: string }>(url, 'SELECT datname FROM pg_database')).map((row) => row.datname);
const prepareNumber = (count: { runs: number }) => async (url: string) => {
  count.runs++;
  await query(url, 'CREATE TABLE number AS SELECT 7 AS value');
};

test('templates are made once per fingerprint, databases are separate copies', async () => {
  const cluster = await startTestPostgres({ dir });
  const worker = connectTestPostgres(cluster.adminUrl);
  const count = { runs: 0 };
  const made = await cluster.createTemplate('number', prepareNumber(count), 'a');
  expect(await worker.createTemplate('number', prepareNumber(count), 'a')).toBe(made);
  expect(count.runs).toBe(1);
  const [one, two] = await Promise.all([1, 2].map(() => worker.createDatabase({ template: 'number' })));
  await query(one?.url ?? '', 'UPDATE number SET value = 8');
  expect(await query(two?.url ?? '', 'SELECT value FROM number')).toEqual([{ value: 7 }]);
  await worker.createTemplate('number', (url) => query(url, 'CREATE TABLE other ()').then(() => undefined), 'b');
  const newer = await worker.createDatabase({ template: 'number' });
  await expect(query(newer.url, 'SELECT FROM number')).rejects.toMatchObject({ code: '42P01' });
  await one?.drop();
  expect(await databases(cluster.adminUrl)).not.toContain(one?.name);
  await one?.drop();
  await expect(worker.createDatabase({ template: 'none' })).rejects.toMatchObject({ code: 'TEST_TEMPLATE_UNKNOWN' });
  await cluster.stop();
});

test('the next run finds the cluster and its templates, and no databases of the run before', async () => {
  const cluster = await startTestPostgres({ dir });
  const count = { runs: 0 };
  await cluster.createTemplate('number', prepareNumber(count), 'a');
  expect(count.runs).toBe(0);
  expect((await databases(cluster.adminUrl)).filter((name) => name.startsWith('test_'))).toEqual([]);
  await cluster.stop();
});

test('a preparation that fails or leaks leaves no template; a leaked connection fails drop()', async () => {
  const cluster = await startTestPostgres({ dir });
  const failing = cluster.createTemplate('broken', () => Promise.reject(new Error('migration 7')), 'a');
  await expect(failing).rejects.toThrow('migration 7');
  expect((await databases(cluster.adminUrl)).filter((name) => name.includes('broken'))).toEqual([]);
  const database = await cluster.createDatabase();
  const forgotten = new Client(database.url);
  forgotten.on('error', () => undefined);
  await forgotten.connect();
  await forgotten.query("SELECT 'the forgotten one'");
  await expect(database.drop()).rejects.toMatchObject({
    code: 'TEST_CONNECTIONS_LEAKED',
    message: expect.stringContaining('the forgotten one'),
  });
  expect(await databases(cluster.adminUrl)).not.toContain(database.name);
  await cluster.stop();
});

test('two workers that ask for the same template at once: one makes it, both get a copy', async () => {
  const cluster = await startTestPostgres({ dir });
  const workers = [1, 2, 3].map(() => workplace.child('template', cluster.adminUrl));
  const answers = await Promise.all(workers.map((worker) => worker.answer()));
  expect(answers.reduce((sum, answer) => sum + answer.prepared, 0)).toBe(1);
  expect(new Set(answers.map((answer) => answer.name)).size).toBe(3);
  await Promise.all(workers.map((worker) => worker.stop()));
  await cluster.stop();
});

test('two runs at the same time get a cluster each', async () => {
  const runs = [1, 2].map(() => workplace.child('testRun', dir));
  const [one, two] = await Promise.all(runs.map((run) => run.answer()));
  expect(await systemId(one?.url ?? '')).not.toBe(await systemId(two?.url ?? ''));
  await Promise.all(runs.map((run) => run.stop()));
});

test('a killed run takes its server along (Linux), and the next run cleans up', async () => {
  const run = workplace.child('testRun', dir);
  const { name } = await run.answer();
  await run.kill9();
  const cluster = await startTestPostgres({ dir });
  expect(await databases(cluster.adminUrl)).not.toContain(name);
  await cluster.stop();
  await until('no server is left', async () => (await workplace.processes()).length === 0);
});

test('a cluster without fsync is made anew after a crash of the machine or of the server', async () => {
  const first = await startTestPostgres({ dir });
  const before = await systemId(first.adminUrl);
  await first.stop();
  const files = fs.readdirSync(dir).filter((name) => name.endsWith('.boot'));
  expect(files).toContain('run-0.boot');
  fs.writeFileSync(path.join(dir, 'run-0.boot'), 'another boot');
  const second = await startTestPostgres({ dir });
  const after = await systemId(second.adminUrl);
  expect(after).not.toBe(before);
  await second.stop();
  fs.writeFileSync(path.join(dir, 'run-0', 'cluster', 'postmaster.pid'), '999999\n');
  const third = await startTestPostgres({ dir });
  expect(await systemId(third.adminUrl)).not.toBe(after);
  await third.stop();
});
