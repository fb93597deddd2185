import {
  type FinalOutcome,
  failed,
  type Logger,
  type Order,
  type Outcome,
  type ReceiptPolicy,
} from '@ictcore/contract';
import type { Config } from '../boot/config';
import type { Database } from '../database/database';
import { type Attempt, channelOf } from './attempt';
import type { Ender } from './ender';
import { ATTEMPT_CONTEXT, CLAIM, FREE_LOST_CLAIMS, LOST_STARTED, REQUEUE, START } from './engine.sql';
import { LANE } from './lanes';
import type { Node } from './node';
import type { OrderBuilder } from './order-builder';
import type { PolicyGate } from './policy-gate';
import type { ProviderPool, Trunk } from './provider-pool';

export interface DispatcherParts {
  database: Database;
  config: Config;
  log: Logger;
  node: Node;
  pool: ProviderPool;
  builder: OrderBuilder;
  gate: PolicyGate;
  ender: Ender;
}

interface Ready {
  attempt: Attempt;
  order: Order;
  trunk: Trunk;
  /** Providers that have refused this attempt before, provably without taking it. */
  tried: Set<number>;
}

/** How long an attempt waits when its provider's window is full, in milliseconds. */
const FULL_PAUSE_MS = 50;
/** What a driver has after the time is up to say that the message was not taken, in milliseconds. */
const ABORT_GRACE_MS = 1000;
/** How long what a stopped campaign had in hand stays out of sight, in milliseconds. */
const STOPPED_PAUSE_MS = 1000;
/** Batches in flight at most. */
const MAX_BATCHES = 4;
/** Providers tried within one attempt at most. */
const MAX_FAILOVERS = 3;
/** An attempt that carriers keep putting off is given up after this time, in seconds. */
const MAX_DEFERRED_S = 86_400;

/** What a channel does while it waits for the final report, unless the driver says otherwise (API section 3.5). */
const RECEIPTS: Readonly<Record<string, ReceiptPolicy>> = {
  sms: { timeoutMs: 24 * 3600_000, becomes: 'completed' },
  email: { timeoutMs: 15 * 60_000, becomes: 'completed' },
  fax: { timeoutMs: 3600_000, becomes: 'failed' },
  voice: { timeoutMs: 2 * 3600_000, becomes: 'failed' },
};

/**
 * Claims queued attempts, builds their orders, picks providers, marks what is about to leave as started (committed
 * first) and hands it over. What is claimed but not started may run again after a crash; what is started never does.
 */
export class Dispatcher {
  private wanted = false;
  private running: Promise<void> | undefined;
  private stopping = false;
  private readonly inFlight = new Set<Promise<void>>();
  /** Attempts that this node is working on, from the claim until their end is recorded. */
  private readonly held = new Set<number>();
  private readonly submitting = new Set<number>();
  /** Attempts that provably did not leave but are not back in the queue yet: their statement failed. */
  private readonly unsent = new Map<number, { afterMs: number; byCarrier: boolean }>();
  private readonly abort = new AbortController();

  constructor(private readonly parts: DispatcherParts) {}

  /** There may be work. Cheap; any number of calls while it works lead to one more round. */
  wake(): void {
    this.wanted = true;
    if (this.stopping) return;
    this.running ??= this.work();
  }

  /**
   * Frees what is this node's in the database but no longer in its hands: claimed or begun before a statement failed.
   * What was only claimed runs again; what was begun is unknown.
   */
  async sweep(): Promise<void> {
    const { database, node, config, ender } = this.parts;
    await this.requeueUnsent();
    const held = [...this.held, ...this.unsent.keys()];
    await database.query(FREE_LOST_CLAIMS, [node.id, held]);
    const lost = await database.query<{ spool_id: number }>(LOST_STARTED, [
      node.id,
      held,
      config.engine.submit_timeout + 60,
    ]);
    if (lost.length === 0) return;
    const attempts = await database.query<Attempt>(ATTEMPT_CONTEXT, [lost.map((row) => row.spool_id)]);
    await Promise.all(attempts.map((attempt) => ender.endUnknown(attempt)));
  }

  /** Puts back what provably did not leave, now that the database may be there again. */
  private async requeueUnsent(): Promise<void> {
    for (const byCarrier of [true, false]) {
      const some = [...this.unsent].filter(([, how]) => how.byCarrier === byCarrier);
      if (some.length === 0) continue;
      const { database, node } = this.parts;
      const ids = some.map(([id]) => id);
      await database.query(REQUEUE, [ids, some.map(([, how]) => how.afterMs), node.id, byCarrier ? 1 : 0]);
      for (const id of ids) {
        this.unsent.delete(id);
        this.held.delete(id);
      }
    }
  }

  /** Stops claiming, waits for what is in flight; after `timeoutMs` gives up waiting (outcomes become unknown). */
  async stop(timeoutMs: number): Promise<void> {
    this.stopping = true;
    await this.running;
    const timer = setTimeout(() => this.abort.abort(new Error('the server is stopping')), timeoutMs);
    await Promise.all(this.inFlight);
    clearTimeout(timer);
  }

  private async work(): Promise<void> {
    while (this.wanted && !this.stopping) {
      this.wanted = false;
      try {
        // A full batch says that there is more.
        while (!this.stopping && (await this.round()));
      } catch (error) {
        this.parts.log.warn({ error }, 'dispatching pauses');
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }
    // In the same turn as the check above, so that no wake can slip in between.
    this.running = undefined;
  }

  /** One batch. True if there may be more that can leave now. */
  private async round(): Promise<boolean> {
    const { config, database, node } = this.parts;
    if (!node.alive) return false;
    const { limit, lane } = await this.capacity();
    if (limit <= 0) return false;
    const claimed = await database.query<{ spool_id: number }>(CLAIM, [node.id, limit, config.engine.lease, lane]);
    if (claimed.length === 0) return false;
    const ids = claimed.map((row) => row.spool_id);
    for (const id of ids) this.held.add(id);
    try {
      const full = await this.send(await database.query<Attempt>(ATTEMPT_CONTEXT, [ids]));
      if (full > 0) setTimeout(() => this.wake(), FULL_PAUSE_MS + 5).unref();
      return claimed.length === limit && full === 0;
    } catch (error) {
      // The next sweep frees what this round has not brought to an end.
      for (const id of ids) if (!this.submitting.has(id)) this.held.delete(id);
      throw error;
    }
  }

  /**
   * What may be claimed now. Campaigns leave room to single sends, and are not even claimed where nothing of them could
   * leave.
   */
  private async capacity(): Promise<{ limit: number; lane: number }> {
    const { config, pool } = this.parts;
    const { batch } = config.engine;
    const limit = Math.min(batch, batch * MAX_BATCHES - this.inFlight.size);
    if (this.inFlight.size >= batch * (MAX_BATCHES - 1)) return { limit, lane: LANE.single };
    const room = await pool.roomForCampaigns();
    if (room > 0) return { limit: Math.min(limit, room), lane: LANE.campaign };
    // A rate that is used up frees itself, without any hand-over ending that would wake us.
    setTimeout(() => this.wake(), FULL_PAUSE_MS + 5).unref();
    return { limit, lane: LANE.single };
  }

  /** Sends what can leave now; how many had to go back because their provider's window is full. */
  private async send(attempts: readonly Attempt[]): Promise<number> {
    const ready: Ready[] = [];
    const full: Attempt[] = [];
    const { allowed, refused } = await this.parts.gate.check(attempts, this.parts.database);
    for (const { attempt, refusal } of refused) this.endUnsent(attempt, refusal);
    for (const item of await this.parts.builder.build(allowed)) {
      if ('refusal' in item) {
        this.endUnsent(item.attempt, item.refusal);
        continue;
      }
      const trunk = await this.choose(item.attempt, new Set());
      if (trunk === 'none') this.endUnsent(item.attempt, failed('provider_down', 'no_provider'));
      else if (trunk === 'full') full.push(item.attempt);
      else {
        this.parts.pool.enter(trunk);
        ready.push({ ...item, trunk, tried: new Set() });
      }
    }
    await this.requeue(full, FULL_PAUSE_MS, false);
    await this.startAndSubmit(ready);
    return full.length;
  }

  /** Ends what never left. The attempt is in this node's hands until its end is recorded. */
  private endUnsent(attempt: Attempt, outcome: FinalOutcome): void {
    const { ender, node } = this.parts;
    void ender.endUnsent(attempt, outcome, node.id).finally(() => this.held.delete(attempt.spool_id));
  }

  private async choose(attempt: Attempt, tried: ReadonlySet<number>): Promise<Trunk | 'none' | 'full'> {
    const { pool, log } = this.parts;
    const candidates = (await pool.candidates(channelOf(attempt.service_flag))).filter(
      (trunk) => !tried.has(trunk.row.provider_id),
    );
    for (const trunk of candidates) {
      if (pool.room(trunk, attempt.lane) === 0) continue;
      try {
        await pool.session(trunk);
        return trunk;
      } catch (error) {
        pool.note(trunk, true);
        log.error({ provider: trunk.row.name, error }, 'provider could not be opened');
      }
    }
    return candidates.some((trunk) => trunk.session && pool.room(trunk, attempt.lane) === 0) ? 'full' : 'none';
  }

  /** Commits that these are about to leave, then lets them leave. */
  private async startAndSubmit(ready: readonly Ready[]): Promise<void> {
    if (ready.length === 0) return;
    const { pool } = this.parts;
    let started: Set<number>;
    try {
      started = await this.start(ready);
    } catch (error) {
      // It may have been committed all the same: what is started but was never handed over goes back to the queue.
      for (const item of ready) {
        pool.leave(item.trunk);
        this.unsent.set(item.attempt.spool_id, { afterMs: 0, byCarrier: false });
      }
      throw error;
    }
    const refused = ready.filter((item) => !started.has(item.attempt.spool_id));
    for (const item of refused) pool.leave(item.trunk);
    for (const item of ready) {
      const id = item.attempt.spool_id;
      if (!started.has(id)) continue;
      this.submitting.add(id);
      const handOver = this.handOver(item)
        // What is not recorded here stays `started` until a sweep closes it as unknown.
        .catch((error: unknown) => this.parts.log.error({ spool_id: item.attempt.spool_id, error }, 'hand-over failed'))
        .finally(() => {
          this.inFlight.delete(handOver);
          this.submitting.delete(id);
          this.held.delete(id);
          this.wake();
        });
      this.inFlight.add(handOver);
    }
    // Their campaign has been stopped meanwhile: back to the queue, from where they are taken back. (What another node
    // has taken over is not ours to put back, and is not.)
    await this.requeue(
      refused.map((item) => item.attempt),
      STOPPED_PAUSE_MS,
      false,
    );
  }

  private async start(items: readonly Ready[]): Promise<Set<number>> {
    const { database, node, config } = this.parts;
    const rows = await database.query<{ spool_id: number }>(START, [
      items.map((item) => item.attempt.spool_id),
      items.map((item) => item.trunk.row.provider_id),
      node.id,
      config.engine.lease,
    ]);
    return new Set(rows.map((row) => row.spool_id));
  }

  private async handOver(item: Ready): Promise<void> {
    const { pool, ender, log } = this.parts;
    let outcome: Outcome | 'unknown';
    try {
      outcome = await this.submit(item);
    } finally {
      pool.leave(item.trunk);
    }
    const down = outcome !== 'unknown' && outcome.kind === 'failed' && outcome.notAccepted === true;
    pool.note(item.trunk, down);
    if (outcome === 'unknown') await ender.endUnknown(item.attempt);
    else if (outcome.kind === 'deferred') await this.defer(item.attempt, outcome.afterMs, outcome.detail);
    else if (outcome.kind === 'accepted') await ender.accepted(item.attempt, outcome, this.receiptOf(item));
    else if (down && (await this.failOver(item))) {
      log.info(
        { spool_id: item.attempt.spool_id, provider: item.trunk.row.name },
        'not accepted; trying the next provider',
      );
    } else await ender.end(item.attempt, outcome);
  }

  /** Hands one order over. Anything the driver does not name, and anything late, is `unknown`. */
  private async submit(item: Ready): Promise<Outcome | 'unknown'> {
    const { config, log } = this.parts;
    const timeout = AbortSignal.timeout(config.engine.submit_timeout * 1000);
    const signal = AbortSignal.any([timeout, this.abort.signal]);
    try {
      const session = item.trunk.session;
      if (!session?.submit) {
        return failed('provider_down', `${item.trunk.row.type} takes no such order`, { notAccepted: true });
      }
      const outcome = await settledInTime(session.submit(item.order, signal), signal);
      if (!signal.aborted || provesNotTaken(outcome)) return outcome;
      throw new Error(`answered ${outcome.kind} too late`);
    } catch (error) {
      const given = { spool_id: item.attempt.spool_id, provider: item.trunk.row.name };
      log.error({ ...given, error }, 'nobody knows whether this attempt left');
      return 'unknown';
    }
  }

  /** Within one attempt, only after proof that the message was not taken. False if there is no other provider. */
  private async failOver(item: Ready): Promise<boolean> {
    item.tried.add(item.trunk.row.provider_id);
    if (item.tried.size >= MAX_FAILOVERS) return false;
    const trunk = await this.choose(item.attempt, item.tried);
    if (typeof trunk === 'string') return false;
    this.parts.pool.enter(trunk);
    // Without a start nothing is handed over: the proof that the first provider did not take it still stands.
    const started = await this.start([{ ...item, trunk }]).catch(() => new Set<number>());
    if (started.size === 0) {
      this.parts.pool.leave(trunk);
      return false;
    }
    await this.handOver({ ...item, trunk });
    return true;
  }

  private async defer(attempt: Attempt, afterMs: number, detail: string): Promise<void> {
    const age = Date.now() / 1000 - attempt.queued_at;
    if (age > MAX_DEFERRED_S) {
      await this.parts.ender.end(attempt, failed('throttled', detail));
      return;
    }
    const wait = Math.min(Math.max(afterMs, 10), 3600_000);
    await this.requeue([attempt], wait, true);
    if (wait < 5000) setTimeout(() => this.wake(), wait + 5).unref();
  }

  private async requeue(attempts: readonly Attempt[], afterMs: number, byCarrier: boolean): Promise<void> {
    if (attempts.length === 0) return;
    const { database, node } = this.parts;
    const ids = attempts.map((attempt) => attempt.spool_id);
    // Noted first: if the statement fails, a sweep puts them back.
    for (const id of ids) this.unsent.set(id, { afterMs, byCarrier });
    await database.query(REQUEUE, [ids, ids.map(() => afterMs), node.id, byCarrier ? 1 : 0]);
    for (const id of ids) {
      this.unsent.delete(id);
      this.held.delete(id);
    }
  }

  private receiptOf(item: Ready): ReceiptPolicy {
    const channel = channelOf(item.attempt.service_flag);
    return item.trunk.driver.receipts?.[channel] ?? (RECEIPTS[channel] as ReceiptPolicy);
  }
}

/** True for an outcome that holds even when it comes after the time is up. */
function provesNotTaken(outcome: Outcome): boolean {
  return outcome.kind === 'refused' || (outcome.kind === 'failed' && outcome.notAccepted === true);
}

/** The promise; or a rejection when it has not settled shortly after the signal was aborted. */
function settledInTime<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const onAbort = () => {
      timer = setTimeout(() => reject(signal.reason as Error), ABORT_GRACE_MS);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    });
  });
}
