import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connectTestPostgres } from '@ictcore/postgres';
import { Client } from 'pg';
import { migrate } from './migrator';

let folder: string;
let url: string;
let drop: () => Promise<void>;

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'ictcore-migrations-'));
  const made = await connectTestPostgres(process.env.ICTCORE_TEST_POSTGRES ?? '').createDatabase();
  url = made.url;
  drop = () => made.drop();
});

afterEach(async () => {
  rmSync(folder, { recursive: true, force: true });
  await drop();
});

const file = (name: string, sql: string) => writeFileSync(path.join(folder, name), sql);
const run = () => migrate(url, { component: 'acme', folder });

async function query(sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

test('files run once, in order of their numbers', async () => {
  file('0002-fill.sql', 'insert into thing values (1)');
  file('0001-thing.sql', 'create table thing (id int)');
  expect(await run()).toEqual(['0001-thing.sql', '0002-fill.sql']);
  expect(await run()).toEqual([]);
  file('0003-more.sql', 'insert into thing values (2)');
  expect(await run()).toEqual(['0003-more.sql']);
  expect(await query('select id from thing order by id')).toEqual([{ id: 1 }, { id: 2 }]);
});

test('two servers that start at once apply each file once', async () => {
  file('0001-thing.sql', 'create table thing (id int); insert into thing values (1); select pg_sleep(0.2)');
  const applied = await Promise.all([run(), run(), run()]);
  expect(applied.flat()).toEqual(['0001-thing.sql']);
  expect(await query('select count(*)::int as n from thing')).toEqual([{ n: 1 }]);
});

test('components do not see each other’s files', async () => {
  file('0001-thing.sql', 'create table if not exists thing (id int)');
  await run();
  expect(await migrate(url, { component: 'other', folder })).toEqual(['0001-thing.sql']);
});

test('a file that fails leaves nothing behind and says which it was and why', async () => {
  file('0001-thing.sql', 'create table thing (id int)');
  file('0002-bad.sql', 'insert into thing values (1); insert into nowhere values (1)');
  await expect(run()).rejects.toMatchObject({
    code: 'MIGRATION_FAILED',
    message: expect.stringMatching(/acme.*0002-bad\.sql.*nowhere/),
  });
  expect(await query('select * from thing')).toEqual([]);
  file('0002-bad.sql', 'insert into thing values (2)');
  expect(await run()).toEqual(['0002-bad.sql']);
});

test('a schema newer than the code is refused', async () => {
  file('0001-thing.sql', 'create table thing (id int)');
  await run();
  await query(`insert into migration (component, name, checksum) values ('acme', '0009-future.sql', '')`);
  await expect(run()).rejects.toMatchObject({
    code: 'SCHEMA_NEWER',
    message: expect.stringContaining('0009-future.sql'),
  });
});

test('an applied file that was edited is refused; line ends do not count', async () => {
  file('0001-thing.sql', 'create table thing (\n id int)');
  await run();
  file('0001-thing.sql', 'create table thing (\r\n id int)');
  expect(await run()).toEqual([]);
  file('0001-thing.sql', 'create table thing (id bigint)');
  await expect(run()).rejects.toMatchObject({ code: 'MIGRATION_CHANGED' });
});

test('a file with a name out of order is refused', async () => {
  file('1-thing.sql', '');
  await expect(run()).rejects.toMatchObject({ code: 'MIGRATION_FAILED', message: expect.stringContaining('0001-') });
});
