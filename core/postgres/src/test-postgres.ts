import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { findBinaries } from './binaries';
import { dataDirAt } from './data-dir';
import { type EmbeddedPostgres, startCluster } from './embedded-postgres';
import { EmbeddedPostgresError } from './errors';
import { type DataDirLock, tryLockFile } from './lock';
import { readPidFile, runningServer } from './running-server';
import { shutDown } from './server-process';
import { cleanTestCluster, connectTestPostgres, type TestDatabases } from './test-databases';

/** A cluster for one test run. */
export interface TestPostgres extends TestDatabases {
  /** Ends the server. Its cluster and templates stay in the cache for the next run. */
  stop(): Promise<void>;
}

/** Speed instead of durability: nothing here outlives the machine. */
const SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  autovacuum: 'off', // its workers would connect to templates and disturb plans of tests
  checkpoint_timeout: '1h',
  max_wal_size: '4GB',
  shared_buffers: '64MB',
  max_connections: '200',
};
const MOST_RUNS_AT_ONCE = 32;

/**
 * Starts a PostgreSQL for a test run. Clusters are cached per user and version in the temporary folder (initdb and
 * templates are made once, not per run); runs at the same time get one each. A run that is killed takes its server
 * along (Linux), and the next run cleans up after it.
 *
 * @param options.dir where the cache lies; default: below the operating system's temporary folder
 * @throws EmbeddedPostgresError
 * @example
 * // jest globalSetup
 * globalThis.testPostgres = await startTestPostgres();
 * process.env.TEST_POSTGRES_URL = globalThis.testPostgres.adminUrl;
 * // a worker: connectTestPostgres(process.env.TEST_POSTGRES_URL)
 */
export async function startTestPostgres(options: { dir?: string } = {}): Promise<TestPostgres> {
  const cache = options.dir ?? (await defaultCache());
  const { slot, lock } = await takeSlot(cache);
  try {
    const server = await startInSlot(slot);
    return {
      ...connectTestPostgres(server.url()),
      stop: async () => {
        await server.stop();
        await lock.release();
      },
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function defaultCache(): Promise<string> {
  const { version } = await findBinaries();
  return path.join(os.tmpdir(), `ictcore-test-postgres-${process.getuid?.() ?? 'user'}-${version}`);
}

/** The first cluster that no other run uses: usually the first one, whose templates are made already. */
async function takeSlot(cache: string): Promise<{ slot: string; lock: DataDirLock }> {
  fs.mkdirSync(cache, { recursive: true, mode: 0o700 });
  const stat = fs.lstatSync(cache);
  if (!stat.isDirectory() || (process.getuid && stat.uid !== process.getuid())) {
    // The temporary folder is everybody's: somebody else may have put something there under this name.
    throw new EmbeddedPostgresError('DATA_DIR_NOT_OWNED', `${cache} is not a folder of this user: remove it`);
  }
  for (let number = 0; number < MOST_RUNS_AT_ONCE; number++) {
    const slot = path.join(cache, `run-${number}`);
    const lock = await tryLockFile(`${slot}.lock`);
    if (lock) return { slot, lock };
  }
  throw new EmbeddedPostgresError('DATA_DIR_IN_USE', `${MOST_RUNS_AT_ONCE} test runs use ${cache}: end some of them`);
}

async function startInSlot(slot: string): Promise<EmbeddedPostgres> {
  if (!(await isIntact(slot))) fs.rmSync(slot, { recursive: true, force: true });
  try {
    return await startClean(slot);
  } catch (error) {
    if (!fs.existsSync(dataDirAt(slot).cluster)) throw error; // initdb itself failed: trying again changes nothing
    fs.rmSync(slot, { recursive: true, force: true });
    return startClean(slot);
  }
}

async function startClean(slot: string): Promise<EmbeddedPostgres> {
  const server = await startCluster({ dataDir: slot, settings: SETTINGS }, false);
  try {
    fs.writeFileSync(bootFile(slot), bootId());
    await cleanTestCluster(server.url());
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/**
 * Whether the cluster can be trusted: without fsync it can not after a crash of the server or of the machine. The slot
 * is ours, so a server that still runs in it belongs to a killed run: it is on its way out, or is sent there.
 */
async function isIntact(slot: string): Promise<boolean> {
  const { cluster } = dataDirAt(slot);
  const left = await runningServer(cluster);
  if (left) await shutDown(left.pid, cluster);
  if (readPidFile(cluster)) return false;
  return fs.existsSync(bootFile(slot)) && fs.readFileSync(bootFile(slot), 'utf8') === bootId();
}

function bootFile(slot: string): string {
  return `${slot}.boot`;
}

/** Changes when the machine starts anew; where the system has no such number, only crashes of the server are noticed. */
function bootId(): string {
  try {
    return fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return 'unknown';
  }
}
