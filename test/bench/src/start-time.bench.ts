import path from 'node:path';
import { startEmbeddedPostgres } from '@ictcore/postgres';
import type { Benchmark } from './support/benchmark';
import { scratchFolder } from './support/databases';
import { print, printGoal, printRow } from './support/figures';
import { freePort, ROOT, Running, SERVER_MAIN, serverEnvironment } from './support/processes';

const ROUNDS = 3;
const AGAIN_GOAL_S = 3;
const FIRST_GOAL_S = 10;
const TIMEOUT_MS = 60_000;

type Command = readonly [string, ...string[]];
const NODE: Command = [process.execPath, SERVER_MAIN, 'start'];
const NPM: Command = ['npm', 'start'];

/** From the command to a 200 of `GET /api/health`, on the embedded database. */
export const benchmark: Benchmark = {
  name: 'start-time',
  what: 'seconds from the command to a healthy answer, with the embedded PostgreSQL',
  async run(cleanUp) {
    const figures = { limitFirst: [], limit: [], nodeFirst: [], node: [], npmFirst: [], npm: [] } as Record<
      'limitFirst' | 'limit' | 'nodeFirst' | 'node' | 'npmFirst' | 'npm',
      number[]
    >;
    // Not counted: compilers and programs come into the disk cache.
    await startAndStop(NPM, scratchFolder(cleanUp));
    for (let round = 0; round < ROUNDS; round++) {
      const limitFolder = scratchFolder(cleanUp);
      figures.limitFirst.push(await startPostgresAlone(limitFolder));
      figures.limit.push(await startPostgresAlone(limitFolder));
      const nodeFolder = scratchFolder(cleanUp);
      figures.nodeFirst.push(await startAndStop(NODE, nodeFolder));
      figures.node.push(await startAndStop(NODE, nodeFolder));
      const npmFolder = scratchFolder(cleanUp);
      figures.npmFirst.push(await startAndStop(NPM, npmFolder));
      figures.npm.push(await startAndStop(NPM, npmFolder));
    }
    print('very first start: database made, schema, keys, first administrator');
    const limitFirst = printRow('PostgreSQL alone (initdb, start)', figures.limitFirst, 'low', 's');
    const nodeFirst = printRow('ictcore start', figures.nodeFirst, 'low', 's');
    const npmFirst = printRow('npm start, built tree', figures.npmFirst, 'low', 's');
    printGoal('median of npm start', npmFirst.median, `<= ${FIRST_GOAL_S} s`, npmFirst.median <= FIRST_GOAL_S);
    print(`ictcore start takes ${(nodeFirst.median / limitFirst.median).toFixed(1)} times as long as PostgreSQL alone`);
    print('existing database');
    const limit = printRow('PostgreSQL alone (start)', figures.limit, 'low', 's');
    const node = printRow('ictcore start', figures.node, 'low', 's');
    const npm = printRow('npm start, built tree', figures.npm, 'low', 's');
    printGoal('median of npm start', npm.median, `<= ${AGAIN_GOAL_S} s`, npm.median <= AGAIN_GOAL_S);
    print(`ictcore start takes ${(node.median / limit.median).toFixed(1)} times as long as PostgreSQL alone`);
  },
};

/** Seconds until the server is healthy; it is stopped again. */
async function startAndStop([command, ...args]: Command, dataDir: string): Promise<number> {
  const port = await freePort();
  const env = serverEnvironment({ ICTCORE_PORT: String(port), ICTCORE_DATA_DIR: dataDir });
  const begun = performance.now();
  const server = Running.start(command, args, { env, cwd: ROOT });
  try {
    await server.answers(`http://127.0.0.1:${port}/api/health`, TIMEOUT_MS);
    return (performance.now() - begun) / 1000;
  } finally {
    await server.stop();
  }
}

/** The limit: no server on this database can be there sooner. */
async function startPostgresAlone(dataDir: string): Promise<number> {
  const begun = performance.now();
  const postgres = await startEmbeddedPostgres({ dataDir: path.join(dataDir, 'postgres') });
  const seconds = (performance.now() - begun) / 1000;
  await postgres.stop();
  return seconds;
}
