import { type Actor, invalid, z } from '@ictcore/contract';
import { columns, OWNED_FIELDS, type ResourceSpec, unixTime } from '../database/resource';
import { flag, int, nullableInt, text } from '../http/fields';
import { CRON_FIELDS, type CronFields, checkField, isTimeZone, nextRun, parseDateTime } from './schedule-time';

/** Task, API section 1.11: something to be done at a time. */
export const taskSpec: ResourceSpec = {
  name: 'task',
  title: 'Task',
  from: 'task t',
  key: 'task_id',
  owner: 't.created_by',
  fields: {
    ...columns('task_id', 'type', 'action', 'data', 'weight', 'status', 'is_recurring', 'account_id', 'response'),
    schedule_id: 't.task_id',
    due_at: unixTime('t.due_at'),
    expiry: unixTime('t.expiry'),
    last_run: unixTime('t.last_run'),
    ...columns(...CRON_FIELDS, 'timezone'),
    ...OWNED_FIELDS,
  },
  filters: {
    task_id: { kind: 'exact', value: 'int', sql: 't.task_id' },
    type: { kind: 'exact', value: 'text', sql: 't.type' },
    action: { kind: 'exact', value: 'text', sql: 't.action' },
    data: { kind: 'exact', value: 'int', sql: 't.data' },
    status: { kind: 'exact', value: 'int', sql: 't.status' },
    is_recurring: { kind: 'flag', sql: 't.is_recurring' },
    account_id: { kind: 'exact', value: 'int', sql: 't.account_id' },
  },
};

const time = z.int().nullable();

/** A task as read and listed. */
export const taskRead = z
  .object({
    task_id: z.int(),
    schedule_id: z.int().describe('As task_id'),
    type: z.enum(['transmission', 'campaign']),
    action: z.enum(['send', 'start', 'stop']),
    data: z.int().describe('Id of the transmission or campaign'),
    weight: z.int(),
    status: z.int().describe('0 on hold, 1 waiting, 2 processed, 3 expired'),
    is_recurring: z.int(),
    due_at: time.describe('The next run, or the last one if there is none; Unix seconds'),
    expiry: time.describe('No run after this time'),
    last_run: time,
    response: z.string().describe('Why the last run could not be done'),
    account_id: time,
    year: z.string(),
    month: z.string(),
    day: z.string(),
    weekday: z.string(),
    hour: z.string(),
    minute: z.string(),
    timezone: z.string(),
    user_id: time,
    date_created: z.int(),
    last_updated: time,
  })
  .meta({ id: 'Task' });
export type TaskRow = z.infer<typeof taskRead>;

/** A field of a recurring schedule: a number, a list as text or as an array. */
const cronField = z
  .preprocess(
    (value) => (Array.isArray(value) ? value.join(',') : typeof value === 'number' ? String(value) : value),
    z.string().trim().max(255),
  )
  .nullish();

/** Body of S58 and S67: one absolute time, or cron fields. */
export const scheduleBody = z
  .object({
    delay: nullableInt(0, 10 * 366 * 86_400)
      .optional()
      .describe('Seconds from now'),
    timestamp: nullableInt(0, 253_402_300_799).optional().describe('Unix seconds'),
    datetime: text(64).nullish().describe('ISO 8601, with an offset or in `timezone`'),
    year: cronField,
    month: cronField,
    day: cronField,
    weekday: cronField.describe('1 is Sunday'),
    hour: cronField,
    minute: cronField.describe('Each: *, a number, a list a,b, a range a-b, a step */n'),
    timezone: text(64).nullish().describe('IANA name; default UTC'),
    is_recurring: flag().nullish().describe('With cron fields: 0 runs once, at the next match'),
    expiry: nullableInt(0, 253_402_300_799).optional().describe('No run after this Unix second'),
    until: nullableInt(0, 253_402_300_799).optional().describe('As expiry'),
    weight: int(-1000, 1000).nullish(),
  })
  .meta({ id: 'Schedule' });
export type ScheduleBody = z.infer<typeof scheduleBody>;

/** When something is to be done, as it is stored. */
export interface Plan extends CronFields {
  dueAt: Date;
  isCron: 0 | 1;
  isRecurring: 0 | 1;
  expiry: Date | null;
  timezone: string;
  weight: number;
}

const ABSOLUTE = ['delay', 'timestamp', 'datetime'] as const;

/**
 * Reads a schedule (API section 3.8).
 *
 * @throws 412 for no time at all, an absolute one beside cron fields, fields out of range, the past
 */
export function planOf(body: ScheduleBody, now = new Date()): Plan {
  const timezone = body.timezone || 'UTC';
  if (!isTimeZone(timezone)) throw invalid('timezone', 'must be a time zone such as Europe/Berlin', 'timezone');
  const absolute = ABSOLUTE.filter((field) => given(body[field]));
  const cron = CRON_FIELDS.filter((field) => given(body[field]));
  if (absolute.length === 0 && cron.length === 0) {
    throw invalid('timestamp', `give a time: ${ABSOLUTE.join(', ')} or ${CRON_FIELDS.join(', ')}`, 'required');
  }
  if (absolute.length > 1) throw invalid(absolute[1] as string, `goes without ${absolute[0]}`, 'exclusive');
  if (absolute.length > 0 && cron.length > 0) {
    throw invalid(cron[0] as string, `goes without ${absolute[0]}: one time, or a pattern`, 'exclusive');
  }
  const until = body.expiry ?? body.until;
  const common = {
    expiry: until === undefined || until === null ? null : new Date(until * 1000),
    timezone,
    weight: body.weight ?? 0,
  };
  const plan = cron.length > 0 ? cronPlan(body, timezone, now) : absolutePlan(body, timezone, now);
  if (common.expiry && common.expiry < plan.dueAt) throw invalid('expiry', 'is before the first run', 'range');
  return { ...plan, ...common };
}

const EVERY: CronFields = { year: '*', month: '*', day: '*', weekday: '*', hour: '*', minute: '*' };

type WhenPlan = Omit<Plan, 'expiry' | 'timezone' | 'weight'>;

function absolutePlan(body: ScheduleBody, timezone: string, now: Date): WhenPlan {
  const dueAt = given(body.delay)
    ? new Date(now.getTime() + Number(body.delay) * 1000)
    : given(body.timestamp)
      ? new Date(Number(body.timestamp) * 1000)
      : parseDateTime(String(body.datetime), timezone);
  // What says "now" may be a moment old when it arrives.
  if (dueAt.getTime() < now.getTime() - 1000) {
    throw invalid(ABSOLUTE.find((field) => given(body[field])) as string, 'is in the past', 'past');
  }
  if (body.is_recurring === 1)
    throw invalid('is_recurring', 'needs hour, minute ...: a pattern, not one time', 'exclusive');
  return { ...EVERY, dueAt, isCron: 0, isRecurring: 0 };
}

function cronPlan(body: ScheduleBody, timezone: string, now: Date): WhenPlan {
  const fields = { ...EVERY };
  for (const field of CRON_FIELDS) {
    const value = body[field];
    if (!given(value)) continue;
    checkField(field, String(value));
    fields[field] = String(value);
  }
  // Setting a weekday unsets the day, as in ICTCore.
  if (fields.weekday !== '*') fields.day = '*';
  // "At 9" means 9:00, not every minute from 9:00 to 9:59.
  if (!given(body.minute)) fields.minute = given(body.hour) ? '0' : fields.minute;
  const dateOnly = !given(body.hour) && !given(body.minute);
  if (dateOnly) Object.assign(fields, { hour: '0', minute: '0' });
  const dueAt = nextRun(fields, timezone, now);
  if (!dueAt) throw invalid(CRON_FIELDS.find((field) => given(body[field])) as string, 'never comes', 'range');
  return { ...fields, dueAt, isCron: 1, isRecurring: body.is_recurring === 0 ? 0 : 1 };
}

function given(value: unknown): boolean {
  return value !== undefined && value !== null && value !== '';
}

/** Who a task acts for: its maker, whose permission was checked when it was made. */
export function actorOf(userId: number | null): Actor {
  return { userId: userId ?? 0, username: 'schedule', can: () => true };
}
