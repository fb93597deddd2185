/**
 * The ledger's invariants as questions: each finds the rows that break one. A statement sees one moment of the database,
 * and every step of the engine is one statement or one transaction, so that they hold at any instant, also while
 * campaigns run.
 */
export interface LedgerRule {
  rule: string;
  /** Finds `id` and `detail` of rows that break the rule. $1 most rows. */
  sql: string;
}

/** What is finished, and what is not. */
const OPEN_SPOOL = `('queued', 'started', 'connected')`;

export const LEDGER_RULES: readonly LedgerRule[] = [
  {
    rule: 'a campaign counts as many transmissions as it has made',
    sql: `select c.campaign_id as id, format('made %s, there are %s', c.contact_total, count(t.transmission_id)) as detail
            from campaign c left join transmission t on t.campaign_id = c.campaign_id
           group by c.campaign_id having c.contact_total <> count(t.transmission_id) limit $1`,
  },
  {
    rule: 'a campaign’s counters are its transmissions',
    sql: `with fact as (select campaign_id, status as kind, count(*) as n from transmission where campaign_id is not null group by 1, 2),
               told as (select campaign_id, kind, sum(n) as n from campaign_tally where kind not like 'cause:%'
                         group by 1, 2)
          select c.campaign_id as id, format('%s: counted %s, there are %s', kind, coalesce(told.n, 0), coalesce(fact.n, 0)) as detail
            from fact full join told using (campaign_id, kind) join campaign c using (campaign_id)
           where coalesce(fact.n, 0) <> coalesce(told.n, 0) limit $1`,
  },
  {
    rule: 'a contact is in a campaign only once',
    sql: `select campaign_id as id, format('contact %s: %s transmissions', contact_id, count(*)) as detail from transmission
           where campaign_id is not null and contact_id is not null group by campaign_id, contact_id having count(*) > 1 limit $1`,
  },
  {
    rule: 'a transmission has one attempt (spool) for each try',
    sql: `select t.transmission_id as id, format('try_done %s, attempts %s', t.try_done, count(s.spool_id)) as detail
            from transmission t left join spool s on s.transmission_id = t.transmission_id
           where t.direction <> 'internal'
           group by t.transmission_id having t.try_done <> count(s.spool_id) limit $1`,
  },
  {
    rule: 'attempts are numbered 1, 2, 3 ...',
    sql: `select transmission_id as id, format('attempts %s', string_agg(attempt::text, ',' order by spool_id)) as detail from spool
           group by transmission_id having count(*) <> max(attempt) or count(*) <> count(distinct attempt) limit $1`,
  },
  {
    rule: 'a transmission that is processing has exactly one open attempt, any other has none',
    sql: `select t.transmission_id as id, format('%s with %s open attempts', t.status, count(s.spool_id)) as detail
            from transmission t
            left join spool s on s.transmission_id = t.transmission_id and s.status in ${OPEN_SPOOL}
           where t.status = 'processing' or s.spool_id is not null
           group by t.transmission_id
          having count(s.spool_id) <> case when t.status = 'processing' then 1 else 0 end limit $1`,
  },
  {
    rule: 'a transmission that completed or failed has had an attempt',
    sql: `select t.transmission_id as id, t.status as detail from transmission t
           where t.status in ('completed', 'failed') and t.response <> 'campaign_deleted'
             and not exists (select 1 from spool s where s.transmission_id = t.transmission_id) limit $1`,
  },
  {
    rule: 'an attempt that was handed over says to whom and when, one that ended when',
    sql: `select spool_id as id, format('%s, started %s, ended %s', status, time_start, time_end) as detail from spool
           where (status in ('started', 'connected') and time_start is null)
              or (status in ('completed', 'failed', 'invalid')) <> (time_end is not null) limit $1`,
  },
  {
    rule: 'what a campaign that is completed has sent is final',
    sql: `select c.campaign_id as id, format('transmission %s is %s', t.transmission_id, t.status) as detail
            from campaign c join transmission t on t.campaign_id = c.campaign_id
           where c.status = 'completed' and t.status not in ('completed', 'failed', 'invalid')
             -- a finished one may be sent again by hand
             and not exists (select 1 from spool s where s.transmission_id = t.transmission_id and s.time_spool > c.finished_at)
           limit $1`,
  },
];

/** The sums of each campaign, from the transmissions themselves. */
export const CAMPAIGN_SUMS = `
select c.campaign_id, coalesce(c.name, 'Campaign ' || c.campaign_id) as name, c.status, c.contact_total as total,
       c.contact_skipped as skipped,
       count(*) filter (where t.status in ('pending', 'pending_retry')) as pending,
       count(*) filter (where t.status in ('processing', 'initializing', 'done')) as processing,
       count(*) filter (where t.status = 'completed') as completed, count(*) filter (where t.status = 'failed') as failed,
       count(*) filter (where t.status = 'invalid') as invalid,
       (select count(*) from spool s join transmission x using (transmission_id) where x.campaign_id = c.campaign_id
           and s.response = 'unknown_outcome') as unknown_outcome
  from campaign c left join transmission t on t.campaign_id = c.campaign_id
 group by c.campaign_id order by c.campaign_id`;

/** The same for what belongs to no campaign. */
export const SINGLE_SUMS = `
select count(*) as total,
       count(*) filter (where status in ('pending', 'pending_retry')) as pending,
       count(*) filter (where status in ('processing', 'initializing', 'done')) as processing,
       count(*) filter (where status = 'completed') as completed, count(*) filter (where status = 'failed') as failed,
       count(*) filter (where status = 'invalid') as invalid
  from transmission where campaign_id is null`;
