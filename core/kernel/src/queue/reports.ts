import type { DeliveryReport, FinalOutcome, Logger } from '@ictcore/contract';
import type { Database } from '../database/database';
import type { Attempt } from './attempt';
import type { Ender } from './ender';
import { ATTEMPT_CONTEXT, FORGET_OLD_PARKED, FORGET_PARKED, PARK, SPOOLS_BY_CALL, UNPARK } from './engine.sql';
import { callIdOf } from './recorder';

const BATCH = 500;
const FORGET_EVERY_MS = 3600_000;

interface Waiting {
  report: DeliveryReport;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/**
 * Carriers' reports, matched to attempts by the provider's own id. Early ones are parked until the attempt's id is
 * stored; late and doubled ones find a finished attempt and change nothing. Reports that arrive together are handled
 * together.
 */
export class Reports {
  private readonly waiting = new Map<number, Waiting[]>();
  private readonly working = new Map<number, Promise<void>>();
  private sweeping: Promise<void> | undefined;
  private again = false;
  private forgetAt = 0;

  constructor(
    private readonly database: Database,
    private readonly ender: Ender,
    private readonly log: Logger,
  ) {}

  /** Resolves when the report is stored: applied, parked or known to be of no effect. */
  handle(providerId: number, given: DeliveryReport): Promise<void> {
    const report = { ...given, ref: callIdOf(given.ref) };
    return new Promise((resolve, reject) => {
      this.waiting.set(providerId, [...(this.waiting.get(providerId) ?? []), { report, resolve, reject }]);
      if (!this.working.has(providerId)) {
        this.working.set(providerId, this.drain(providerId));
      }
    });
  }

  /** Applies parked reports whose attempt is known by now. Calls that come while it works lead to one more round. */
  sweep(): Promise<void> {
    this.again = true;
    this.sweeping ??= this.sweepAll().finally(() => {
      this.sweeping = undefined;
    });
    return this.sweeping;
  }

  private async sweepAll(): Promise<void> {
    while (this.again) {
      this.again = false;
      const rows = await this.database.query<{ place: string; provider_id: number; report: DeliveryReport }>(UNPARK, [
        BATCH,
      ]);
      if (rows.length === 0) continue;
      // Applied first, forgotten afterwards: a crash in between applies them twice, which changes nothing.
      await Promise.all(rows.map((row) => this.handle(row.provider_id, row.report)));
      await this.database.query(FORGET_PARKED, [rows.map((row) => row.place)]);
      if (rows.length === BATCH) this.again = true;
    }
    if (Date.now() > this.forgetAt) {
      this.forgetAt = Date.now() + FORGET_EVERY_MS;
      await this.database.query(FORGET_OLD_PARKED);
    }
  }

  private async drain(providerId: number): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    for (;;) {
      const all = this.waiting.get(providerId) ?? [];
      if (all.length === 0) {
        this.waiting.delete(providerId);
        this.working.delete(providerId);
        return;
      }
      const batch = all.slice(0, BATCH);
      this.waiting.set(providerId, all.slice(BATCH));
      try {
        await this.apply(
          providerId,
          batch.map((item) => item.report),
        );
        for (const item of batch) item.resolve();
      } catch (error) {
        this.log.error({ provider_id: providerId, error }, 'reports could not be stored');
        for (const item of batch) item.reject(error);
      }
    }
  }

  private async apply(providerId: number, reports: readonly DeliveryReport[]): Promise<void> {
    const refs = [...new Set(reports.map((report) => report.ref))];
    const found = await this.database.query<{ call_id: string; spool_id: number }>(SPOOLS_BY_CALL, [providerId, refs]);
    // A carrier may use an id again after a while: the newest attempt is meant.
    const spoolOf = new Map<string, number>();
    for (const row of found) spoolOf.set(row.call_id, Math.max(row.spool_id, spoolOf.get(row.call_id) ?? 0));
    await this.park(
      providerId,
      reports.filter((report) => !spoolOf.has(report.ref)),
    );
    const attempts = await this.database.query<Attempt>(ATTEMPT_CONTEXT, [[...spoolOf.values()]]);
    const byId = new Map(attempts.map((attempt) => [attempt.spool_id, attempt]));
    const ends = reports.map((report) => {
      const attempt = byId.get(spoolOf.get(report.ref) ?? 0);
      // "accepted" again, or on its way: nothing that the ledger does not know already.
      if (!attempt || report.outcome.kind === 'accepted') return undefined;
      return this.ender.end(attempt, report.outcome as FinalOutcome);
    });
    await Promise.all(ends);
  }

  private async park(providerId: number, reports: readonly DeliveryReport[]): Promise<void> {
    const worth = reports.filter((report) => report.outcome.kind !== 'accepted');
    if (worth.length === 0) return;
    this.log.debug({ provider_id: providerId, reports: worth.length }, 'reports came before their ids; parked');
    await this.database.query(PARK, [
      providerId,
      worth.map((report) => report.ref),
      worth.map((report) => JSON.stringify(report)),
    ]);
  }
}
