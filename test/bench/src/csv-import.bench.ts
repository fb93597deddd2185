import { createReadStream, createWriteStream, statSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Client } from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import type { Benchmark, CleanUp } from './support/benchmark';
import { scratchFolder, startDatabase } from './support/databases';
import { print, printGoal, printRow } from './support/figures';
import { ADMIN_PASSWORD, callAsAdmin, freePort, Running, SERVER_MAIN, serverEnvironment } from './support/processes';

/** Fewer for a quick look: figures of a million are what counts. */
const ROWS = Number(process.env.BENCH_ROWS ?? 1_000_000);
const ROUNDS = 2;
const GOAL_RATIO = 1 / 3;
const GOAL_ROWS = 20_000;
const GOAL_GROWTH = 100;
const COLUMNS = 'phone, first_name, last_name, email, address, custom1, custom2, custom3, description';
/** A token: checking a password with each request takes more memory than an import does. */
let authorization = '';

interface Files {
  /** What a user uploads. */
  csv: string;
  /** The same rows as the table holds them, for COPY. */
  copy: string;
}

/** Import and export of contacts as CSV. */
export const benchmark: Benchmark = {
  name: 'csv-import',
  what: `CSV of ${ROWS.toLocaleString('en-US')} contacts over HTTP into a group, and a plain COPY of the rows into the same table`,
  async run(cleanUp) {
    const folder = scratchFolder(cleanUp);
    const files = await writeFiles(folder);
    const databaseUrl = await startDatabase(scratchFolder(cleanUp), cleanUp);
    const { base, server } = await startServer(databaseUrl, cleanUp);
    const client = new Client({ connectionString: databaseUrl });
    await client.connect();
    cleanUp.add(() => client.end());
    const group = await callAsAdmin<number>(`${base}/groups`, { name: 'bench' });
    await upload(base, group, Readable.from(['+15550000\n'.repeat(10_000)]));
    const figures = {
      copy: [] as number[],
      imported: [] as number[],
      copyOut: [] as number[],
      exported: [] as number[],
    };
    const growth: number[] = [];
    const slowest: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await empty(client);
      figures.copy.push(await rate(() => copyIn(client, files.copy)));
      await empty(client);
      const watch = new Watch(base, server);
      figures.imported.push(await rate(() => upload(base, group, createReadStream(files.csv))));
      const seen = await watch.end();
      growth.push(seen.growth);
      slowest.push(seen.slowest);
      figures.copyOut.push(await rate(() => copyOut(client, group)));
      figures.exported.push(await rate(() => download(base, group, statSync(files.csv).size)));
    }
    report(figures, growth, slowest);
  },
};

function report(
  figures: { copy: number[]; imported: number[]; copyOut: number[]; exported: number[] },
  growth: readonly number[],
  slowest: readonly number[],
): void {
  const copy = printRow('COPY into contact', figures.copy, 'high', 'rows/s');
  const imported = printRow('import into a group', figures.imported, 'high', 'rows/s');
  printGoal('ratio of bests', imported.best / copy.best, '>= 0.33', imported.best / copy.best >= GOAL_RATIO);
  printGoal('rows/s', imported.best, `>= ${GOAL_ROWS}`, imported.best >= GOAL_ROWS);
  const memory = printRow('growth of the server meanwhile', growth, 'low', 'MiB');
  const most = Math.max(...growth);
  printGoal('most growth', most, `< ${GOAL_GROWTH} MiB`, memory.best < GOAL_GROWTH && most < GOAL_GROWTH);
  printRow('slowest other request meanwhile', slowest, 'low', 'ms');
  const out = printRow('COPY of the group to stdout', figures.copyOut, 'high', 'rows/s');
  const exported = printRow('export of the group', figures.exported, 'high', 'rows/s');
  print(`ratio of bests ${(exported.best / out.best).toFixed(2)}`);
}

async function rate(work: () => Promise<void>): Promise<number> {
  const begun = performance.now();
  await work();
  return (ROWS / (performance.now() - begun)) * 1000;
}

async function writeFiles(folder: string): Promise<Files> {
  const files = { csv: path.join(folder, 'contacts.csv'), copy: path.join(folder, 'contacts.copy') };
  const write = (file: string, row: (i: number) => string) =>
    pipeline(
      Readable.from(
        (function* () {
          for (let i = 0; i < ROWS; i += 1000) yield Array.from({ length: 1000 }, (_, j) => row(i + j)).join('');
        })(),
      ),
      createWriteStream(file),
    );
  const values = (i: number) => [
    `+4420${String(i).padStart(8, '0')}`,
    `First${i % 1000}`,
    `Last${i}`,
    `user${i}@example.org`,
    `${i} Long Road, Town`,
    'gold',
    String(i % 7),
    '',
    'imported',
  ];
  await write(
    files.csv,
    (i) =>
      `${values(i)
        .map((value) => (value.includes(',') ? `"${value}"` : value))
        .join(',')}\r\n`,
  );
  await write(files.copy, (i) => {
    const all = values(i);
    return `${[...all.map((value) => value || '\\N'), all[0], '1'].join('\t')}\n`;
  });
  return files;
}

/** As after a fresh start: no rows, no dead rows, nothing left to be written. */
async function empty(client: Client): Promise<void> {
  await client.query('truncate contact, contact_link cascade');
  await client.query('checkpoint');
}

async function copyIn(client: Client, file: string): Promise<void> {
  const into = client.query(copyFrom(`copy contact (${COLUMNS}, phone_normalized, created_by) from stdin`));
  await pipeline(createReadStream(file), into);
}

async function copyOut(client: Client, group: number): Promise<void> {
  const select = `select ${COLUMNS} from contact join contact_link using (contact_id) where group_id = ${group}`;
  const out = client.query(copyTo(`copy (${select} order by contact_id) to stdout (format csv)`));
  await pipeline(out, new Writable({ write: (_chunk, _encoding, done) => done() }));
}

function send(base: string, at: string, method: string, body?: Readable): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { authorization, ...(body && { 'content-type': 'text/csv' }) };
    const request = http.request(`${base}${at}`, { method, headers }, resolve);
    request.on('error', reject);
    if (body) pipeline(body, request).catch(reject);
    else request.end();
  });
}

async function upload(base: string, group: number, body: Readable): Promise<void> {
  const response = await send(base, `/groups/${group}/csv`, 'POST', body);
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk as string;
  if (response.statusCode !== 200) throw new Error(`import: ${response.statusCode} ${text}`);
  const { imported, linked } = JSON.parse(text) as { imported: number; linked: number };
  if (imported !== ROWS && imported + linked !== 10_000) throw new Error(`import: ${text}`);
}

async function download(base: string, group: number, size: number): Promise<void> {
  const response = await send(base, `/groups/${group}/csv`, 'GET');
  let bytes = 0;
  for await (const chunk of response) bytes += (chunk as Buffer).length;
  if (bytes !== size) throw new Error(`export: ${bytes} bytes instead of ${size}`);
}

/** Looks at the server while it works: its memory, and how long another request takes. */
class Watch {
  private readonly before: number;
  private most = 0;
  private slowest = 0;
  private readonly timer: NodeJS.Timeout;
  private asking: Promise<void> = Promise.resolve();
  private busy = false;

  constructor(
    private readonly base: string,
    private readonly server: Running,
  ) {
    this.before = server.memory();
    this.timer = setInterval(() => this.look(), 100);
  }

  async end(): Promise<{ growth: number; slowest: number }> {
    clearInterval(this.timer);
    await this.asking;
    return { growth: this.most, slowest: this.slowest };
  }

  private look(): void {
    this.most = Math.max(this.most, this.server.memory() - this.before);
    if (this.busy) return;
    this.busy = true;
    const begun = performance.now();
    this.asking = send(this.base, '/contacts?limit=1', 'GET').then(async (response) => {
      for await (const _chunk of response);
      this.slowest = Math.max(this.slowest, performance.now() - begun);
      this.busy = false;
    });
  }
}

async function startServer(databaseUrl: string, cleanUp: CleanUp): Promise<{ base: string; server: Running }> {
  const port = await freePort();
  const env = serverEnvironment({
    DATABASE_URL: databaseUrl,
    ICTCORE_PORT: String(port),
    ICTCORE_DATA_DIR: scratchFolder(cleanUp),
  });
  const server = Running.start(process.execPath, [SERVER_MAIN, 'start'], { env });
  cleanUp.add(() => server.stop());
  const base = `http://127.0.0.1:${port}/api`;
  await server.answers(`${base}/health`, 60_000);
  const login = { username: 'admin', password: ADMIN_PASSWORD };
  authorization = `Bearer ${(await callAsAdmin<{ token: string }>(`${base}/authenticate`, login)).token}`;
  return { base, server };
}
