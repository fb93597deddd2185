import 'reflect-metadata';
import { accepted, delivered, type FinalOutcome, failed, refused } from '@ictcore/contract';
import fc from 'fast-check';
import { Catalog } from '../boot/catalog';
import { configSchema } from '../boot/config';
import { createLogger } from '../boot/logger';
import { checkLedger } from '../ledger';
import { type TestKernelDatabase, testDatabase } from '../testing/test-database';
import { SPOOL_TRANSITIONS, TRANSMISSION_TRANSITIONS } from '../transmissions/states';
import type { Attempt } from './attempt';
import { COMPLETE, FOLD, HOLD_DEFERRED, RELEASE_CAMPAIGN, TAKE_BACK, UNHOLD } from './campaign.sql';
import { Ender } from './ender';
import { ATTEMPT_CONTEXT, CLAIM, DUE, FREE_LOST_CLAIMS, RELEASE, REQUEUE, START } from './engine.sql';
import type { Node } from './node';
import { Reaper } from './reaper';
import { Recorder } from './recorder';
import { Reports } from './reports';

/** What may happen, in any order. */
const OPS = [
  'send',
  'release',
  'claim',
  'start',
  'accept',
  'deliver',
  'fail',
  'refuse',
  'unknown',
  'defer',
  'throttle',
  'pause',
  'report good',
  'report bad',
  'crash',
  'bury',
  'reap',
  'overdue',
  'stop',
  'resume',
  'take back',
  'retry',
  'fold',
  'lose claims',
] as const;
type Op = (typeof OPS)[number];
interface Step {
  op: Op;
  /** Chooses among what the step could be about. */
  pick: number;
  /** A second step at the same moment. */
  also: Op | null;
}

const CAMPAIGN = 5;
const SINGLES = 3;
const LEASE = 30;

/** One run: a few transmissions, nodes that come and go, a carrier that says what it likes. */
class World {
  /** The nodes that act, by turns; some of them may have been buried. */
  private nodes: number[] = [];
  /** Attempts that have been started, by the node that may still bring news of them. */
  private readonly out = new Map<number, number>();
  /** Hand-overs that happened, in order. */
  readonly handed: number[] = [];
  private providerId = 0;
  private campaignId = 0;
  private readonly ender: Ender;
  private readonly reports: Reports;
  private readonly reaper: Reaper;

  constructor(private readonly test: TestKernelDatabase) {
    const log = createLogger('silent', { write: () => undefined });
    const config = configSchema.parse({ engine: { retry_delay: 0 } });
    const recorder = new Recorder(test.database, log);
    this.ender = new Ender(recorder, new Catalog(), config, { accepted: () => undefined, ended: () => undefined });
    this.reports = new Reports(test.database, this.ender, log);
    const node = { buryDead: async () => undefined } as unknown as Node;
    this.reaper = new Reaper(test.database, node, this.ender, log);
  }

  async begin(): Promise<void> {
    const { database } = this.test;
    await database.query(
      'truncate transmission, spool, spool_result, report_parked, campaign_tally, campaign, node, event cascade',
    );
    const [provider] = await database.query<{ provider_id: number }>(
      `insert into provider (name, type, service_flag) values ('p', 'p', 4)
       on conflict (name) do update set type = 'p' returning provider_id`,
    );
    const [campaign] = await database.query<{ campaign_id: number }>(
      `insert into campaign (service_flag, status, contact_total) values (4, 'running', $1) returning campaign_id`,
      [CAMPAIGN],
    );
    this.providerId = (provider as { provider_id: number }).provider_id;
    this.campaignId = (campaign as { campaign_id: number }).campaign_id;
    await database.query(
      `insert into transmission (service_flag, campaign_id, try_allowed) select 4, case when i <= $2 then $1::int8 end, 3
         from generate_series(1, $2::int + $3::int) i`,
      [this.campaignId, CAMPAIGN, SINGLES],
    );
    for (let i = 0; i < 2; i++) this.nodes.push(await this.boot());
  }

  /** The carrier answers and all that waits is sent, until all is final. `check` is called after the first steps. */
  async finish(check: (what: string) => Promise<void>): Promise<void> {
    this.nodes = [await this.boot()];
    await this.test.database.query('update node set stopped_at = now() where node_id <> $1', this.nodes);
    // Whatever chance has left out: a pause, receipts good and bad, a retry.
    const tour: Op[] = ['reap', 'resume', 'release', 'pause', 'resume', 'release', 'claim', 'start', 'fail', 'retry'];
    tour.push('release', 'claim', 'start', 'accept', 'report good', 'release', 'claim', 'start', 'accept', 'overdue');
    for (const op of tour) {
      // The newest of everything.
      await this.run(op, -1);
      await check(op);
    }
    const rest: Op[] = ['release', 'send', 'retry', 'claim', 'start', 'deliver', 'reap', 'overdue', 'lose claims'];
    for (let round = 0; round < 60; round++) {
      for (const op of rest) await this.run(op, round);
      const open = await this.test.database.query(
        `select 1 from transmission where status not in ('completed', 'failed', 'invalid') limit 1`,
      );
      if (open.length === 0) break;
    }
    await this.test.database.query(COMPLETE);
  }

  private async boot(): Promise<number> {
    const [row] = await this.test.database.query<{ node_id: number }>(
      `insert into node (instance, role, version) values ('x', 'all', '') returning node_id`,
    );
    return (row as { node_id: number }).node_id;
  }

  async run(op: Op, pick: number): Promise<void> {
    const { database } = this.test;
    const node = this.nodes.at(pick % this.nodes.length) as number;
    switch (op) {
      case 'send':
        await database.query(RELEASE, [
          await this.ids(`status in ('pending', 'failed') and campaign_id is null`, pick),
          ['pending', 'failed'],
          0,
        ]);
        break;
      case 'release':
        await database.query(RELEASE_CAMPAIGN, [this.campaignId, 2, 1]);
        break;
      case 'retry': {
        const due = await database.query<{ transmission_id: number }>(DUE, [2]);
        await database.query(RELEASE, [due.map((row) => row.transmission_id), ['pending_retry'], 0]);
        break;
      }
      case 'claim':
        await database.query(CLAIM, [node, 3, LEASE, pick % 3 === 0 ? 0 : 1]);
        break;
      case 'start':
        await this.start(node);
        break;
      case 'accept':
        await this.news(pick, (attempt) =>
          this.ender.accepted(attempt, accepted(`ref-${attempt.spool_id}`), {
            timeoutMs: 3_600_000,
            becomes: pick % 2 ? 'completed' : 'failed',
          }),
        );
        break;
      case 'deliver':
        await this.news(pick, (attempt) => this.ender.end(attempt, delivered(`ref-${attempt.spool_id}`)));
        break;
      case 'fail':
        await this.news(pick, (attempt) => this.ender.end(attempt, failed('busy', 'USER_BUSY')));
        break;
      case 'refuse':
        await this.news(pick, (attempt) => this.ender.end(attempt, refused('invalid_destination', '550')));
        break;
      case 'unknown':
        await this.news(pick, (attempt) => this.ender.endUnknown(attempt));
        break;
      case 'defer':
        await this.news(pick, (attempt) => database.query(REQUEUE, [[attempt.spool_id], [0], attempt.node_id, 1]));
        break;
      case 'throttle':
        for (let i = 0; i < this.out.size; i++) await this.run('defer', i);
        break;
      case 'pause':
        await this.run('stop', pick);
        await this.run('take back', pick);
        break;
      case 'report good':
      case 'report bad':
        await this.report(pick, op === 'report good' ? delivered('') : failed('rejected', 'UNDELIV'));
        break;
      case 'crash':
        await database.query('update node set stopped_at = now() where node_id = $1', [node]);
        for (const [spool, owner] of [...this.out]) if (owner === node) this.out.delete(spool);
        this.nodes = [...this.nodes.filter((id) => id !== node), await this.boot()];
        break;
      case 'bury':
        // Taken for dead while it lives on: it may still try to claim and start, and its news may still come.
        await database.query('update node set stopped_at = now() where node_id = $1', [node]);
        this.nodes = [...this.nodes.slice(-2), await this.boot()];
        break;
      case 'reap':
        await this.reaper.run();
        await this.reports.sweep();
        break;
      case 'overdue':
        await database.query(`update spool set deadline_at = now() - interval '1 s' where status = 'connected'`);
        await this.reaper.run();
        break;
      case 'stop':
        await database.query(`update campaign set status = 'paused' where status = 'running'`);
        break;
      case 'resume':
        await database.query(`update campaign set status = 'running' where status = 'paused'`);
        await database.query(UNHOLD, [this.campaignId, 1]);
        break;
      case 'take back':
        await database.query(TAKE_BACK, [10]);
        await database.query(HOLD_DEFERRED);
        break;
      case 'lose claims':
        await database.query(FREE_LOST_CLAIMS, [node, []]);
        break;
      case 'fold':
        await database.query(FOLD);
        await database.query(COMPLETE);
    }
  }

  private async start(node: number): Promise<void> {
    const { database } = this.test;
    const claimed = await database.query<{ spool_id: number }>(
      `select spool_id from spool where node_id = $1 and status = 'queued'`,
      [node],
    );
    const ids = claimed.map((row) => row.spool_id);
    const started = await database.query<{ spool_id: number }>(START, [
      ids,
      ids.map(() => this.providerId),
      node,
      LEASE,
    ]);
    for (const { spool_id } of started) {
      this.handed.push(spool_id);
      this.out.set(spool_id, node);
    }
  }

  /** News of an attempt that is out, also twice and late: a node may answer long after the carrier's report came. */
  private async news(pick: number, tell: (attempt: Attempt) => Promise<unknown>): Promise<void> {
    const ids = [...this.out.keys()];
    const id = ids.at(pick % Math.max(1, ids.length));
    if (id === undefined) return;
    const [attempt] = await this.test.database.query<Attempt>(ATTEMPT_CONTEXT, [[id]]);
    if (!attempt || attempt.spool_status === 'queued') return;
    await tell(attempt);
  }

  /** The carrier speaks of anything it was ever given, as often as it likes, also before it has answered. */
  private async report(pick: number, outcome: FinalOutcome): Promise<void> {
    const id = this.handed.at(pick % Math.max(1, this.handed.length));
    if (id === undefined) return;
    await this.reports.handle(this.providerId, {
      kind: 'report',
      ref: `ref-${id}`,
      outcome: { ...outcome, ref: `ref-${id}` },
    });
  }

  private async ids(where: string, pick: number): Promise<number[]> {
    const rows = await this.test.database.adHoc<{ transmission_id: number }>(
      `select transmission_id from transmission where ${where} order by 1`,
    );
    const row = rows[pick % Math.max(1, rows.length)];
    return row ? [row.transmission_id] : [];
  }

  async spools(): Promise<Map<number, { status: string; text: string }>> {
    const rows = await this.test.database.query<{ spool_id: number; status: string; text: string }>(
      `select spool_id, status, concat_ws('|', status, response, reason, call_id, time_end) as text from spool`,
    );
    return new Map(rows.map((row) => [row.spool_id, row]));
  }

  async transmissions(): Promise<Map<number, string>> {
    const rows = await this.test.database.query<{ transmission_id: number; status: string }>(
      'select transmission_id, status from transmission',
    );
    return new Map(rows.map((row) => [row.transmission_id, row.status]));
  }

  /** Attempts that a carrier saw more often than it put them off, and further attempts without proof of failure. */
  unproven(): Promise<object[]> {
    return this.test.database.query(
      `with handed as (select id, count(*) as n from unnest($1::int8[]) id group by 1)
       select s.spool_id, s.status, s.response, h.n from spool s left join handed h on h.id = s.spool_id
        where coalesce(h.n, 0) > 1 + s.deferrals
           or (s.status in ('started', 'connected', 'completed') and h.n is null)
           or (exists (select 1 from spool l where l.transmission_id = s.transmission_id and l.spool_id > s.spool_id)
               and (s.status <> 'failed' or (s.response = 'unknown_outcome' and not exists (
                      select 1 from transmission t where t.transmission_id = s.transmission_id and t.campaign_id is null))))
       union all
       select id, 'gone', '', n from handed where not exists (select 1 from spool s where s.spool_id = id)`,
      [this.handed],
    );
  }
}

let test: TestKernelDatabase;
beforeAll(async () => {
  test = await testDatabase();
});
afterAll(() => test.close());

const op = fc.constantFrom(...OPS);
/** What carries things forward comes more often than what upsets them. */
const forward = fc.constantFrom<Op>(
  'send',
  'release',
  'release',
  'claim',
  'start',
  'claim',
  'start',
  'retry',
  'throttle',
  'pause',
  'resume',
);
const step = fc.record<Step>({
  op: fc.oneof({ weight: 3, arbitrary: forward }, { weight: 2, arbitrary: op }),
  pick: fc.nat(11),
  also: fc.option(op, { freq: 4, nil: null }),
});

it('in any order of events, the ledger adds up after each, and nothing is handed over twice without proof', async () => {
  const seen = { spool: new Set<string>(), transmission: new Set<string>(), handed: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 25, maxLength: 60 }), async (steps) => {
      const world = new World(test);
      await world.begin();
      let spools = await world.spools();
      let transmissions = await world.transmissions();
      const check = async (what: string) => {
        const next = await world.spools();
        for (const [id, before] of spools) {
          const after = next.get(id);
          const final = SPOOL_TRANSITIONS[before.status as keyof typeof SPOOL_TRANSITIONS].length === 0;
          // A finished attempt never changes in any of its parts.
          if (final && after?.text !== before.text) throw new Error(`${what}: ${before.text} became ${after?.text}`);
          if (after) seen.spool.add(`${before.status} ${after.status}`);
          else if (before.status !== 'queued') throw new Error(`${what}: attempt ${id} (${before.status}) is gone`);
        }
        const now = await world.transmissions();
        for (const [id, before] of transmissions) {
          const after = now.get(id) as string;
          const end = TRANSMISSION_TRANSITIONS[before as keyof typeof TRANSMISSION_TRANSITIONS].length === 0;
          if (end && after !== before) throw new Error(`${what}: transmission ${id} was ${before} and is ${after}`);
          seen.transmission.add(`${before} ${after}`);
        }
        spools = next;
        transmissions = now;
        expect({ what, broken: (await checkLedger(test.database)).broken }).toEqual({ what, broken: [] });
        expect({ what, unproven: await world.unproven() }).toEqual({ what, unproven: [] });
      };
      for (const { op: first, pick, also } of steps) {
        await Promise.all([world.run(first, pick), ...(also === null ? [] : [world.run(also, pick + 1)])]);
        await check(`${first} ${also ?? ''}`);
      }
      await world.finish(check);
      await check('the end');
      const open = [...transmissions.values()].filter((status) => !['completed', 'failed', 'invalid'].includes(status));
      expect(open).toEqual([]);
      seen.handed += world.handed.length;
    }),
    { numRuns: Number(process.env.ICTCORE_TEST_RUNS ?? 20), endOnFailure: true },
  );
  // The events did reach the states they are meant to try.
  for (const move of [
    'queued started',
    'started queued',
    'started connected',
    'connected completed',
    'started failed',
  ]) {
    expect([...seen.spool]).toContain(move);
  }
  for (const move of ['processing pending_retry', 'pending_retry processing', 'processing pending']) {
    expect([...seen.transmission]).toContain(move);
  }
  expect(seen.handed).toBeGreaterThan(100);
}, 180_000);
