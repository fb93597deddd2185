import { delivered, failed, type Logger } from '@ictcore/contract';
import type { Database } from '../database/database';
import type { Attempt } from './attempt';
import type { Ender } from './ender';
import { ATTEMPT_CONTEXT, OVERDUE, REQUEUE_OF_DEAD, STARTED_OF_DEAD } from './engine.sql';
import type { Node } from './node';

/** Rows taken per round; the next tick takes the next ones. */
const BATCH = 500;

/** Ends what would otherwise stay for ever: attempts of dead nodes and attempts whose report never came. */
export class Reaper {
  constructor(
    private readonly database: Database,
    private readonly node: Node,
    private readonly ender: Ender,
    private readonly log: Logger,
  ) {}

  /** One round. Safe on several nodes at once: each attempt ends only once. */
  async run(): Promise<void> {
    await this.node.buryDead();
    await this.database.query(REQUEUE_OF_DEAD);
    await this.endStartedOfDead();
    await this.endOverdue();
  }

  private async endStartedOfDead(): Promise<void> {
    const rows = await this.database.query<{ spool_id: number }>(STARTED_OF_DEAD, [BATCH]);
    for (const attempt of await this.contextOf(rows)) {
      this.log.warn({ spool_id: attempt.spool_id }, 'the node died while handing this over; outcome unknown');
      await this.ender.endUnknown(attempt);
    }
  }

  private async endOverdue(): Promise<void> {
    const rows = await this.database.query<{ spool_id: number; deadline_status: string }>(OVERDUE, [BATCH]);
    const becomes = new Map(rows.map((row) => [row.spool_id, row.deadline_status]));
    const ends = (await this.contextOf(rows)).map((attempt) =>
      becomes.get(attempt.spool_id) === 'completed'
        ? this.ender.end(attempt, delivered(attempt.call_id ?? '', { detail: 'accepted' }))
        : this.ender.end(attempt, failed('timeout', 'timeout'), false),
    );
    await Promise.all(ends);
  }

  private async contextOf(rows: readonly { spool_id: number }[]): Promise<Attempt[]> {
    if (rows.length === 0) return [];
    return this.database.query<Attempt>(ATTEMPT_CONTEXT, [rows.map((row) => row.spool_id)]);
  }
}
