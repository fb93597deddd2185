import type { Refused } from '@ictcore/contract';
import { Lifecycle, scoped } from 'tsyringe';
import type { Sql } from '../database/sql';
import type { Attempt } from './attempt';

/** A rule about what may leave: which of a batch of attempts may not, by spool id. Set-based: one query per batch. */
export type PolicyCheck = (attempts: readonly Attempt[], sql: Sql) => Promise<ReadonlyMap<number, Refused>>;

/** What the gate says about a batch. */
export interface GateAnswer {
  allowed: readonly Attempt[];
  refused: readonly { attempt: Attempt; refusal: Refused }[];
}

/**
 * What every attempt of every channel and program passes before a provider is chosen: do-not-contact, limits, allowed
 * destinations. Modules add their rules at boot; the first one that refuses an attempt gives its reason.
 */
@scoped(Lifecycle.ContainerScoped)
export class PolicyGate {
  private readonly checks: PolicyCheck[] = [];

  add(check: PolicyCheck): void {
    this.checks.push(check);
  }

  /** Splits a batch. What is refused is refused for good: it is never tried again by itself. */
  async check(attempts: readonly Attempt[], sql: Sql): Promise<GateAnswer> {
    let allowed = attempts;
    const refused: { attempt: Attempt; refusal: Refused }[] = [];
    for (const check of this.checks) {
      if (allowed.length === 0) break;
      const found = await check(allowed, sql);
      if (found.size === 0) continue;
      for (const attempt of allowed) {
        const refusal = found.get(attempt.spool_id);
        if (refusal) refused.push({ attempt, refusal });
      }
      allowed = allowed.filter((attempt) => !found.has(attempt.spool_id));
    }
    return { allowed, refused };
  }
}
