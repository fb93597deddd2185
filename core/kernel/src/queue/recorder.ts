import type { Fact, FinalOutcome, Logger, ReceiptPolicy } from '@ictcore/contract';
import type { Database } from '../database/database';
import { isDatabaseAway } from '../database/database-errors';
import type { Sql } from '../database/sql';
import { RECORD } from './engine.sql';
import type { Judgement } from './judge';

/** One thing to record about one attempt. */
export interface Entry {
  spoolId: number;
  status: 'connected' | 'completed' | 'failed';
  response: string;
  reason: string | null;
  callId: string | null;
  amount: number;
  /** For `connected`: how long to wait for the final report, and what it becomes then. */
  receipt: ReceiptPolicy | null;
  judgement: Judgement | null;
  facts: readonly Fact[];
  /** For an end before any hand-over: the node whose claim it rests on. Recorded only while that claim stands. */
  claimedBy?: number;
}

/** The entry of an outcome that ends an attempt. */
export function finalEntry(spoolId: number, outcome: FinalOutcome, judgement: Judgement): Entry {
  return {
    spoolId,
    status: judgement.spoolStatus,
    response: judgement.response,
    reason: judgement.reason,
    callId: outcome.ref ?? null,
    amount: outcome.kind === 'delivered' ? (outcome.amount ?? 1) : 0,
    receipt: null,
    judgement,
    facts: outcome.facts ?? [],
  };
}

interface Waiting {
  entry: Entry;
  done: (changed: boolean) => void;
}

/** Rows written in one statement at most. */
const BATCH = 500;
/** Longest pause between tries while the database is away, in milliseconds. */
const MAX_PAUSE = 2000;

/**
 * Gathers outcomes and writes them in batches: while one batch is being written, the next one collects. Outcomes wait
 * in memory while the database is away and are written when it is back; a node that is taken for dead meanwhile loses
 * them to `unknown_outcome`, never to a second sending.
 */
export class Recorder {
  private waiting: Waiting[] = [];
  private writing: Promise<void> | undefined;

  constructor(
    private readonly database: Database,
    private readonly log: Logger,
  ) {}

  /** Resolves once it is committed: true if the attempt changed, false if it was finished already. */
  record(entry: Entry): Promise<boolean> {
    return new Promise((done) => {
      this.waiting.push({ entry, done });
      this.writing ??= this.writeAll();
    });
  }

  /** Resolves when everything given so far is written, or after the time (milliseconds): the database may be away. */
  async idle(timeoutMs: number): Promise<void> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
    }, timeoutMs);
    while (this.writing && !late) await Promise.race([this.writing, pause(50)]);
    clearTimeout(timer);
    if (late)
      this.log.error({ outcomes: this.waiting.length }, 'outcomes were not recorded in time; they end as unknown');
  }

  private async writeAll(): Promise<void> {
    // One turn of the event loop lets the outcomes that arrive together be written together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.waiting.length > 0) await this.writeBatch(this.takeBatch());
    // In the same turn as the check above, so that no entry can slip in between.
    this.writing = undefined;
  }

  /** The oldest entries, at most one per attempt: a statement changes a row only once. */
  private takeBatch(): Waiting[] {
    const batch: Waiting[] = [];
    const later: Waiting[] = [];
    const seen = new Set<number>();
    for (const item of this.waiting) {
      if (batch.length < BATCH && !seen.has(item.entry.spoolId)) batch.push(item);
      else later.push(item);
      seen.add(item.entry.spoolId);
    }
    this.waiting = later;
    return batch;
  }

  private async writeBatch(batch: readonly Waiting[]): Promise<void> {
    for (let wait = 50; ; wait = Math.min(wait * 2, MAX_PAUSE)) {
      try {
        const changed = await this.write(batch.map((item) => item.entry));
        for (const item of batch) item.done(changed.has(item.entry.spoolId));
        return;
      } catch (error) {
        if (!worthWaiting(error) && batch.length > 1) {
          // One bad row must not hold up the others: find it by halves.
          const half = batch.length >> 1;
          await this.writeBatch(batch.slice(0, half));
          await this.writeBatch(batch.slice(half));
          return;
        }
        if (!worthWaiting(error) && wait >= MAX_PAUSE) {
          this.log.error({ spool_id: batch[0]?.entry.spoolId, error }, 'an outcome could not be recorded');
          for (const item of batch) item.done(false);
          return;
        }
        this.log.warn({ rows: batch.length, error }, 'outcomes wait for the database');
        await pause(wait);
      }
    }
  }

  private write(entries: readonly Entry[]): Promise<Set<number>> {
    return writeEntries(this.database, entries);
  }
}

/**
 * Records entries at once, in the caller's transaction where `sql` is one. At most one entry per attempt. Returns the
 * spool ids of those that have changed.
 */
export async function writeEntries(sql: Sql, entries: readonly Entry[]): Promise<Set<number>> {
  const facts = entries.flatMap((entry) => entry.facts.map((fact) => ({ ...fact, spoolId: entry.spoolId })));
  const rows = await sql.query<{ spool_id: number }>(RECORD, [
    entries.map((entry) => entry.spoolId),
    entries.map((entry) => entry.status),
    entries.map((entry) => clean(entry.response)),
    entries.map((entry) => entry.reason),
    entries.map((entry) => (entry.callId === null ? null : callIdOf(entry.callId))),
    entries.map((entry) => entry.amount),
    entries.map((entry) => (entry.receipt ? entry.receipt.timeoutMs / 1000 : null)),
    entries.map((entry) => entry.receipt?.becomes ?? null),
    entries.map((entry) => entry.judgement?.transmissionStatus ?? null),
    entries.map((entry) => (entry.judgement ? clean(entry.judgement.transmissionResponse) : null)),
    entries.map((entry) => entry.judgement?.retryIn ?? null),
    facts.map((fact) => fact.spoolId),
    facts.map((fact) => fact.type),
    facts.map((fact) => clean(fact.name).slice(0, 80)),
    facts.map((fact) => clean(fact.data)),
    entries.map((entry) => entry.claimedBy ?? null),
  ]);
  return new Set(rows.map((row) => row.spool_id));
}

/** Statement time-out, lock time-out, serialisation failure, deadlock: the same statement works a little later. */
const TRANSIENT = /^(57014|55P03|40001|40P01)$/;

function worthWaiting(error: unknown): boolean {
  return isDatabaseAway(error) || TRANSIENT.test(String((error as { code?: unknown }).code));
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** A carrier's id as it is stored and looked up: bounded, because it is indexed. */
export function callIdOf(ref: string): string {
  return clean(ref).slice(0, 1000);
}

/** PostgreSQL's text knows no NUL, and a carrier's words may hold anything. */
function clean(text: string): string {
  return text.replaceAll('\0', '');
}
