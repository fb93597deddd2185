import type { DriverEvent, Health, InboundMessage, Logger, Refused } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { Catalog } from '../boot/catalog';
import type { Config } from '../boot/config';
import { CONFIG, LOG } from '../boot/injection';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import type { TransmissionState } from '../transmissions/states';
import type { Attempt } from './attempt';
import { STRAY_RETRIES } from './campaign.sql';
import { Dispatcher } from './dispatcher';
import { Ender } from './ender';
import { ATTEMPT_CONTEXT, DUE, PARK, QUEUE_CHANNEL, RELEASE } from './engine.sql';
import { LANE } from './lanes';
import type { Node } from './node';
import { OrderBuilder } from './order-builder';
import { Pacer } from './pacer';
import { PolicyGate } from './policy-gate';
import { Preparer } from './preparer';
import { ProviderPool } from './provider-pool';
import { Reaper } from './reaper';
import { callIdOf, finalEntry, Recorder, writeEntries } from './recorder';
import { Reports } from './reports';

/** Due transmissions released per tick and statement. */
const DUE_BATCH = 500;

export { LANE };

/** Ticks between looks for what hardly ever is there. */
const RARELY = 10;

/** The delivery engine: release, dispatch, record, judge, reap (DESIGN section 4). */
@scoped(Lifecycle.ContainerScoped)
export class Engine {
  private dispatcher: Dispatcher | undefined;
  private reaper: Reaper | undefined;
  private recorder: Recorder | undefined;
  private reports: Reports | undefined;
  /** Where messages that come in go; set by the inbound module. Resolves when the message is stored. */
  onInbound: (providerId: number, message: InboundMessage) => Promise<void> = async () => {
    throw new Error('this server has no inbound side');
  };
  private pacer: Pacer | undefined;
  private preparer: Preparer | undefined;
  private ticks = 0;
  private readonly tasks: (() => Promise<void>)[] = [];

  constructor(
    @inject(Database) private readonly database: Database,
    @inject(CONFIG) private readonly config: Config,
    @inject(LOG) private readonly log: Logger,
    @inject(Catalog) private readonly catalog: Catalog,
    @inject(ProviderPool) readonly pool: ProviderPool,
    @inject(OrderBuilder) private readonly builder: OrderBuilder,
    @inject(PolicyGate) private readonly gate: PolicyGate,
  ) {
    // On every node: one that only answers HTTP hears of events by webhooks.
    pool.onEvent = (providerId, event) => this.onDriverEvent(providerId, event);
  }

  /** Begins to deliver on this node. */
  start(node: Node): void {
    const { database, config, log, pool, builder, catalog, gate } = this;
    this.recorder = new Recorder(database, log);
    this.pacer = new Pacer({ database, config, log, onReleased: () => this.wake() });
    this.preparer = new Preparer(database, log, () => this.pacer?.nudge());
    const ender = new Ender(this.recorder, catalog, config, {
      accepted: () => void this.sweepReports(),
      ended: (campaignId, outcome) => this.pacer?.noteEnd(campaignId, outcome),
    });
    this.reports = new Reports(database, ender, log);
    this.reaper = new Reaper(database, node, ender, log);
    this.dispatcher = new Dispatcher({ database, config, log, node, pool, builder, gate, ender });
    this.wake();
    this.wakeCampaigns();
  }

  /** Adds work of each tick, done before retries are released (schedules). Nodes that only answer HTTP have no ticks. */
  onTick(task: () => Promise<void>): void {
    this.tasks.push(task);
  }

  get running(): boolean {
    return this.dispatcher !== undefined;
  }

  /**
   * Makes an attempt for each transmission that is in one of these states, and moves it to processing. Belongs into
   * the caller's transaction; call {@link wake} after the commit. Returns spool ids by transmission id.
   */
  async release(
    sql: Sql,
    transmissionIds: readonly number[],
    states: readonly TransmissionState[],
    lane: number,
  ): Promise<Map<number, number>> {
    const rows = await sql.query<{ spool_id: number; transmission_id: number }>(RELEASE, [
      transmissionIds,
      states,
      lane,
    ]);
    // Nodes that only answer HTTP have no dispatcher of their own to wake.
    if (!this.dispatcher && rows.length > 0) await sql.query(`select pg_notify('${QUEUE_CHANNEL}', '')`);
    return new Map(rows.map((row) => [row.transmission_id, row.spool_id]));
  }

  /**
   * What the policy gate has against an attempt that was released just now, in the transaction that did. The attempt is
   * ended then, for good, without a hand-over.
   */
  async refuseByPolicy(sql: Sql, spoolId: number): Promise<Refused | undefined> {
    const attempts = await sql.query<Attempt>(ATTEMPT_CONTEXT, [[spoolId]]);
    const refusal = (await this.gate.check(attempts, sql)).refused[0]?.refusal;
    if (!refusal) return undefined;
    const { reason, detail } = refusal;
    const judgement = {
      spoolStatus: 'failed',
      reason,
      response: detail,
      transmissionStatus: 'failed',
      transmissionResponse: detail,
      retryIn: null,
    } as const;
    await writeEntries(sql, [finalEntry(spoolId, refusal, judgement)]);
    return refusal;
  }

  /** There may be work in the queue. */
  wake(): void {
    this.dispatcher?.wake();
  }

  /** A campaign has started, stopped or changed. On a node that only answers HTTP the workers' next tick sees it. */
  wakeCampaigns(): void {
    this.preparer?.wake();
    this.pacer?.nudge();
  }

  /** A tick of the clock: due retries and schedules become attempts, dead and overdue ones end. */
  async tick(): Promise<void> {
    if (!this.dispatcher) return;
    for (const task of this.tasks) {
      await task().catch((error: unknown) =>
        this.log.warn({ error }, 'a task of the tick failed; the next one tries again'),
      );
    }
    await this.releaseRetries();
    await this.dispatcher.sweep();
    void this.pool.openAll().catch((error: unknown) => this.log.warn({ error }, 'providers wait'));
    await this.reaper?.run();
    await this.sweepReports();
    await this.pacer?.tick();
    this.preparer?.wake();
    this.wake();
  }

  private async releaseRetries(): Promise<void> {
    const rarely = this.ticks++ % RARELY === 0;
    const due = await this.database.query<{ transmission_id: number }>(DUE, [DUE_BATCH]);
    const stray = rarely ? await this.database.query<{ transmission_id: number }>(STRAY_RETRIES, [DUE_BATCH]) : [];
    const ids = [...due, ...stray].map((row) => row.transmission_id);
    if (ids.length > 0) await this.release(this.database, ids, ['pending_retry'], LANE.single);
  }

  /** Ends deliveries on this node: nothing new is claimed, what is in flight may finish within the time. */
  async stop(timeoutMs: number): Promise<void> {
    await Promise.all([this.pacer?.stop(), this.preparer?.stop()]);
    await this.dispatcher?.stop(timeoutMs);
    await this.recorder?.idle(timeoutMs);
    await this.pool.close();
    await this.recorder?.idle(timeoutMs);
    this.dispatcher = undefined;
  }

  private async sweepReports(): Promise<void> {
    await this.reports?.sweep().catch((error: unknown) => this.log.warn({ error }, 'parked reports wait'));
  }

  private async onDriverEvent(providerId: number, event: DriverEvent): Promise<void> {
    if (event.kind === 'health') await this.saveHealth(providerId, event);
    else if (event.kind === 'inbound') await this.onInbound(providerId, event);
    else if (this.reports) await this.reports.handle(providerId, event);
    // A node without a dispatcher leaves the report to those that have one; their next tick takes it.
    else await this.database.query(PARK, [providerId, [callIdOf(event.ref)], [JSON.stringify(event)]]);
  }

  /** Stores what a check or a driver said about a provider. */
  async saveHealth(providerId: number, health: Health): Promise<void> {
    await this.database.query(
      `update provider set state = $2, state_detail = $3, checked_at = now() where provider_id = $1`,
      [providerId, health.state, health.detail.replaceAll('\0', '').slice(0, 1000)],
    );
  }
}
