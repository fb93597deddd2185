/**
 * The engine's hot paths: set-based, one round trip each. Arrays come in by UNNEST, rows are claimed with SKIP LOCKED,
 * and every statement that hands work to a node checks that the node is alive by the database's own clock.
 */

/** Channel of PostgreSQL NOTIFY by which a node without a worker wakes those that have one. */
export const QUEUE_CHANNEL = 'ictcore_queue';

/** True while the node's heartbeat is fresh. `$node` and `$lease` (seconds) are positions of the parameters. */
const nodeAlive = (node: string, lease: string) =>
  `exists (select 1 from node n where n.node_id = ${node} and n.stopped_at is null
            and n.heartbeat_at > now() - make_interval(secs => ${lease}))`;

/**
 * $1 transmission ids, $2 states they may be in, $3 lane. Makes one attempt for each, moves the transmission to
 * processing and takes the snapshots of numbers and addresses (API 1.8). Returns the new attempts.
 */
export const RELEASE = `
with due as (
  select t.transmission_id, c.phone as contact_phone, c.email as contact_email,
         a.phone as account_phone, a.email as account_email
    from transmission t
    left join contact c on c.contact_id = t.contact_id
    left join account a on a.account_id = t.account_id
   where t.transmission_id = any($1::int8[]) and t.status = any($2::text[]) and t.is_deleted = 0
   order by t.transmission_id
     for update of t
), moved as (
  update transmission t
     set status = 'processing', try_done = t.try_done + 1, last_run = now(), next_run = null, response = '',
         contact_phone = coalesce(t.contact_phone, due.contact_phone),
         contact_email = coalesce(t.contact_email, due.contact_email),
         account_phone = coalesce(t.account_phone, due.account_phone),
         account_email = coalesce(t.account_email, due.account_email)
    from due
   where t.transmission_id = due.transmission_id
  returning t.transmission_id, t.account_id, t.service_flag, t.try_done, t.created_by
), told as (
  insert into event (type, user_id, data)
  select 'transmission.processing', created_by, jsonb_build_object('transmission_id', transmission_id) from moved
)
insert into spool (transmission_id, account_id, service_flag, attempt, lane)
select transmission_id, account_id, service_flag, try_done, $3 from moved order by transmission_id
returning spool_id, transmission_id`;

/** $1 most rows. Transmissions whose retry is due. Campaigns pace their own; schedules send theirs. */
export const DUE = `
select transmission_id from transmission
 where campaign_id is null and next_run <= now() and status = 'pending_retry' and is_deleted = 0
 order by next_run limit $1`;

/** $1 node, $2 most rows, $3 lease, $4 highest lane. Claims queued attempts: single sends (lane 0) before campaigns. */
export const CLAIM = `
with next as (
  select spool_id from spool
   where status = 'queued' and node_id is null and lane <= $4 and available_at <= now() and ${nodeAlive('$1', '$3')}
   order by lane, available_at, spool_id
   limit $2
     for update skip locked
)
update spool s set node_id = $1 from next where s.spool_id = next.spool_id returning s.spool_id`;

/** $1 spool ids. All that an attempt needs to be built: transmission, program, both parties, owner. */
export const ATTEMPT_CONTEXT = `
select s.spool_id, s.attempt, s.lane, s.status as spool_status, s.provider_id, s.call_id, s.deferrals, s.node_id,
       extract(epoch from s.time_spool)::float8 as queued_at, extract(epoch from s.time_start)::float8 as started_at,
       extract(epoch from s.time_connect)::float8 as connected_at,
       t.transmission_id, t.title, t.service_flag, t.direction, t.status, t.response, t.try_allowed, t.try_done,
       t.retry_delay, t.campaign_id, t.created_by as user_id, extract(epoch from t.last_run)::int8 as last_run,
       t.contact_phone, t.contact_email, t.account_phone, t.account_email,
       t.account_id, t.contact_id, t.program_id, p.type as program_type, p.data as program_data,
       jsonb_build_object('contact_id', c.contact_id, 'first_name', c.first_name, 'last_name', c.last_name,
         'phone', t.contact_phone, 'email', t.contact_email, 'address', c.address, 'custom1', c.custom1,
         'custom2', c.custom2, 'custom3', c.custom3, 'description', c.description) as contact,
       jsonb_build_object('first_name', a.first_name, 'last_name', a.last_name, 'phone', t.account_phone,
         'email', t.account_email, 'address', a.address) as account,
       jsonb_build_object('first_name', u.first_name, 'last_name', u.last_name, 'email', u.email, 'phone', u.phone,
         'company', u.company) as owner,
       a.active as account_active, u.active as user_active, u.timezone_id
  from spool s
  join transmission t on t.transmission_id = s.transmission_id
  left join program p on p.program_id = t.program_id
  left join contact c on c.contact_id = t.contact_id
  left join account a on a.account_id = t.account_id
  left join usr u on u.user_id = t.created_by
 where s.spool_id = any($1::int8[])`;

/**
 * $1 spool ids, $2 provider ids, $3 node, $4 lease. Marks attempts as about to leave. Committed before the hand-over:
 * only what is returned may be handed over. Nothing of a campaign that does not run begins any more.
 */
export const START = `
update spool s set status = 'started', provider_id = r.provider_id, time_start = coalesce(s.time_start, clock_timestamp())
  from unnest($1::int8[], $2::int8[]) as r(spool_id, provider_id)
 where s.spool_id = r.spool_id and s.status in ('queued', 'started') and s.node_id = $3 and ${nodeAlive('$3', '$4')}
   and (s.campaign_id is null or s.status = 'started'
        or exists (select 1 from campaign c where c.campaign_id = s.campaign_id and c.status = 'running'))
returning s.spool_id`;

/** $1 spool ids, $2 milliseconds each, $3 node, $4 1 if the carrier said so (counts as a deferral). Back to the queue. */
export const REQUEUE = `
update spool s
   set status = 'queued', node_id = null, time_start = null, provider_id = null, deferrals = s.deferrals + $4,
       available_at = clock_timestamp() + make_interval(secs => r.after_ms / 1000.0)
  from unnest($1::int8[], $2::float8[]) as r(spool_id, after_ms)
 where s.spool_id = r.spool_id and s.node_id = $3 and s.status in ('queued', 'started')`;

/**
 * Records what became of attempts, in one statement: attempt, facts, transmission, event.
 * $1 spool ids · $2 statuses · $3 responses · $4 reasons · $5 call ids · $6 amounts · $7 seconds until the deadline
 * (null: none) · $8 statuses at the deadline · $9 transmission statuses (null: unchanged) · $10 transmission responses ·
 * $11 seconds until the retry · $12-15 facts: spool id, type, name, data · $16 node that holds the claim, for ends that
 * come before a hand-over: if another node has taken the attempt over meanwhile, it is that one's to end (null: any).
 * A finished attempt never changes: late or doubled reports find no row. Only what was handed over can be accepted.
 */
export const RECORD = `
with r as (
  select * from unnest($1::int8[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int4[], $7::float8[], $8::text[],
                       $9::text[], $10::text[], $11::float8[], $16::int4[])
    as r(spool_id, status, response, reason, call_id, amount, deadline, deadline_status, t_status, t_response, retry_in,
         claimed_by)
), s as (
  update spool s
     set status = r.status, response = r.response, reason = r.reason, call_id = coalesce(r.call_id, s.call_id),
         amount = r.amount,
         time_connect = case when r.status in ('connected', 'completed')
                             then coalesce(s.time_connect, clock_timestamp()) else s.time_connect end,
         time_end = case when r.status in ('completed', 'failed', 'invalid') then clock_timestamp() end,
         deadline_at = case when r.status = 'connected' then clock_timestamp() + make_interval(secs => r.deadline) end,
         deadline_status = r.deadline_status
    from r
   where s.spool_id = r.spool_id
     and (s.status = 'started' or (s.status in ('queued', 'connected') and r.status <> 'connected'))
     and (r.claimed_by is null or (s.node_id = r.claimed_by and s.status = 'queued'))
  returning s.spool_id, s.transmission_id, s.campaign_id, s.reason
), k as (
  insert into campaign_tally (campaign_id, kind, n)
  select campaign_id, 'cause:' || reason, count(*) from s
   where campaign_id is not null and reason is not null group by 1, 2
), f as (
  insert into spool_result (spool_id, type, name, data)
  select distinct on (f.spool_id, f.name) f.spool_id, f.type, f.name, f.data
    from unnest($12::int8[], $13::text[], $14::text[], $15::text[]) as f(spool_id, type, name, data)
    join s on s.spool_id = f.spool_id
  on conflict (spool_id, name) do update set type = excluded.type, data = excluded.data
), t as (
  update transmission t
     set status = r.t_status, response = r.t_response, last_run = now(), last_updated = now(),
         next_run = case when r.retry_in is null then null else now() + make_interval(secs => r.retry_in) end
    from r join s on s.spool_id = r.spool_id
   where t.transmission_id = s.transmission_id and r.t_status is not null and t.status = 'processing'
  returning t.transmission_id, t.status, t.response, t.created_by, t.campaign_id, t.try_done, r.spool_id
), e as (
  insert into event (type, user_id, data)
  select 'transmission.' || t.status, t.created_by,
         jsonb_build_object('transmission_id', t.transmission_id, 'spool_id', t.spool_id, 'response', t.response,
                            'try_done', t.try_done, 'campaign_id', t.campaign_id)
    from t
)
select spool_id from s`;

/** $1 provider, $2 carrier ids. The attempts that reports speak of. */
export const SPOOLS_BY_CALL = `
select call_id, spool_id from spool where provider_id = $1 and call_id = any($2::text[])`;

/** $1 provider, $2 carrier ids, $3 reports as JSON. */
export const PARK = `
insert into report_parked (provider_id, call_id, report)
select $1, r.call_id, r.report from unnest($2::text[], $3::jsonb[]) as r(call_id, report)`;

/** $1 most rows. Parked reports whose attempt is known by now; they are forgotten once they have been applied. */
export const UNPARK = `
select p.ctid::text as place, p.provider_id, p.report
  from report_parked p join spool s on s.provider_id = p.provider_id and s.call_id = p.call_id limit $1`;

/** $1 places. */
export const FORGET_PARKED = `delete from report_parked where ctid = any($1::text[]::tid[])`;

/** Reports that nothing was ever handed over for. */
export const FORGET_OLD_PARKED = `delete from report_parked where parked_at < now() - interval '7 days'`;

/** Nodes without a heartbeat for the lease ($1 seconds) are dead; never oneself ($2). */
export const BURY_NODES = `
update node set stopped_at = now()
 where stopped_at is null and node_id <> $2 and heartbeat_at < now() - make_interval(secs => $1) returning node_id`;

/** What dead nodes had claimed but not begun goes back to the queue. */
export const REQUEUE_OF_DEAD = `
update spool s set node_id = null from node n
 where s.node_id = n.node_id and n.stopped_at is not null and s.status = 'queued'`;

/** $1 most rows. What dead nodes had begun: nobody knows whether it left. */
export const STARTED_OF_DEAD = `
select s.spool_id from spool s join node n on n.node_id = s.node_id
 where n.stopped_at is not null and s.status = 'started' limit $1`;

/** $1 most rows. Attempts whose final report never came. */
export const OVERDUE = `
select spool_id, deadline_status from spool
 where status = 'connected' and deadline_at < now() order by deadline_at limit $1`;

/** $1 node, $2 spool ids in its hands. Claims that a failed round has left behind go back to the queue. */
export const FREE_LOST_CLAIMS = `
update spool set node_id = null
 where node_id = $1 and status = 'queued' and not spool_id = any($2::int8[])`;

/** $1 node, $2 spool ids in its hands, $3 seconds. Attempts begun here whose end was never recorded. */
export const LOST_STARTED = `
select spool_id from spool
 where node_id = $1 and status = 'started' and not spool_id = any($2::int8[])
   and time_start < now() - make_interval(secs => $3) limit 500`;
