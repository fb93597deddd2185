import { Client } from 'pg';
import type { Benchmark, CleanUp } from './support/benchmark';
import { scratchFolder, startDatabase } from './support/databases';
import { print, printRow } from './support/figures';
import { callAsAdmin, freePort, Running, SERVER_MAIN, serverEnvironment } from './support/processes';

const ROUNDS = 3;
const COUNT = 5000;
/** As `engine.batch`. */
const BATCH = 100;
const TIMEOUT_MS = 120_000;

/** Makes transmissions that wait; a separate step, so that only the delivery is timed. */
const CREATE = `
insert into transmission (title, service_flag, account_id, contact_id, program_id, origin, created_by)
select 'bench', 4, (select min(account_id) from account), $1, $2, 'sendsms', 1 from generate_series(1, $3)`;

/** What the engine's release does, for all of them at once, on the lane of single sends; and the call to work. */
const RELEASE = `
with moved as (
  update transmission set status = 'processing', try_done = 1, last_run = now(), contact_phone = '+442079460123'
   where title = 'bench' and status = 'pending' returning transmission_id, account_id, service_flag
)
insert into spool (transmission_id, account_id, service_flag, attempt, lane)
select transmission_id, account_id, service_flag, 1, 0 from moved`;

/** The limit: the two updates of an attempt that no queue on this table can do without, in the engine's batches. */
const LIMIT_CLAIM = `
with next as (
  select spool_id from bench_spool where status = 'queued' and node_id is null and available_at <= now()
   order by lane, available_at, spool_id limit ${BATCH} for update skip locked
)
update bench_spool s set node_id = 1, status = 'started' from next where s.spool_id = next.spool_id returning s.spool_id`;
const LIMIT_END = `
update bench_spool set status = 'completed', time_end = clock_timestamp() where spool_id = any($1::int8[])`;

/** Text messages through the whole engine: claim, build, hand over to the loopback carrier, record, judge. */
export const benchmark: Benchmark = {
  name: 'loopback-sms',
  what: `transmissions/s of ${COUNT} single SMS through the engine, and of PostgreSQL doing only claim and update`,
  async run(cleanUp) {
    const databaseUrl = await startDatabase(scratchFolder(cleanUp), cleanUp);
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
    const sql = await connect(databaseUrl, cleanUp);
    const contact = await callAsAdmin<number>(`${base}/contacts`, { first_name: 'Ada', phone: '+442079460123' });
    const program = await callAsAdmin<number>(`${base}/programs/sendsms`, { message: 'Hello [contact:first_name]' });
    await sql.query('create table bench_spool (like spool including all)');
    const engine: number[] = [];
    const limit: number[] = [];
    await engineRound(sql, contact, program, 500);
    for (let round = 0; round < ROUNDS; round++) {
      limit.push(await limitRound(sql));
      engine.push(await engineRound(sql, contact, program, COUNT));
    }
    const most = printRow('PostgreSQL: claim and update', limit, 'high', '/s');
    const reached = printRow('engine', engine, 'high', '/s');
    print(`ratio of medians ${(reached.median / most.median).toFixed(2)} (informative)`);
  },
};

async function connect(url: string, cleanUp: CleanUp): Promise<Client> {
  const sql = new Client({ connectionString: url });
  await sql.connect();
  cleanUp.add(() => sql.end());
  return sql;
}

/** Transmissions per second from the release to the last one completed. */
async function engineRound(sql: Client, contact: number, program: number, count: number): Promise<number> {
  await sql.query(CREATE, [contact, program, count]);
  const begun = performance.now();
  await sql.query(RELEASE);
  await sql.query(`notify ictcore_queue`);
  while ((await countOf(sql, 'processing')) > 0) {
    if (performance.now() - begun > TIMEOUT_MS) throw new Error('the engine did not finish');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const seconds = (performance.now() - begun) / 1000;
  const completed = await countOf(sql, 'completed');
  if (completed !== count) throw new Error(`${completed} of ${count} were completed`);
  await sql.query(`delete from transmission where title = 'bench'`);
  await sql.query('vacuum analyze transmission, spool, event');
  return count / seconds;
}

async function countOf(sql: Client, status: string): Promise<number> {
  const { rows } = await sql.query(
    `select count(*)::int4 as n from transmission where title = 'bench' and status = $1`,
    [status],
  );
  return (rows[0] as { n: number }).n;
}

async function limitRound(sql: Client): Promise<number> {
  await sql.query('truncate bench_spool');
  await sql.query(
    'insert into bench_spool (transmission_id, service_flag) select n, 4 from generate_series(1, $1::int4) n',
    [COUNT],
  );
  const begun = performance.now();
  let done = 0;
  for (;;) {
    const { rows } = await sql.query({ name: 'claim', text: LIMIT_CLAIM });
    if (rows.length === 0) break;
    const ids = rows.map((row: { spool_id: string }) => row.spool_id);
    await sql.query({ name: 'end', text: LIMIT_END, values: [ids] });
    done += rows.length;
  }
  if (done !== COUNT) throw new Error(`${done} of ${COUNT} were claimed`);
  return COUNT / ((performance.now() - begun) / 1000);
}
