import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  audit,
  type CampaignFigures,
  configureLoopback,
  handOvers,
  ictcore,
  MAGIC,
  makeGroup,
  untilOver,
  withSql,
} from './support/campaign-desk';
import { eventually, RunningServer, testCluster } from './support/running-server';

jest.setTimeout(240_000);

const SECRET = Buffer.alloc(32, 7).toString('base64');
const FAST: Record<string, string> = {
  ICTCORE_SECRET_KEY: SECRET,
  ICTCORE_CAMPAIGN_DEFAULT_CPM: '0',
  ICTCORE_ENGINE_RETRY_DELAY: '1',
  ICTCORE_ENGINE_LEASE: '5',
  ICTCORE_LOG_LEVEL: 'warn',
};
/** Numbers that fail, are reported on later, or leave nobody the wiser. */
const TROUBLE = [MAGIC.busy, MAGIC.invalid, MAGIC.unknown, MAGIC.later, MAGIC.laterfail, MAGIC.twice, MAGIC.early];

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
/** A whole number from `low` to `high`. */
const random = (low: number, high: number) => low + Math.floor(Math.random() * (high - low + 1));

const undo: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

function folder(): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'ictcore-chaos-'));
  undo.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function database(): Promise<string> {
  const made = await testCluster().createDatabase();
  undo.push(() => made.drop());
  return made.url;
}

/** A server that is killed, however the test ends. */
async function start(
  dataDir: string,
  url: string | undefined,
  env: Record<string, string> = {},
): Promise<RunningServer> {
  const server = await RunningServer.launch({
    dataDir,
    env: { ...FAST, ...env },
    ...(url === undefined ? { embedded: true } : { databaseUrl: url }),
  });
  undo.push(() => server.kill());
  return server.ready();
}

/** A running campaign of text messages. */
async function campaign(
  server: RunningServer,
  url: string,
  size: number,
  loopback: Record<string, unknown>,
  endings: readonly string[] = TROUBLE,
): Promise<number> {
  const admin = server.admin();
  await configureLoopback(admin, { report_ms: 300, ...loopback });
  const program_id = await admin.post('/programs/sendsms', { message: 'Hello [contact:first_name]' });
  const group_id = await makeGroup(url, size, endings);
  return admin.post('/campaigns', { program_id, group_id, try_allowed: 3, start: 1 });
}

/** Everything that must hold once a campaign is over, by the database, the carrier and the command. */
async function expectWhole(
  url: string,
  figures: CampaignFigures,
  size: number,
  dirs: readonly string[],
): Promise<void> {
  expect(figures).toMatchObject({ status: 'completed', contact_total: size, contact_done: size, contact_skipped: 0 });
  const { contact_completed, contact_failed, contact_invalid } = figures;
  expect(contact_completed + contact_failed + contact_invalid).toBe(size);
  expect(await audit(url, handOvers(...dirs))).toEqual([]);
  const check = await ictcore(['ledger', 'check'], { DATABASE_URL: url, ICTCORE_DATA_DIR: dirs[0] as string });
  expect(check.stdout).toContain('The ledger adds up.');
  expect(check.code).toBe(0);
}

const unknowns = (url: string) =>
  withSql(url, async (client) => {
    const { rows } = await client.query<{ n: string }>(
      `select count(*) as n from spool where response = 'unknown_outcome'`,
    );
    return Number(rows[0]?.n);
  });

test('kill -9 of the server at random moments, 20 times during a campaign of 20,000', async () => {
  const size = 20_000;
  const [dir, url] = [folder(), await database()];
  let server = await start(dir, url);
  const id = await campaign(server, url, size, { per_second: 700 });
  const progress: number[] = [];
  for (let kill = 1; kill <= 20; kill++) {
    await pause(random(50, 1000));
    const figures = await server.admin().get<CampaignFigures>(`/campaigns/${id}`);
    expect(figures.status).toBe('running');
    progress.push(figures.contact_done);
    await server.kill();
    if (kill % 7 === 0) {
      // The ledger holds at any instant, also over a server that died a moment ago.
      const check = await ictcore(['ledger', 'check'], { DATABASE_URL: url, ICTCORE_DATA_DIR: dir });
      expect(check).toMatchObject({ code: 0, stdout: expect.stringContaining('The ledger adds up.') });
    }
    server = await start(dir, url);
  }
  expect(progress.at(-1)).toBeGreaterThan(progress[0] as number);
  await configureLoopback(server.admin(), { report_ms: 300, per_second: 10_000 });
  // Receipts that were still to come when the link broke never come: their time is up at once, as a day later.
  const admin = server.admin();
  const figures = await eventually(
    async () => {
      await withSql(url, (client) =>
        client.query(
          `update spool set deadline_at = now() where status = 'connected' and time_connect < now() - interval '3 s'`,
        ),
      );
      return admin.get<CampaignFigures>(`/campaigns/${id}`);
    },
    (row) => row.status !== 'running',
    90_000,
  );
  await expectWhole(url, figures, size, [dir]);
  // Each kill may cost what was in flight at that moment, and nothing more; the rest was delivered.
  const lost = await unknowns(url);
  process.stdout.write(
    `chaos: 20 kills, ${size} transmissions, ${handOvers(dir).length} hand-overs, ${lost} unknown outcomes\n`,
  );
  expect(figures.contact_completed).toBeGreaterThan(size * 0.9);
});

test('three processes on one database, one of them killed again and again', async () => {
  const size = 6000;
  const url = await database();
  const dirs = [folder()];
  const main = await start(dirs[0] as string, url);
  const worker = async () => {
    const dir = folder();
    dirs.push(dir);
    return start(dir, url, { ICTCORE_ROLE: 'worker' });
  };
  const workers = [await worker(), await worker()];
  const id = await campaign(main, url, size, { per_second: 150 });
  for (let kill = 0; kill < 4; kill++) {
    await pause(random(300, 1500));
    await workers.splice(random(0, 1), 1)[0]?.kill();
    workers.push(await worker());
  }
  await configureLoopback(main.admin(), { report_ms: 300, per_second: 10_000 });
  await eventually(
    () => withSql(url, async (client) => (await client.query(`select 1 from spool where status = 'started'`)).rowCount),
    (open) => open === 0,
    60_000,
  );
  const figures = await eventually(
    async () => {
      await withSql(url, (client) =>
        client.query(
          `update spool set deadline_at = now() where status = 'connected' and time_connect < now() - interval '3 s'`,
        ),
      );
      return main.admin().get<CampaignFigures>(`/campaigns/${id}`);
    },
    (row) => row.status !== 'running',
    60_000,
  );
  await expectWhole(url, figures, size, dirs);
  const nodes = new Set(handOvers(...dirs).map((line) => line.pid));
  expect(nodes.size).toBeGreaterThanOrEqual(3);
});

test('the embedded PostgreSQL is killed, its backends are killed, the pool is tiny', async () => {
  const size = 4000;
  const dir = folder();
  const server = await start(dir, undefined, { ICTCORE_DATABASE_POOL: '2', ICTCORE_ENGINE_LEASE: '30' });
  const postgres = path.join(dir, 'postgres');
  const port = readFileSync(path.join(postgres, 'port'), 'utf8').trim();
  const password = readFileSync(path.join(postgres, 'password'), 'utf8').trim();
  const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
  const id = await campaign(server, url, size, { per_second: 400 }, [MAGIC.busy, MAGIC.invalid, MAGIC.unknown]);
  for (let i = 0; i < 4; i++) {
    await pause(random(200, 900));
    await withSql(url, (client) =>
      client.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and application_name like 'ictcore%'`,
      ),
    ).catch(() => undefined);
  }
  for (let i = 0; i < 2; i++) {
    const postmaster = Number(readFileSync(path.join(postgres, 'cluster', 'postmaster.pid'), 'utf8').split('\n')[0]);
    process.kill(postmaster, i === 0 ? 'SIGKILL' : 'SIGINT');
    await eventually(
      () => withSql(url, async () => true).catch(() => false),
      (up) => up,
      30_000,
    );
    await pause(random(500, 1500));
  }
  const watched = ictcore(['campaign', 'watch', String(id)], { ICTCORE_DATA_DIR: dir });
  const figures = await untilOver(server.admin(), id, 60_000);
  await watchEnds(watched);
  expect(figures).toMatchObject({ status: 'completed', contact_total: size, contact_done: size });
  expect(await audit(url, handOvers(dir))).toEqual([]);
  // The command finds the embedded database by the data directory, while the server runs on it.
  const check = await ictcore(['ledger', 'check'], { ICTCORE_DATA_DIR: dir });
  expect(check).toMatchObject({ code: 0, stdout: expect.stringContaining('The ledger adds up.') });
  await withSql(url, (client) => client.query(`update transmission set try_done = 9 where transmission_id = 1`));
  const broken = await ictcore(['ledger', 'check'], { ICTCORE_DATA_DIR: dir });
  expect(broken).toMatchObject({ code: 1, stdout: expect.stringMatching(/broken in 1 places[\s\S]*try_done 9/) });
});

/** The watching command ends by itself with the campaign, and has shown where it stood. */
async function watchEnds(watched: ReturnType<typeof ictcore>): Promise<void> {
  const { code, stdout } = await watched;
  expect(stdout).toMatch(/completed {2}\[#{20}\] 100\.0 % {2}4000 of 4000/);
  expect(code).toBe(0);
}

test('a carrier that hangs: what it has is unknown after its time, the others arrive, single sends too', async () => {
  const size = 600;
  const [dir, url] = [folder(), await database()];
  const server = await start(dir, url, { ICTCORE_ENGINE_SUBMIT_TIMEOUT: '2' });
  const id = await campaign(server, url, size, { max_in_flight: 20 }, [MAGIC.hang]);
  const admin = server.admin();
  const [program] = await admin.get<{ program_id: number }[]>('/programs?type=sendsms');
  const begun = Date.now();
  const single = await admin.post('/transmissions', {
    program_id: program?.program_id,
    phone: '+15550000001',
    send: 1,
  });
  await eventually(
    () => admin.get<string>(`/transmissions/${single}/status`),
    (status) => status === 'completed',
  );
  expect(Date.now() - begun).toBeLessThan(1500);
  const figures = await untilOver(admin, id, 60_000);
  await expectWhole(url, figures, size, [dir]);
  expect(figures).toMatchObject({ contact_failed: 12, contact_completed: size - 12, failures: { unknown: 12 } });
});
