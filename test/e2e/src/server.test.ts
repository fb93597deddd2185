import { spawnSync } from 'node:child_process';
import {
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ADMIN_PASSWORD, eventually, MAIN, RunningServer, testCluster } from './support/running-server';

const asRoot = process.getuid?.() === 0;
const NOBODY = 65534;

function temporary(): string {
  return mkdtempSync(path.join(tmpdir(), 'ictcore-e2e-'));
}

/** Runs the server where it is expected to refuse; its exit code and words. */
function refused(env: Record<string, string>, dataDir: string) {
  const result = spawnSync(process.execPath, [MAIN, 'start'], {
    cwd: dataDir,
    env: { PATH: process.env.PATH ?? '', ICTCORE_DATA_DIR: dataDir, ICTCORE_PORT: '0', ...env },
    encoding: 'utf8',
    timeout: 30_000,
  });
  return { code: result.status, words: result.stderr };
}

/** Processes whose command line names this folder (Linux; elsewhere nothing is looked at). */
function processesIn(folder: string): string[] {
  if (!existsSync('/proc/self/cmdline')) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(commandLine)
    .filter((line) => line.includes(folder));
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    // It has ended since it was listed.
    return '';
  }
}

describe('the server on its embedded PostgreSQL', () => {
  const users = [
    ['as the user who runs the tests', undefined],
    ...(asRoot ? [['as an ordinary user', NOBODY] as const] : []),
  ] as const;

  it.each(users)(
    '%s: starts, keeps its data, survives kill -9, stops cleanly',
    async (_who, uid) => {
      const dataDir = temporary();
      if (uid) chownSync(dataDir, uid, uid);
      const as = { embedded: true, dataDir, ...(uid && { uid }) };
      try {
        const first = await RunningServer.start({ ...as, env: { ICTCORE_ADMIN_PASSWORD: '' } });
        expect(first.output).toContain('User:          admin');
        const password = /Password:\s+(\S+)/.exec(first.output)?.[1] ?? '';
        expect(password.length).toBeGreaterThanOrEqual(16);
        expect(first.log).not.toContain(password);
        const id = await first.admin(password).post('/contacts', { phone: '+15550100' });
        expect(await first.terminate()).toBe(0);
        expect(processesIn(dataDir)).toEqual([]);

        const second = await RunningServer.start(as);
        expect(second.output).not.toContain('Password:');
        expect(await second.admin(password).get(`/contacts/${id}`)).toMatchObject({ phone: '+15550100' });
        await second.admin(password).put(`/contacts/${id}`, { phone: '+15550101' });
        await second.kill();

        const third = await RunningServer.start(as);
        expect(await third.admin(password).get(`/contacts/${id}`)).toMatchObject({ phone: '+15550101' });
        expect(statSync(dataDir).mode & 0o777).toBe(0o700);
        expect(await third.terminate()).toBe(0);
        await eventually(
          async () => processesIn(dataDir),
          (left) => left.length === 0,
        );
      } finally {
        rmSync(dataDir, { recursive: true, force: true });
      }
    },
    120_000,
  );

  it('refuses a second server on the same data directory, naming the first', async () => {
    const dataDir = temporary();
    const server = await RunningServer.start({ embedded: true, dataDir });
    try {
      const { code, words } = refused({}, dataDir);
      expect(code).toBe(1);
      expect(words).toContain(`${server.process.pid}`);
      expect(words).toContain(dataDir);
      expect(words).not.toContain('    at ');
    } finally {
      await server.terminate();
      rmSync(dataDir, { recursive: true, force: true });
    }
  });

  it('comes back by itself when PostgreSQL is killed', async () => {
    const dataDir = temporary();
    const server = await RunningServer.start({ embedded: true, dataDir });
    try {
      const pid = Number(readFileSync(path.join(dataDir, 'postgres/cluster/postmaster.pid'), 'utf8').split('\n')[0]);
      process.kill(pid, 'SIGKILL');
      const status = async () => (await server.admin().request('GET', '/health')).status;
      await eventually(
        async () => isAlive(pid),
        (alive) => !alive,
      );
      expect(await eventually(status, (code) => code === 200, 30_000)).toBe(200);
      expect(await server.admin().post('/contacts', { phone: '+15550102' })).toEqual(expect.any(Number));
    } finally {
      await server.terminate();
      rmSync(dataDir, { recursive: true, force: true });
    }
  }, 90_000);
});

describe('the server on an external database', () => {
  it('answers 503 while the database is away, and 200 when it is back', async () => {
    const made = await testCluster().createDatabase();
    const server = await RunningServer.start({ databaseUrl: made.url });
    try {
      const name = new URL(made.url).pathname.slice(1);
      expect((await server.admin().request('GET', '/health')).status).toBe(200);
      const client = await adminClient();
      await client.query(`alter database "${name}" with allow_connections false`);
      await client.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
      const away = await server.admin().request('GET', '/health');
      expect(away.status).toBe(503);
      expect(away.body).toMatchObject({ status: 'error', components: { database: { state: 'error' } } });
      const refusedRead = await server.admin().request('GET', '/contacts');
      expect(refusedRead.status).toBe(503);
      expect(refusedRead.text).not.toContain('at ');
      await client.query(`alter database "${name}" with allow_connections true`);
      await client.end();
      await eventually(
        async () => (await server.admin().request('GET', '/health')).status,
        (code) => code === 200,
      );
      await eventually(
        async () => (await server.admin().request('GET', '/contacts')).status,
        (code) => code === 200,
      );
    } finally {
      await server.dispose();
      await made.drop().catch(() => undefined);
    }
  }, 60_000);

  it('lets two servers start on one empty database at once, with one administrator', async () => {
    const made = await testCluster().createDatabase();
    const key = { ICTCORE_SECRET_KEY: Buffer.alloc(32, 7).toString('base64') };
    const both = await Promise.all([1, 2].map(() => RunningServer.start({ databaseUrl: made.url, env: key })));
    try {
      const [first, second] = both as [RunningServer, RunningServer];
      expect(await first.sql(`select username from usr`)).toEqual([{ username: 'admin' }]);
      // A token of one node is good on the other, and a change on one is seen by the other.
      const { token } = await first
        .admin()
        .anonymous()
        .post<{ token: string }>('/authenticate', { username: 'admin', password: ADMIN_PASSWORD });
      expect(await second.admin().withToken(token).get('/users/me')).toMatchObject({ username: 'admin' });
      await first.admin().withToken(token).post('/authenticate/cancel');
      await eventually(
        async () => (await second.admin().withToken(token).request('GET', '/users/me')).status,
        (code) => code === 401,
        3000,
      );
    } finally {
      await Promise.all(both.map((server) => server.dispose()));
      await made.drop().catch(() => undefined);
    }
  }, 60_000);

  it('refuses a database whose schema is newer than itself', async () => {
    const made = await testCluster().createDatabase();
    const server = await RunningServer.start({ databaseUrl: made.url });
    await server.sql(`insert into migration (component, name, checksum) values ('kernel', '9999-future.sql', '')`);
    await server.terminate();
    const { code, words } = refused({ DATABASE_URL: made.url }, server.dataDir);
    expect(code).toBe(1);
    expect(words).toContain('newer than this server');
    expect(words).toContain('9999-future.sql');
    await server.dispose();
    await made.drop();
  }, 60_000);

  it('refuses to start with another master key, saying how to mend it', async () => {
    const made = await testCluster().createDatabase();
    const server = await RunningServer.start({ databaseUrl: made.url });
    await server.terminate();
    const { code, words } = refused(
      { DATABASE_URL: made.url, ICTCORE_SECRET_KEY: Buffer.alloc(32, 1).toString('base64') },
      server.dataDir,
    );
    expect(code).toBe(1);
    expect(words).toContain('ICTCORE_SECRET_KEY');
    await server.dispose();
    await made.drop();
  }, 60_000);
});

it('goes on when a plugin rejects a promise that nobody looks at, and says so in the log', async () => {
  const folder = temporary();
  writeFileSync(
    path.join(folder, 'package.json'),
    JSON.stringify({ name: 'acme-stray', main: 'i.cjs', ictcore: { api: '^1' } }),
  );
  writeFileSync(
    path.join(folder, 'i.cjs'),
    `exports.plugin = { name: 'acme-stray', version: '1.0.0', api: '^1', setup() {},
       async start() { setTimeout(() => Promise.reject(new Error('stray words')), 50); } };`,
  );
  const server = await RunningServer.start({ env: { ICTCORE_PLUGINS: folder } });
  try {
    await eventually(
      async () => server.log,
      (log) => log.includes('stray words'),
    );
    expect((await server.admin().request('GET', '/health')).status).toBe(200);
  } finally {
    await server.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
});

describe('wrong configuration is refused with the name of the key', () => {
  const wrong: [string, Record<string, string>, string][] = [
    ['a port that is no number', { ICTCORE_PORT: 'eighty' }, 'ICTCORE_PORT'],
    ['a port out of range', { ICTCORE_PORT: '70000' }, 'ICTCORE_PORT'],
    ['a database URL of another kind', { DATABASE_URL: 'mysql://localhost/x' }, 'DATABASE_URL'],
    ['a role that does not exist', { ICTCORE_ROLE: 'boss' }, 'ICTCORE_ROLE'],
    ['a key that does not exist', { ICTCORE_PROT: '1' }, 'ICTCORE_PROT'],
    ['a short administrator password', { ICTCORE_ADMIN_PASSWORD: 'short' }, 'ICTCORE_ADMIN_PASSWORD'],
    ['a host that is not of this machine', { ICTCORE_HOST: '203.0.113.7' }, 'ICTCORE_HOST'],
    ['a configuration file that is not there', { ICTCORE_CONFIG: 'nowhere.json' }, 'ICTCORE_CONFIG'],
  ];

  it.each(wrong)('%s', async (_what, env, key) => {
    const dataDir = temporary();
    const made = await testCluster().createDatabase();
    const { code, words } = refused({ DATABASE_URL: made.url, ...env }, dataDir);
    expect(code).toBe(1);
    expect(words).toContain(key);
    expect(words).not.toContain('    at ');
    await made.drop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  it('an unknown key in the file', async () => {
    const dataDir = temporary();
    const file = path.join(dataDir, 'my.json');
    writeFileSync(file, JSON.stringify({ engine: { bacth: 5 } }));
    const { code, words } = refused({ ICTCORE_CONFIG: file }, dataDir);
    expect(code).toBe(1);
    expect(words).toContain('engine.bacth');
    rmSync(dataDir, { recursive: true, force: true });
  });

  it('a data directory that is a file', () => {
    const dataDir = temporary();
    const file = path.join(dataDir, 'file');
    writeFileSync(file, '');
    const { code, words } = refused({ ICTCORE_DATA_DIR: file }, dataDir);
    expect(code).toBe(1);
    expect(words).toContain('ICTCORE_DATA_DIR');
    rmSync(dataDir, { recursive: true, force: true });
  });

  it('a port that is taken', async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const { port } = holder.address() as { port: number };
    const dataDir = temporary();
    const made = await testCluster().createDatabase();
    const { code, words } = refused({ DATABASE_URL: made.url, ICTCORE_PORT: String(port) }, dataDir);
    expect(code).toBe(1);
    expect(words).toContain('ICTCORE_PORT');
    holder.close();
    await made.drop();
    rmSync(dataDir, { recursive: true, force: true });
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A connection to the cluster's own database, beside those of the tests. */
async function adminClient() {
  const { Client } = await import('pg');
  const client = new Client({ connectionString: process.env.ICTCORE_TEST_POSTGRES });
  await client.connect();
  return client;
}
