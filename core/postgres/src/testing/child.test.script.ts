import { Pool } from 'pg';
import { connectTestPostgres, lockDataDir, startEmbeddedPostgres, startTestPostgres } from '../index';
import type { Request } from './child.test.support';

/** Runs in a child process: does one thing, says so, and stays until it is told to stop or killed. */
const say = (message: object) => void process.send?.(message);
let end: () => Promise<void> = async () => undefined;

async function lock(dir: string): Promise<void> {
  const held = await lockDataDir(dir);
  end = () => held.release();
  say({ event: 'ready' });
}

async function start(dir: string): Promise<void> {
  const postgres = await startEmbeddedPostgres({ dataDir: dir });
  end = () => postgres.stop();
  const { pid, port, adopted } = postgres;
  say({ event: 'ready', pid, port, adopted, url: postgres.url() });
}

/** Four sessions insert as fast as they can; a row is told only when its commit was acknowledged. */
async function write(dir: string): Promise<void> {
  const postgres = await startEmbeddedPostgres({ dataDir: dir });
  const pool = new Pool({ connectionString: postgres.url(), max: 4 });
  pool.on('error', () => undefined);
  await pool.query('CREATE TABLE written (id int PRIMARY KEY)');
  say({ event: 'ready', pid: postgres.pid });
  let id = 0;
  const session = async () => {
    for (;;) {
      const mine = ++id;
      await pool.query('INSERT INTO written VALUES ($1)', [mine]);
      say({ event: 'acknowledged', id: mine });
    }
  };
  await Promise.all([session(), session(), session(), session()]);
}

async function testRun(dir: string): Promise<void> {
  const cluster = await startTestPostgres({ dir });
  const left = await cluster.createDatabase();
  end = () => cluster.stop();
  say({ event: 'ready', url: cluster.adminUrl, name: left.name });
}

async function template(adminUrl: string): Promise<void> {
  let prepared = 0;
  const cluster = connectTestPostgres(adminUrl);
  const prepare = async (url: string) => {
    prepared++;
    const pool = new Pool({ connectionString: url });
    await pool.query('CREATE TABLE made AS SELECT 1 AS id');
    await pool.end();
  };
  await cluster.createTemplate('raced', prepare, 'one');
  const database = await cluster.createDatabase({ template: 'raced' });
  say({ event: 'ready', prepared, name: database.name });
}

const actions = { lock, start, write, testRun, template };

process.on('message', (request: Request | 'stop') => {
  if (request === 'stop') {
    void end().then(() => process.exit(0));
    return;
  }
  actions[request.action](request.argument).catch((error: Error & { code?: string }) =>
    say({ event: 'failed', code: error.code, message: error.message }),
  );
});
