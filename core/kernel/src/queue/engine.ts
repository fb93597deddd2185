import type { DriverEvent, Health, InboundMessage, Logger } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { Catalog } from '../boot/catalog';
import type { Config } from '../boot/config';
import { CONFIG, LOG } from '../boot/injection';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import type { TransmissionState } from '../transmissions/states';
import { Dispatcher } from './dispatcher';
import { Ender } from './ender';
import { DUE, PARK, QUEUE_CHANNEL, RELEASE } from './engine.sql';
import type { Node } from './node';
import { OrderBuilder } from './order-builder';
import { PolicyGate } from './policy-gate';
import { ProviderPool } from './provider-pool';
import { Reaper } from './reaper';
import { callIdOf, Recorder } from './recorder';
import { Reports } from './reports';

/** Due transmissions released per tick and statement. */
const DUE_BATCH = 500;

/** Lanes of the queue: lower goes first. */
export const LANE = { single: 0, campaign: 1 } as const;

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
    const ender = new Ender(this.recorder, catalog, config, () => void this.sweepReports());
    this.reports = new Reports(database, ender, log);
    this.reaper = new Reaper(database, node, ender, log);
    this.dispatcher = new Dispatcher({ database, config, log, node, pool, builder, gate, ender });
    this.wake();
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

  /** There may be work in the queue. */
  wake(): void {
    this.dispatcher?.wake();
  }

  /** A tick of the clock: due retries and schedules become attempts, dead and overdue ones end. */
  async tick(): Promise<void> {
    if (!this.dispatcher) return;
    const due = await this.database.query<{ transmission_id: number }>(DUE, [DUE_BATCH]);
    if (due.length > 0) {
      await this.release(
        this.database,
        due.map((row) => row.transmission_id),
        ['pending', 'pending_retry'],
        LANE.single,
      );
    }
    await this.dispatcher.sweep();
    await this.reaper?.run();
    await this.sweepReports();
    this.wake();
  }

  /** Ends deliveries on this node: nothing new is claimed, what is in flight may finish within the time. */
  async stop(timeoutMs: number): Promise<void> {
    await this.dispatcher?.stop(timeoutMs);
    await this.recorder?.idle();
    await this.pool.close();
    await this.recorder?.idle();
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
