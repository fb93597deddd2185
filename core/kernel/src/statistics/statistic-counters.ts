import { Lifecycle, scoped } from 'tsyringe';

/** What is counted, narrowed as asked. The values are `$n` of one list; absent ones are null. */
export const STATISTIC_PARAMETERS = {
  /** Owner's user id; null: everybody's. */
  owner: '$1::int8',
  /** Created at or after this Unix second; null: ever. */
  since: '$2::int8',
  /** Service bits (1 voice, 2 fax, 4 SMS, 8 e-mail); null: all. */
  serviceFlag: '$3::int',
  /** Type of accounts; null: all. */
  accountType: '$4::text',
} as const;

/** Counts of one entity: one statement over its table. */
export interface StatisticCounter {
  /** Names of the counts, each a column of the statement's one row. */
  readonly names: readonly string[];
  /**
   * Constant SQL that uses any of {@link STATISTIC_PARAMETERS}, each as it is written there. Every one of them is
   * given a type by the caller, so that a statement may leave some out.
   */
  readonly sql: string;
}

/** What `GET statistics` counts. Modules add theirs at setup; the last one to name a count wins. */
@scoped(Lifecycle.ContainerScoped)
export class StatisticCounters {
  private readonly counters: StatisticCounter[] = [];

  add(...counters: readonly StatisticCounter[]): void {
    this.counters.push(...counters);
  }

  list(): readonly StatisticCounter[] {
    return this.counters;
  }
}

/** The condition that a row is the owner's (`owner`) and was created (`created`) in the time asked for. */
export function narrowed(owner: string, created: string): string {
  const { owner: user, since } = STATISTIC_PARAMETERS;
  return `(${user} is null or ${owner} = ${user}) and (${since} is null or ${created} >= to_timestamp(${since}))`;
}
