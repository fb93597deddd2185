import type { Actor } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { Database } from '../database/database';
import { ALWAYS_THERE } from './kernel-counters';
import { STATISTIC_PARAMETERS, StatisticCounters } from './statistic-counters';

/** What to count. */
export interface StatisticQuery {
  /** Created at or after this Unix second. */
  since?: number | undefined;
  /** Of this user only. */
  owner?: number | undefined;
  /** Any of these service bits. */
  serviceFlag?: number | undefined;
  accountType?: string | undefined;
}

/** A statement may leave parameters out; this gives each a type all the same. */
const TYPED = `(${Object.values(STATISTIC_PARAMETERS)
  .map((parameter) => `${parameter} is null`)
  .join(' or ')} or true)`;

/** Numbers of what there is (API section 9.2): one statement per entity. */
@scoped(Lifecycle.ContainerScoped)
export class StatisticService {
  constructor(
    @inject(Database) private readonly database: Database,
    @inject(StatisticCounters) private readonly counters: StatisticCounters,
  ) {}

  /** The actor's own numbers; those of others, or of everybody, for `statistic_admin`. */
  async read(actor: Actor, query: StatisticQuery): Promise<Record<string, number>> {
    const counts: Record<string, number> = Object.fromEntries(ALWAYS_THERE.map((name) => [name, 0]));
    const own = actor.can('statistic_admin') ? (query.owner ?? null) : actor.userId;
    // Somebody else's, without the right to see them: there is nothing to be seen, as in every list.
    if (query.owner !== undefined && own !== query.owner) return counts;
    const values = [own, query.since ?? null, query.serviceFlag ?? null, query.accountType ?? null];
    // One after the other: a page of numbers must not take every connection there is.
    for (const { names, sql } of this.counters.list()) {
      const [row] = await this.database.adHoc<Record<string, number>>(
        `select counted.* from (${sql}) counted where ${TYPED}`,
        values,
      );
      for (const name of names) counts[name] = row?.[name] ?? 0;
    }
    return counts;
  }
}
