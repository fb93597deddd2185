import http from 'node:http';
import { Client } from 'pg';
import type { ApiClient } from './support/api-client';
import { type OddRequest, OddRequests, type Operation, operationsOf } from './support/odd-requests';
import { RunningServer } from './support/running-server';

/**
 * Odd requests to every operation of the server's own OpenAPI document: wrong types, huge numbers, NUL, lone
 * surrogates, deep and broken JSON, odd content types, doubled query keys. Whatever comes, the server answers in time,
 * with no 5xx, in its one error shape, without a stack trace; and what it refuses changes no row.
 *
 * `ICTCORE_FUZZ_SEED` repeats a run.
 */

const SEED = Number(process.env.ICTCORE_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 32));
/** Ends earlier on a slow machine: seconds. */
const BUDGET_S = 35;
const ROUNDS = 12;
/** Milliseconds within which each answer must come. */
const PATIENCE_MS = 10_000;
/** What gives away how the server is made. */
const INNARDS = /\n\s+at |node_modules|\.(ts|js):\d+|syntax error at or near|pg_|sequelize/i;
/** Tables that change by themselves, or because a login failed. */
const RESTLESS = ['node', 'clock_job', 'event_cursor', 'login_failure', 'schema_migration', 'fuzz_change'];

interface Answer {
  status: number;
  type: string;
  text: string;
}

let server: RunningServer;
let agent: http.Agent;
let authorization: string;
let operations: Operation[];
let requests: OddRequests;
/** One connection for looking at rows after each request. */
let watcher: Client;
/** Rows to aim at, by the name of the parameter. */
const rows: Record<string, number[]> = {};

beforeAll(async () => {
  // A node without deliveries: what changes is what the requests have changed.
  server = await RunningServer.start({ env: { ICTCORE_ROLE: 'api' } });
  agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const admin = server.admin();
  authorization = await makeFuzzer(admin);
  const document = await admin.get('/openapi.json');
  operations = operationsOf(document);
  await makeRows(admin);
  await watchRows();
  // The watch itself works.
  await admin.post('/contacts', { phone: '+15550104' });
  expect(await changes()).toEqual(['INSERT contact']);
  requests = new OddRequests(document, rows, SEED);
}, 120_000);

afterAll(async () => {
  agent?.destroy();
  await watcher?.end();
  await server?.dispose();
});

/** A user who may do everything, and whom no request can take anything from. */
async function makeFuzzer(admin: ApiClient): Promise<string> {
  const role = await admin.post('/roles', { name: 'fuzzers' });
  const permissions = await admin.get<{ name: string }[]>('/permissions');
  for (const { name } of permissions) await admin.put(`/roles/${role}/permissions/${name}`);
  await server.user('fuzzer', ['fuzzers', 'admin', 'user']);
  return `Basic ${Buffer.from('fuzzer:password of fuzzer').toString('base64')}`;
}

async function makeRows(admin: ApiClient): Promise<void> {
  const make = async (name: string, path: string, body: unknown) => {
    const ids = [await admin.post(path, body), await admin.post(path, alter(body))];
    rows[name] = ids;
  };
  const alter = (body: unknown) =>
    JSON.parse(JSON.stringify(body).replaceAll('fuzzed', 'fuzzed2').replaceAll('@', '2@')) as unknown;
  await make('contact_id', '/contacts', { first_name: 'fuzzed', phone: '+15550100', email: 'a@example.org' });
  await make('group_id', '/groups', { name: 'fuzzed' });
  await make('text_id', '/texts', { name: 'fuzzed', data: 'Hello [contact:first_name]' });
  await make('template_id', '/templates', { name: 'fuzzed', subject: 'S', body: '<p>B</p>' });
  await make('document_id', '/documents', { name: 'fuzzed' });
  await make('recording_id', '/recordings', { name: 'fuzzed' });
  await make('program_id', '/programs/sendsms', { name: 'fuzzed', text_id: rows.text_id?.[0] });
  const [program_id] = rows.program_id as [number];
  await make('transmission_id', '/transmissions', { program_id, phone: '+15550101', title: 'fuzzed' });
  await make('account_id', '/accounts', { type: 'did', username: 'fuzzed', phone: '+15550102' });
  await make('user_id', '/users', { username: 'fuzzed', email: 'f@example.org', password: 'long enough' });
  await make('role_id', '/roles', { name: 'fuzzed' });
  await make('provider_id', '/providers', { name: 'fuzzed', type: 'loopback', active: 0 });
  await make('campaign_id', '/campaigns', { name: 'fuzzed', program_id, group_id: rows.group_id?.[0] });
}

/** Every change of a row leaves a note, which goes when the change is rolled back. */
async function watchRows(): Promise<void> {
  watcher = new Client({ connectionString: server.databaseUrl });
  await watcher.connect();
  await server.sql(`
    create table fuzz_change (note text);
    create function fuzz_note() returns trigger language plpgsql as $$
      begin insert into fuzz_change values (tg_op || ' ' || tg_table_name); return null; end $$;
    do $$ declare t text; begin
      for t in select tablename from pg_tables where schemaname = 'public' and not tablename = any ('{${RESTLESS}}') loop
        execute format('create trigger fuzz_note after insert or update or delete on %I
                        for each row execute function fuzz_note()', t);
      end loop; end $$`);
}

function send(request: OddRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { method, path, headers, body } = request;
    const length = body === undefined ? {} : { 'Content-Length': String(body.length) };
    const call = http.request(
      `${server.url}/api${path}`,
      { method, agent, headers: { Authorization: authorization, ...headers, ...length }, timeout: PATIENCE_MS },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            type: String(response.headers['content-type'] ?? ''),
            text: Buffer.concat(parts).toString('utf8'),
          }),
        );
      },
    );
    call.on('timeout', () => call.destroy(new Error(`no answer within ${PATIENCE_MS} ms`)));
    call.on('error', reject);
    call.end(body);
  });
}

/** What is wrong with an answer; undefined if nothing is. */
function wrongWith({ status, type, text }: Answer): string | undefined {
  if (status >= 500) return 'a 5xx';
  if (status < 400) return undefined;
  if (!type.startsWith('application/json')) return `refused as ${type}`;
  const { error } = JSON.parse(text) as { error?: { code?: number; message?: string } };
  if (error?.code !== status || !error.message) return 'not the one error shape';
  return INNARDS.test(text) ? 'innards shown' : undefined;
}

async function changes(): Promise<string[]> {
  const notes = await watcher.query<{ note: string }>('delete from fuzz_change returning note');
  // Uploads are converted after their request has been answered.
  return notes.rows.map(({ note }) => note).filter((note) => !/^UPDATE (document|recording)$/.test(note));
}

/** What the log says about an answer, for whoever mends it. */
function causeOf({ text }: Answer): string {
  const id = /"request_id":"([^"]+)"/.exec(text)?.[1];
  const line = server.log.split('\n').find((entry) => id !== undefined && entry.includes(id));
  return line?.slice(0, 900) ?? text;
}

/** New rows become targets too. */
function learn(operation: Operation, { status, text }: Answer): void {
  const noun = /^\/(?:messages\/)?(\w+?)s$/.exec(operation.path)?.[1];
  if (operation.method !== 'POST' || status !== 200 || !noun || !/^\d+$/.test(text)) return;
  const known = rows[`${noun}_id`];
  if (known && known.length < 20) known.push(Number(text));
}

it(`no 5xx, no hang, no innards shown, nothing changed by what is refused (seed ${SEED})`, async () => {
  const end = Date.now() + BUDGET_S * 1000;
  const wrong = new Map<string, string>();
  const statuses = new Map<number, number>();
  let sent = 0;
  for (let round = 0; round < ROUNDS && Date.now() < end; round++) {
    for (const operation of operations) {
      const request = requests.make(operation);
      const answer = await send(request).catch((error: Error) => ({ status: 999, type: '', text: error.message }));
      sent++;
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      learn(operation, answer);
      let problem = wrongWith(answer);
      const changed = answer.status < 400 || problem ? [] : await changes();
      if (changed.length > 0) problem = `refused, yet ${changed.join(', ')}`;
      if (answer.status < 400) await changes();
      if (problem) {
        const sentText = `${JSON.stringify(request.headers)} ${request.body?.toString('utf8').slice(0, 400) ?? ''}`;
        const what = `${request.method} ${request.path.slice(0, 300)} ${sentText}`;
        wrong.set(`${operation.method} ${operation.path}: ${problem}`, `${what} → ${answer.status} ${causeOf(answer)}`);
      }
    }
  }
  process.stdout.write(
    `fuzz: seed ${SEED}, ${operations.length} operations, ${sent} requests, answers by status ` +
      `${JSON.stringify(Object.fromEntries([...statuses].sort(([a], [b]) => a - b)))}\n`,
  );
  expect(Object.fromEntries(wrong)).toEqual({});
  expect(sent).toBeGreaterThan(operations.length);
  // Most requests must get through to where something could go wrong.
  expect(statuses.get(200)).toBeGreaterThan(sent / 10);
  expect(statuses.get(401) ?? 0).toBeLessThan(sent / 50);
  expect(statuses.get(403) ?? 0).toBeLessThan(sent / 20);
}, 90_000);
