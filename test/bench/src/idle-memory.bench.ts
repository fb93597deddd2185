import path from 'node:path';
import type { Benchmark, CleanUp } from './support/benchmark';
import { scratchFolder, startDatabase } from './support/databases';
import { print, printGoal, printRow } from './support/figures';
import { freePort, Running, SERVER_MAIN, serverEnvironment } from './support/processes';

const ROUNDS = 2;
const IDLE_SECONDS = 20;
const GOAL_MIB = 150;

/** Resident memory of the node process that has been idle for a while. PostgreSQL's processes are not counted. */
export const benchmark: Benchmark = {
  name: 'idle-memory',
  what: `resident MiB of the node process after ${IDLE_SECONDS} s without work, role all`,
  async run(cleanUp) {
    const folder = scratchFolder(cleanUp);
    const bare = await bareExpress(await startDatabase(folder, cleanUp), cleanUp);
    const rounds: number[] = [];
    for (let round = 0; round < ROUNDS; round++) rounds.push(await idleServer(scratchFolder(cleanUp)));
    const limit = printRow('bare express with passport and pg', [bare.memory()], 'low', 'MiB');
    const ours = printRow('server', rounds, 'low', 'MiB');
    const worst = Math.max(...rounds);
    printGoal('worst round', worst, `< ${GOAL_MIB} MiB`, worst < GOAL_MIB);
    print(`${(ours.median / limit.median).toFixed(1)} times the bare express process`);
  },
};

/** The peer of http-contacts, idle: what node with express and a database client takes in any case. */
async function bareExpress(databaseUrl: string, cleanUp: CleanUp): Promise<Running> {
  const port = await freePort();
  const { generateKeyPairSync } = await import('node:crypto');
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const bare = Running.start(process.execPath, [path.join(__dirname, 'bare-express.js')], {
    env: {
      ...process.env,
      BENCH_PORT: String(port),
      BENCH_DATABASE_URL: databaseUrl,
      BENCH_PUBLIC_KEY: publicKey.export({ type: 'spki', format: 'pem' }) as string,
    },
  });
  cleanUp.add(() => bare.stop());
  await bare.answers(`http://127.0.0.1:${port}/health`, 20_000);
  return bare;
}

async function idleServer(dataDir: string): Promise<number> {
  const port = await freePort();
  const env = serverEnvironment({ ICTCORE_PORT: String(port), ICTCORE_DATA_DIR: dataDir });
  // As `npm start` does it: source maps cost memory too.
  const server = Running.start(process.execPath, ['--enable-source-maps', SERVER_MAIN, 'start'], { env });
  try {
    await server.answers(`http://127.0.0.1:${port}/api/health`, 60_000);
    await new Promise((resolve) => setTimeout(resolve, IDLE_SECONDS * 1000));
    return server.memory();
  } finally {
    await server.stop();
  }
}
