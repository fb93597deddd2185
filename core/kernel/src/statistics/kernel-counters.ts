import { narrowed, STATISTIC_PARAMETERS, type StatisticCounter } from './statistic-counters';

const { serviceFlag, accountType } = STATISTIC_PARAMETERS;
const service = `(${serviceFlag} is null or t.service_flag & ${serviceFlag} <> 0)`;

/** The counts of the kernel's own tables (API section 9.2). */
export const KERNEL_COUNTERS: readonly StatisticCounter[] = [
  {
    names: ['user_total'],
    sql: `select count(*) as user_total from usr t where ${narrowed('t.user_id', 't.date_created')}`,
  },
  {
    names: ['account_total', 'did_total'],
    sql: `select count(*) filter (where ${accountType} is null or t.type = ${accountType}) as account_total,
                 count(*) filter (where t.type = 'did') as did_total
            from account t where ${narrowed('t.created_by', 't.date_created')}`,
  },
  {
    names: ['group_total'],
    sql: `select count(*) as group_total from contact_group t where ${narrowed('t.created_by', 't.date_created')}`,
  },
  {
    names: ['contact_total'],
    sql: `select count(*) as contact_total from contact t where ${narrowed('t.created_by', 't.date_created')}`,
  },
  {
    names: ['transmission_total', 'transmission_inbound', 'transmission_outbound', 'transmission_active'],
    sql: `select count(*) as transmission_total,
                 count(*) filter (where t.direction = 'inbound') as transmission_inbound,
                 count(*) filter (where t.direction = 'outbound') as transmission_outbound,
                 count(*) filter (where t.status in ('initializing', 'processing')) as transmission_active
            from transmission t
           where t.is_deleted = 0 and ${service} and ${narrowed('t.created_by', 't.date_created')}`,
  },
  {
    names: ['spool_total', 'spool_success', 'spool_failed'],
    sql: `select count(*) as spool_total,
                 count(*) filter (where s.status = 'completed') as spool_success,
                 count(*) filter (where s.status in ('failed', 'invalid')) as spool_failed
            from spool s join transmission t using (transmission_id)
           where t.is_deleted = 0 and ${service} and ${narrowed('t.created_by', 's.time_spool')}`,
  },
];

/** Counts that are answered as 0 while nobody contributes them: clients read them in any case. */
export const ALWAYS_THERE: readonly string[] = [
  'user_total',
  'account_total',
  'did_total',
  'campaign_total',
  'campaign_active',
  'group_total',
  'contact_total',
  'transmission_total',
  'transmission_inbound',
  'transmission_outbound',
  'transmission_active',
  'spool_total',
  'spool_success',
  'spool_failed',
];
