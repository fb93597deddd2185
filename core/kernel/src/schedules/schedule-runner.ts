import { isIctError, type Logger } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { Config } from '../boot/config';
import { CONFIG, LOG } from '../boot/injection';
import { CampaignService, STARTABLE } from '../campaigns';
import { Database, type Tx } from '../database/database';
import { Engine } from '../queue/engine';
import { TransmissionService } from '../transmissions';
import { actorOf } from './schedule.schema';
import { type CronFields, nextRun } from './schedule-time';

interface Due extends CronFields {
  task_id: number;
  type: 'transmission' | 'campaign';
  action: 'send' | 'start' | 'stop';
  data: number;
  is_recurring: number;
  due_at: Date;
  expiry: Date | null;
  timezone: string;
  created_by: number | null;
  late: number;
}

/** Longest time one round may take, in milliseconds; the next tick goes on. */
const ROUND_MS = 5000;

/** The first due task that no other node has in hand. */
const CLAIM_TASK = `
select task_id, type, action, data, is_recurring, due_at, expiry, timezone, created_by,
       year, month, day, weekday, hour, minute, extract(epoch from now() - due_at)::float8 as late
  from task where status = 1 and due_at <= now()
 order by due_at, weight, task_id limit 1
   for update skip locked`;

/** $1 task, $2 status, $3 next time (null: as it was), $4 response, $5 1 if it has run. */
const ADVANCE = `
update task set status = $2, due_at = coalesce($3::timestamptz, due_at), response = $4,
       last_run = case when $5::int = 1 then now() else last_run end
 where task_id = $1`;

/**
 * Runs what is due, on whichever node comes first: the task's row is locked while its work and its next time are
 * written in one transaction, so that a task runs once per time, whatever crashes.
 */
@scoped(Lifecycle.ContainerScoped)
export class ScheduleRunner {
  constructor(
    @inject(Database) private readonly database: Database,
    @inject(TransmissionService) private readonly transmissions: TransmissionService,
    @inject(CampaignService) private readonly campaigns: CampaignService,
    @inject(Engine) private readonly engine: Engine,
    @inject(CONFIG) private readonly config: Config,
    @inject(LOG) private readonly log: Logger,
  ) {}

  /** One round: everything that is due. */
  async run(): Promise<void> {
    const end = Date.now() + ROUND_MS;
    while (Date.now() < end && (await this.runOne()));
  }

  /** False if nothing was due. */
  private async runOne(): Promise<boolean> {
    let task: Due | undefined;
    try {
      await this.database.transaction(async (tx) => {
        task = (await tx.query<Due>(CLAIM_TASK))[0];
        if (!task) return;
        if (this.isTooLate(task)) await this.expire(task, tx);
        else {
          await this.perform(task, tx);
          await this.advance(task, '', tx);
        }
      });
    } catch (error) {
      if (!task || !isIctError(error) || error.status >= 500) throw error;
      await this.giveUp(task, error.message);
    }
    if (task) this.engine.wake();
    return task !== undefined;
  }

  private isTooLate(task: Due): boolean {
    return task.late > this.config.schedule.grace || (task.expiry !== null && task.expiry < new Date());
  }

  private async perform(task: Due, tx: Tx): Promise<void> {
    const actor = actorOf(task.created_by);
    this.log.info({ task_id: task.task_id, type: task.type, action: task.action, id: task.data }, 'schedule is due');
    if (task.type === 'transmission') {
      await this.transmissions.sendScheduledIn(actor, task.data, task.is_recurring === 1, tx);
      return;
    }
    if (task.action === 'start') await this.campaigns.startIn(actor, task.data, STARTABLE, tx);
    else await this.campaigns.stopIn(actor, task.data, tx);
    tx.afterCommit(() => this.engine.wakeCampaigns());
  }

  /** What cannot be done now (a campaign that runs already) is noted; a recurring task tries again at its next time. */
  private async giveUp(task: Due, why: string): Promise<void> {
    this.log.warn({ task_id: task.task_id, type: task.type, id: task.data, why }, 'schedule could not be carried out');
    await this.database.transaction((tx) => this.advance(task, why.slice(0, 500), tx));
  }

  private async expire(task: Due, tx: Tx): Promise<void> {
    const late = Math.round(task.late);
    this.log.warn({ task_id: task.task_id, type: task.type, id: task.data, late }, 'schedule was missed and expires');
    const next = this.nextOf(task);
    await tx.query(ADVANCE, [task.task_id, next ? 1 : 3, next ?? null, `missed by ${late} s`, 0]);
    await this.show(task, next, tx);
  }

  private async advance(task: Due, response: string, tx: Tx): Promise<void> {
    const next = this.nextOf(task);
    await tx.query(ADVANCE, [task.task_id, next ? 1 : 2, next ?? null, response, 1]);
    if (next) await this.show(task, next, tx);
  }

  private nextOf(task: Due): Date | undefined {
    if (task.is_recurring !== 1) return undefined;
    const next = nextRun(task, task.timezone, new Date());
    return next && (task.expiry === null || next <= task.expiry) ? next : undefined;
  }

  /** A transmission that waits shows when it will be sent. */
  private async show(task: Due, next: Date | undefined, tx: Tx): Promise<void> {
    if (task.type !== 'transmission') return;
    await tx.query(
      `update transmission set next_run = $2 where transmission_id = $1 and status = 'pending' and campaign_id is null`,
      [task.data, next ?? null],
    );
  }
}
