import { Client } from 'pg';
import type { Benchmark, CleanUp } from './support/benchmark';
import { scratchFolder, startDatabase } from './support/databases';
import { print, printGoal, show } from './support/figures';
import { callAsAdmin, freePort, Running, SERVER_MAIN, serverEnvironment } from './support/processes';

/** Campaign sizes, in order; `BENCH_CAMPAIGN_SIZES` names others (comma list). */
const SIZES = (process.env.BENCH_CAMPAIGN_SIZES ?? '10000,100000').split(',').map(Number);
/** Rows per statement of the plain SQL: as the engine's recorder. */
const BATCH = 500;
const GOAL_PER_SECOND = 5000;
const GOAL_OF_LIMIT = 0.3;

const CONTACTS = `
with g as (insert into contact_group (name, created_by) values ('bench', 1) returning group_id),
 c as (insert into contact (first_name, phone, phone_normalized, created_by)
       select 'Ada', '+44207' || (1000000 + i) || '0', '+44207' || (1000000 + i) || '0', 1 from generate_series(1, $1::int) i
       returning contact_id),
 l as (insert into contact_link (group_id, contact_id) select group_id, contact_id from g, c)
select group_id::int4 from g`;

/** The limit's tables: the same columns and indexes, nobody else's work. */
const LIMIT_TABLES = `
create table bench_transmission (like transmission including all);
create table bench_spool (like spool including all);
create table bench_result (like spool_result including all);
create table bench_event (like event including all)`;
const LIMIT_FILL = `
insert into bench_transmission (title, service_flag, account_id, contact_id, program_id, campaign_id, created_by)
select 'bench', 4, 1, i, 1, 1, 1 from generate_series(1, $1::int) i`;
/** What the engine writes for a transmission, and nothing it decides: release, claim, start, end. */
const LIMIT_STEPS = [
  `with moved as (
     update bench_transmission set status = 'processing', try_done = 1, last_run = now(), contact_phone = '+442071000000'
      where transmission_id > $1 and transmission_id <= $2 returning transmission_id),
   told as (insert into bench_event (type, user_id, data)
            select 'transmission.processing', 1, jsonb_build_object('transmission_id', transmission_id) from moved)
   insert into bench_spool (transmission_id, account_id, service_flag, lane) select transmission_id, 1, 4, 1 from moved`,
  `update bench_spool set node_id = 1 where transmission_id > $1 and transmission_id <= $2`,
  `update bench_spool set status = 'started', provider_id = 1, time_start = clock_timestamp()
    where transmission_id > $1 and transmission_id <= $2`,
  `with s as (
     update bench_spool set status = 'completed', response = 'loopback: delivered', call_id = 'loopback-' || spool_id,
            amount = 1, time_connect = clock_timestamp(), time_end = clock_timestamp()
      where transmission_id > $1 and transmission_id <= $2 returning spool_id, transmission_id),
   f as (insert into bench_result (spool_id, type, name, data) select spool_id, 'application', 'sms_send', 'success' from s),
   t as (update bench_transmission t set status = 'completed', last_run = now(), last_updated = now()
           from s where t.transmission_id = s.transmission_id returning t.transmission_id)
   insert into bench_event (type, user_id, data)
   select 'transmission.completed', 1, jsonb_build_object('transmission_id', transmission_id, 'try_done', 1) from t`,
];

/** A campaign through the whole engine: preparation, pacing, claim, order, loopback carrier, record, judge. */
export const benchmark: Benchmark = {
  name: 'campaign',
  what: `SMS/s of campaigns of ${SIZES.map(show).join(' and ')}, everything recorded, and of PostgreSQL doing the same row writes in batches`,
  async run(cleanUp) {
    const databaseUrl = await startDatabase(scratchFolder(cleanUp), cleanUp);
    const port = await freePort();
    const env = serverEnvironment({
      DATABASE_URL: databaseUrl,
      ICTCORE_PORT: String(port),
      ICTCORE_DATA_DIR: scratchFolder(cleanUp),
      ICTCORE_CAMPAIGN_DEFAULT_CPM: '0',
    });
    const server = Running.start(process.execPath, [SERVER_MAIN, 'start'], { env });
    cleanUp.add(() => server.stop());
    const base = `http://127.0.0.1:${port}/api`;
    await server.answers(`${base}/health`, 60_000);
    const sql = await connect(databaseUrl, cleanUp);
    const program = await callAsAdmin<number>(`${base}/programs/sendsms`, { message: 'Hello [contact:first_name]' });
    await campaignRound(sql, base, program, 2000);
    await sql.query(LIMIT_TABLES);
    for (const size of SIZES) {
      const limit = await limitRound(sql, size);
      const { perSecond, prepared } = await campaignRound(sql, base, program, size);
      print(`${show(size)}: prepared in ${prepared.toFixed(1)} s; limit ${show(limit)}/s`);
      printGoal('campaign, SMS/s', perSecond, String(GOAL_PER_SECOND), perSecond >= GOAL_PER_SECOND);
      printGoal('ratio to the limit', perSecond / limit, String(GOAL_OF_LIMIT), perSecond / limit >= GOAL_OF_LIMIT);
    }
  },
};

async function connect(url: string, cleanUp: CleanUp): Promise<Client> {
  const sql = new Client({ connectionString: url });
  await sql.connect();
  cleanUp.add(() => sql.end());
  return sql;
}

/** Prepared first, so that only the sending is timed: from the start to the campaign's own `completed`. */
async function campaignRound(sql: Client, base: string, program: number, size: number) {
  const { rows } = await sql.query(CONTACTS, [size]);
  const group_id = (rows[0] as { group_id: number }).group_id;
  await sql.query('vacuum analyze');
  const id = await callAsAdmin<number>(`${base}/campaigns`, { program_id: program, group_id });
  const begun = performance.now();
  await callAsAdmin(`${base}/campaigns/${id}/refresh`, {});
  await until(sql, id, 'ready');
  const prepared = (performance.now() - begun) / 1000;
  const started = performance.now();
  await callAsAdmin(`${base}/campaigns/${id}/start`, {});
  await until(sql, id, 'completed');
  const perSecond = size / ((performance.now() - started) / 1000);
  const check = await sql.query(
    `select count(*)::int4 as n from transmission where campaign_id = $1 and status = 'completed'`,
    [id],
  );
  if ((check.rows[0] as { n: number }).n !== size) throw new Error('not every transmission was completed');
  return { perSecond, prepared };
}

async function until(sql: Client, id: number, status: string): Promise<void> {
  for (let waited = 0; waited < 5 * 60_000; waited += 50) {
    const { rows } = await sql.query('select status from campaign where campaign_id = $1', [id]);
    if ((rows[0] as { status: string }).status === status) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the campaign did not become ${status}`);
}

async function limitRound(sql: Client, size: number): Promise<number> {
  await sql.query('truncate bench_transmission, bench_spool, bench_result, bench_event restart identity');
  await sql.query(LIMIT_FILL, [size]);
  await sql.query('vacuum analyze');
  const begun = performance.now();
  for (let from = 0; from < size; from += BATCH) {
    for (const [index, text] of LIMIT_STEPS.entries()) {
      await sql.query({ name: `limit-${index}`, text, values: [from, from + BATCH] });
    }
  }
  return size / ((performance.now() - begun) / 1000);
}
