import type { Actor } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { Database, type Tx } from '../database/database';
import type { ListQuery } from '../database/list-query';
import { OwnedRepository } from '../database/owned-repository';
import type { Sql } from '../database/sql';
import { Task } from './schedule.model';
import { type Plan, type TaskRow, taskSpec } from './schedule.schema';

/** What a task does, and to what. */
export interface Target {
  type: 'transmission' | 'campaign';
  action: 'send' | 'start' | 'stop';
  /** Id of the transmission or campaign. */
  id: number;
  accountId: number | null;
}

/** Tasks as rows. What they do when they are due is the runner's. */
@scoped(Lifecycle.ContainerScoped)
export class ScheduleService {
  readonly repository: OwnedRepository<TaskRow>;

  constructor(@inject(Database) database: Database) {
    this.repository = new OwnedRepository(database, taskSpec, database.sequelize.getRepository(Task));
  }

  /** The waiting tasks of a transmission or campaign that the actor has been found to see. */
  of(type: Target['type'], id: number, sql: Sql = this.repository.database): Promise<TaskRow[]> {
    const select = Object.entries(taskSpec.fields).map(([name, field]) => `${field} as ${name}`);
    return sql.query<TaskRow>(
      `select ${select.join(', ')} from task t where type = $1 and data = $2 and status in (0, 1) order by task_id`,
      [type, id],
    );
  }

  list(actor: Actor, query: ListQuery) {
    return this.repository.list(actor, query);
  }

  count(actor: Actor, query: ListQuery) {
    return this.repository.count(actor, query);
  }

  get(actor: Actor, id: number) {
    return this.repository.get(actor, id);
  }

  /** A second schedule of the same action replaces the first. The target's row must be locked. Returns the task's id. */
  async put(actor: Actor, target: Target, plan: Plan, tx: Tx): Promise<number> {
    await this.cancel(target.type, target.id, target.action, tx);
    const [row] = await tx.query<{ task_id: number }>(
      `insert into task (type, action, data, account_id, created_by, weight, is_recurring, is_cron, due_at, expiry,
                         timezone, year, month, day, weekday, hour, minute)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) returning task_id`,
      [
        target.type,
        target.action,
        target.id,
        target.accountId,
        actor.userId || null,
        plan.weight,
        plan.isRecurring,
        plan.isCron,
        plan.dueAt,
        plan.expiry,
        plan.timezone,
        plan.year,
        plan.month,
        plan.day,
        plan.weekday,
        plan.hour,
        plan.minute,
      ],
    );
    return (row as { task_id: number }).task_id;
  }

  /** Removes what is waiting; of one action, or of all. */
  async cancel(type: Target['type'], id: number, action: Target['action'] | null, tx: Tx): Promise<void> {
    await tx.query(
      `delete from task where type = $1 and data = $2 and ($3::text is null or action = $3) and status in (0, 1)`,
      [type, id, action],
    );
  }
}
