import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { systemBinDirFor } from './binaries';
import { startEmbeddedPostgres } from './embedded-postgres';
import { query, strangePid, until, Workplace } from './testing/child.test.support';

const workplace = new Workplace();
const dir = workplace.dir('shared');
afterAll(() => workplace.close());

test('a fresh start makes a cluster with passwords, checksums, UTF-8 and private files', async () => {
  const lines: string[] = [];
  const postgres = await startEmbeddedPostgres({
    dataDir: dir,
    settings: { work_mem: '5MB' },
    onLog: (line) => lines.push(line),
  });
  expect(postgres.adopted).toBe(false);
  const [facts] = await query(
    postgres.url(),
    `SELECT current_setting('data_checksums') AS checksums, current_setting('work_mem') AS work_mem,
       current_setting('listen_addresses') AS listen, current_setting('fsync') AS fsync,
       pg_encoding_to_char(encoding) AS encoding, datctype, 'a' < 'B' AS linguistic, upper('é') AS upper,
       (SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules) AS auth
     FROM pg_database WHERE datname = current_database()`,
  );
  expect(facts).toMatchObject({
    checksums: 'on',
    work_mem: '5MB',
    listen: '127.0.0.1',
    fsync: 'on',
    encoding: 'UTF8',
    linguistic: false,
    upper: 'É',
    auth: 'scram-sha-256',
  });
  expect(fs.statSync(dir).mode & 0o777).toBe(0o700);
  expect(fs.statSync(`${dir}/password`).mode & 0o777).toBe(0o600);
  expect(fs.statSync(`${dir}/cluster`).mode & 0o777).toBe(0o700);
  const wrong = postgres.url().replace(/:[^:@]+@/, ':wrong@');
  await expect(query(wrong, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
  await query(postgres.url(), 'CREATE TABLE kept AS SELECT 42 AS answer');
  await postgres.stop();
  await postgres.stop();
  expect(lines.join('\n')).toContain('database system is shut down');
  expect(fs.existsSync(`${dir}/cluster/postmaster.pid`)).toBe(false);
});

test('a restart keeps data, password and port; another port is taken when that one is not free', async () => {
  const first = await startEmbeddedPostgres({ dataDir: dir });
  const address = first.url();
  expect(await query(address, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  await first.stop();
  const squatter = net.createServer().listen(first.port, '127.0.0.1');
  const second = await startEmbeddedPostgres({ dataDir: dir });
  expect(second.port).not.toBe(first.port);
  expect(await query(second.url(), 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  await second.stop();
  await expect(startEmbeddedPostgres({ dataDir: dir, port: first.port })).rejects.toMatchObject({
    code: 'PORT_IN_USE',
  });
  await new Promise((resolve) => squatter.close(resolve));
  const third = await startEmbeddedPostgres({ dataDir: dir, port: first.port });
  expect(third.url()).toBe(address);
  await third.stop();
});

test('a running server is adopted, and is left running by the one who adopted it', async () => {
  const owner = await startEmbeddedPostgres({ dataDir: dir });
  const guest = await startEmbeddedPostgres({ dataDir: dir });
  expect(guest).toMatchObject({ adopted: true, pid: owner.pid, port: owner.port });
  expect(guest.url('x')).toBe(owner.url('x'));
  await guest.stop();
  expect(await query(owner.url(), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  await owner.stop();
});

test.each(['dead', 'reused', 'zombie'] as const)('a %s process id in postmaster.pid stops nobody', async (kind) => {
  const stranger = await strangePid(kind);
  try {
    const cluster = path.join(dir, 'cluster');
    fs.writeFileSync(`${cluster}/postmaster.pid`, `${stranger.pid}\n${cluster}\n1\n1\n\n127.0.0.1\n1 1\nready   \n`);
    const postgres = await startEmbeddedPostgres({ dataDir: dir });
    expect(postgres.adopted).toBe(false);
    expect(await query(postgres.url(), 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    await postgres.stop();
  } finally {
    stranger.end();
  }
});

test('another major version is refused with the way to mend it, and nothing is touched', async () => {
  const file = `${dir}/cluster/PG_VERSION`;
  const version = fs.readFileSync(file, 'utf8');
  fs.writeFileSync(file, '16\n');
  await expect(startEmbeddedPostgres({ dataDir: dir })).rejects.toMatchObject({
    code: 'WRONG_MAJOR',
    message: expect.stringMatching(/made by PostgreSQL 16, the installed programs are \d+.*pg_dumpall/),
  });
  fs.writeFileSync(file, version);
  const postgres = await startEmbeddedPostgres({ dataDir: dir });
  expect(await query(postgres.url(), 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  await postgres.stop();
});

const system15 = systemBinDirFor('15');
(system15 ? test : test.skip)('programs of the system work too (skipped without PostgreSQL 15)', async () => {
  const dataDir = workplace.dir('fifteen');
  const old = await startEmbeddedPostgres({ dataDir, binDir: system15 as string });
  expect(await query(old.url(), "SELECT current_setting('server_version_num')::int / 10000 AS major")).toEqual([
    { major: 15 },
  ]);
  await old.stop();
  await expect(startEmbeddedPostgres({ dataDir })).rejects.toMatchObject({
    code: 'WRONG_MAJOR',
    message: expect.stringContaining(system15 as string),
  });
});

test('a lost or wrong password is named, not papered over', async () => {
  const file = `${dir}/password`;
  const password = fs.readFileSync(file);
  fs.rmSync(file);
  await expect(startEmbeddedPostgres({ dataDir: dir })).rejects.toMatchObject({ code: 'PASSWORD_MISSING' });
  fs.writeFileSync(file, 'something else\n'.replace(' ', '-'), { mode: 0o600 });
  await expect(startEmbeddedPostgres({ dataDir: dir })).rejects.toMatchObject({ code: 'PASSWORD_WRONG' });
  fs.writeFileSync(file, password);
  await (await startEmbeddedPostgres({ dataDir: dir })).stop();
});

test('a folder with other things in it is refused and left as it was', async () => {
  const home = workplace.dir('home');
  fs.mkdirSync(home, { mode: 0o755 });
  fs.writeFileSync(`${home}/letter.txt`, 'dear');
  await expect(startEmbeddedPostgres({ dataDir: home })).rejects.toMatchObject({ code: 'DATA_DIR_FOREIGN' });
  expect(fs.readdirSync(home)).toEqual(['letter.txt']);
  expect(fs.statSync(home).mode & 0o777).toBe(0o755);
  await expect(startEmbeddedPostgres({ dataDir: path.join(dir, 'cluster') })).rejects.toMatchObject({
    code: 'DATA_DIR_FOREIGN',
    message: expect.stringContaining('DATABASE_URL'),
  });
});

test('settings that belong to the launcher, malformed ones and missing programs are refused', async () => {
  for (const settings of [{ port: '1' }, { listen_addresses: '*' }, { 'a b': 'c' }]) {
    await expect(startEmbeddedPostgres({ dataDir: dir, settings })).rejects.toMatchObject({ code: 'INVALID_SETTING' });
  }
  await expect(startEmbeddedPostgres({ dataDir: dir, settings: { no_such_thing: '1' } })).rejects.toMatchObject({
    code: 'POSTGRES_START_FAILED',
    message: expect.stringContaining('no_such_thing'),
  });
  await expect(startEmbeddedPostgres({ dataDir: dir, binDir: '/nonexistent' })).rejects.toMatchObject({
    code: 'BINARIES_NOT_FOUND',
  });
});

const initInProgress = (folder: string) => () =>
  fs.existsSync(folder) && fs.readdirSync(folder).some((name) => name.startsWith('.initdb-'));

test('an aborted initdb does not wedge the next start', async () => {
  const dataDir = workplace.dir('aborted');
  const abort = new AbortController();
  const start = startEmbeddedPostgres({ dataDir, signal: abort.signal });
  const outcome = expect(start).rejects.toMatchObject({ code: 'ABORTED' });
  await until('initdb works', initInProgress(dataDir), 5);
  abort.abort();
  await outcome;
  expect(initInProgress(dataDir)()).toBe(false);
  await (await startEmbeddedPostgres({ dataDir })).stop();
  await expect(startEmbeddedPostgres({ dataDir, signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: 'ABORTED',
  });
});

test('an initdb killed together with its Node.js does not wedge the next start', async () => {
  const dataDir = workplace.dir('killed');
  const child = workplace.child('start', dataDir);
  await until('initdb works', initInProgress(dataDir), 5);
  await child.kill9();
  expect(fs.existsSync(`${dataDir}/cluster`)).toBe(false);
  const postgres = await startEmbeddedPostgres({ dataDir });
  expect(await query(postgres.url(), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  expect(initInProgress(dataDir)()).toBe(false);
  await postgres.stop();
});
