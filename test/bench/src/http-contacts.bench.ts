import { generateKeyPairSync } from 'node:crypto';
import path from 'node:path';
import autocannon from 'autocannon';
import { sign } from 'jsonwebtoken';
import type { Benchmark, CleanUp } from './support/benchmark';
import { scratchFolder, startDatabase } from './support/databases';
import { print, printGoal, printRow } from './support/figures';
import { ADMIN_PASSWORD, callAsAdmin, freePort, Running, SERVER_MAIN, serverEnvironment } from './support/processes';

const ROUNDS = 5;
const SECONDS = 4;
const WARM_UP_SECONDS = 3;
const CONNECTIONS = 20;
const GOAL = 0.5;

interface Peer {
  name: string;
  base: string;
  token: string;
  process: Running;
}

interface Measured {
  perSecond: number[];
  /** CPU microseconds of the node process per request: independent of what the load generator takes. */
  cpu: number[];
}

const CONTACT = { first_name: 'Ada', last_name: 'Lovelace', phone: '+442079460123', email: 'ada@example.org' };

/** `GET /contacts/{id}` and `POST /contacts` with a Bearer token. */
export const benchmark: Benchmark = {
  name: 'http-contacts',
  what: `requests/s of the server and of a bare express 5 handler (token check, one query), ${CONNECTIONS} connections`,
  async run(cleanUp) {
    const databaseUrl = await startDatabase(scratchFolder(cleanUp), cleanUp);
    const ours = await startServer(databaseUrl, cleanUp);
    const bare = await startBare(databaseUrl, cleanUp);
    const id = await callAsAdmin<number>(`${ours.base}/contacts`, CONTACT);
    await compare(`GET /contacts/${id}`, ours, bare, (peer) => load(peer, 'GET', `/contacts/${id}`));
    await compare('POST /contacts', ours, bare, (peer) => load(peer, 'POST', '/contacts', JSON.stringify(CONTACT)));
  },
};

async function compare(what: string, ours: Peer, bare: Peer, request: (peer: Peer) => Load): Promise<void> {
  print(what);
  const figures = new Map<Peer, Measured>([
    [bare, { perSecond: [], cpu: [] }],
    [ours, { perSecond: [], cpu: [] }],
  ]);
  for (const peer of figures.keys()) await request(peer)(WARM_UP_SECONDS);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [peer, measured] of figures) {
      const before = peer.process.cpu();
      const { requests, perSecond } = await request(peer)(SECONDS);
      measured.perSecond.push(perSecond);
      measured.cpu.push((peer.process.cpu() - before) / requests);
    }
  }
  const limit = figures.get(bare) as Measured;
  const reached = figures.get(ours) as Measured;
  const limitRate = printRow('bare express', limit.perSecond, 'high', 'requests/s');
  const rate = printRow('server', reached.perSecond, 'high', 'requests/s');
  const limitCpu = printRow('bare express, CPU per request', limit.cpu, 'low', 'µs');
  const cpu = printRow('server, CPU per request', reached.cpu, 'low', 'µs');
  const ratio = rate.median / limitRate.median;
  printGoal('ratio of medians', ratio, `>= ${GOAL}`, ratio >= GOAL);
  print(
    `ratio of bests ${(rate.best / limitRate.best).toFixed(2)}, by CPU per request ${(limitCpu.best / cpu.best).toFixed(2)}`,
  );
}

type Load = (seconds: number) => Promise<{ requests: number; perSecond: number }>;

function load(peer: Peer, method: 'GET' | 'POST', at: string, body?: string): Load {
  return async (seconds) => {
    const result = await autocannon({
      url: `${peer.base}${at}`,
      method,
      headers: {
        authorization: `Bearer ${peer.token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body }),
      connections: CONNECTIONS,
      duration: seconds,
    });
    if (result.non2xx + result.errors + result.timeouts > 0 || result['2xx'] === 0) {
      throw new Error(`${peer.name} ${method} ${at}: ${result.non2xx} refused, ${result.errors} errors`);
    }
    return { requests: result['2xx'], perSecond: result['2xx'] / result.duration };
  };
}

async function startServer(databaseUrl: string, cleanUp: CleanUp): Promise<Peer> {
  const port = await freePort();
  const env = serverEnvironment({
    DATABASE_URL: databaseUrl,
    ICTCORE_PORT: String(port),
    ICTCORE_DATA_DIR: scratchFolder(cleanUp),
  });
  // More options of node (--cpu-prof ...) by NODE_OPTIONS.
  const server = Running.start(process.execPath, [SERVER_MAIN, 'start'], { env });
  cleanUp.add(() => server.stop());
  const base = `http://127.0.0.1:${port}/api`;
  await server.answers(`${base}/health`, 60_000);
  const { token } = await callAsAdmin<{ token: string }>(`${base}/authenticate`, {
    username: 'admin',
    password: ADMIN_PASSWORD,
  });
  return { name: 'server', base, token, process: server };
}

async function startBare(databaseUrl: string, cleanUp: CleanUp): Promise<Peer> {
  const port = await freePort();
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const env = {
    ...process.env,
    NODE_ENV: 'production',
    BENCH_PORT: String(port),
    BENCH_DATABASE_URL: databaseUrl,
    BENCH_PUBLIC_KEY: publicKey.export({ type: 'spki', format: 'pem' }) as string,
  };
  const bare = Running.start(process.execPath, [path.join(__dirname, 'bare-express.js')], { env });
  cleanUp.add(() => bare.stop());
  const base = `http://127.0.0.1:${port}`;
  await bare.answers(`${base}/health`, 20_000);
  // As many claims as the server's own tokens have.
  const claims = { user_id: 1, username: 'admin', is_admin: '1', 'api-version': '1.0', jti: 'x'.repeat(27) };
  const token = sign(claims, privateKey, { algorithm: 'RS256', expiresIn: '1d', notBefore: 0, issuer: 'ictcore' });
  return { name: 'bare express', base, token, process: bare };
}
