import { z } from '@ictcore/contract';
import { columns, OWNED_FIELDS, type ResourceSpec, unixTime } from '../database/resource';
import { flag, int, nullableInt, nullableText, rowId } from '../http/fields';
import { CAMPAIGN_STATES } from './campaign-states';

/** Fastest pace that may be asked for, in attempts per minute (API S52). */
const MAX_CPM = 6000;
/** `delay` of ICTCore 2017 is in microseconds where it is at least this (API 1.12). */
const MICROSECONDS = 60_000_000;

/** Sum of a campaign's changes of these kinds (`campaign_tally`). */
const sum = (kinds: string) => `coalesce(sum(n) filter (where kind in (${kinds})), 0)::int8`;

/** Campaign, API section 1.12. */
export const campaignSpec: ResourceSpec = {
  name: 'campaign',
  title: 'Campaign',
  from: `(select * from campaign where status <> 'deleting') t
    left join program p on p.program_id = t.program_id
    left join lateral (
      select ${sum(`'pending', 'pending_retry'`)} as pending,
             ${sum(`'processing', 'initializing', 'done'`)} as active,
             ${sum(`'completed'`)} as completed, ${sum(`'failed'`)} as failed, ${sum(`'invalid'`)} as invalid
        from campaign_tally y where y.campaign_id = t.campaign_id
    ) k on true`,
  key: 'campaign_id',
  owner: 't.created_by',
  fields: {
    ...columns('campaign_id', 'program_id', 'group_id', 'account_id', 'service_flag', 'cpm', 'concurrency'),
    ...columns('try_allowed', 'source', 'status', 'reason', 'contact_skipped'),
    name: `coalesce(t.name, 'Campaign ' || t.campaign_id)`,
    program_type: 'p.type',
    preparing: 't.preparing',
    contact_total: 'k.pending + k.active + k.completed + k.failed + k.invalid',
    contact_done: 'k.completed + k.failed + k.invalid',
    contact_pending: 'k.pending',
    contact_active: 'k.active',
    contact_completed: 'k.completed',
    contact_failed: 'k.failed',
    contact_invalid: 'k.invalid',
    rate: 'round((t.speed * 60)::numeric)::int8',
    time_left: `case when t.status = 'running' and t.preparing = 0 and t.speed > 0
                     then ceil((k.pending + k.active) / t.speed)::int8 end`,
    failures: `(select coalesce(jsonb_object_agg(f.cause, f.n), '{}') from (
                  select substr(kind, 7) as cause, sum(n) as n from campaign_tally y
                   where y.campaign_id = t.campaign_id and kind like 'cause:%' group by 1) f)`,
    last_run: unixTime('t.last_run'),
    started_at: unixTime('t.started_at'),
    finished_at: unixTime('t.finished_at'),
    ...OWNED_FIELDS,
  },
  filters: {
    campaign_id: { kind: 'exact', value: 'int', sql: 't.campaign_id' },
    group_id: { kind: 'exact', value: 'int', sql: 't.group_id' },
    program_id: { kind: 'exact', value: 'int', sql: 't.program_id' },
    account_id: { kind: 'exact', value: 'int', sql: 't.account_id' },
    status: { kind: 'exact', value: 'text', sql: 't.status' },
    name: { kind: 'contains', sql: `coalesce(t.name, 'Campaign ' || t.campaign_id)` },
  },
  sortable: ['status', 'date_created'],
};

const settable = {
  name: nullableText(128).optional(),
  account_id: int().nullish().describe('Absent, null or -1: your default account'),
  cpm: nullableInt(1, MAX_CPM).optional().describe('Attempts per minute; empty: the configured pace (2)'),
  delay: nullableInt(1000, MICROSECONDS * 60)
    .optional()
    .describe('In place of cpm: microseconds between attempts (ICTCore 2017)'),
  concurrency: nullableInt(1, 1_000_000).optional().describe('Most attempts in flight; empty: no limit'),
  try_allowed: int(1, 100).optional(),
  source: nullableText(128).optional(),
};

/** Body of S52. */
export const campaignCreate = z
  .object({
    program_id: rowId(),
    group_id: rowId(),
    ...settable,
    start: flag().optional().describe('1: start it at once'),
  })
  .transform(delayAsCpm)
  .meta({ id: 'CampaignCreate' });
export type CampaignCreate = z.infer<typeof campaignCreate>;

/** Body of S54; absent fields stay as they are. */
export const campaignUpdate = z
  .object({ program_id: rowId().nullish(), group_id: rowId().nullish(), ...settable })
  .transform(delayAsCpm)
  .meta({ id: 'CampaignUpdate' });
export type CampaignUpdate = z.infer<typeof campaignUpdate>;

/** `delay` is another way to say `cpm`; the pace that both can express is at most {@link MAX_CPM}. */
function delayAsCpm<T extends { cpm?: number | null | undefined; delay?: number | null | undefined }>(
  input: T,
): Omit<T, 'delay'> {
  const { delay, ...rest } = input;
  if (delay === undefined || delay === null || (rest.cpm !== undefined && rest.cpm !== null)) return rest;
  return { ...rest, cpm: Math.min(MAX_CPM, Math.max(1, Math.round(MICROSECONDS / delay))) };
}

const id = z.int().nullable();
const count = (text: string) => z.int().describe(text);

/** A campaign as read and listed. */
export const campaignRead = z
  .object({
    campaign_id: z.int(),
    name: z.string(),
    program_id: id,
    program_type: z.string().nullable(),
    group_id: id,
    account_id: id,
    service_flag: z.int(),
    cpm: id.describe('Attempts per minute; null: as fast as carriers take them'),
    concurrency: id,
    try_allowed: z.int(),
    source: z.string(),
    status: z.enum(CAMPAIGN_STATES).exclude(['deleting']),
    reason: z.string().describe('completed, user, or what broke it'),
    preparing: z.int().describe('1 while transmissions are still being made of the group'),
    contact_total: count('Transmissions; the sum of pending, active, completed, failed and invalid'),
    contact_done: count('Those in a final state'),
    contact_pending: count('Waiting for the first or another attempt'),
    contact_active: count('An attempt is running'),
    contact_completed: count('Delivered'),
    contact_failed: count('Failed for good'),
    contact_invalid: count('Cancelled before they could be sent (contact deleted ...)'),
    contact_skipped: count('Members without the phone or e-mail that the channel needs; not in the total'),
    rate: count('Transmissions finished per minute, of late'),
    time_left: id.describe('Seconds until the end at this rate; null if nobody can say'),
    failures: z.record(z.string(), z.int()).describe('Failed attempts by cause'),
    last_run: id,
    started_at: id,
    finished_at: id,
    user_id: id,
    date_created: z.int(),
    last_updated: id,
  })
  .meta({ id: 'Campaign' });
export type CampaignRow = z.infer<typeof campaignRead>;
