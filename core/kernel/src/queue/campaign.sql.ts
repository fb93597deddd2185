/**
 * What moves campaigns: set-based, one statement per step, safe on any number of nodes at once because each step begins
 * by taking the campaign's row (and leaves it to the node that has it already).
 */

/** States in which a transmission of a campaign still waits. */
const WAITING = `('pending', 'pending_retry')`;

/** Running campaigns, and whether they may release something now: a whole token in the bucket, or no limit. */
export const RUNNING = `
select campaign_id, cpm,
       (cpm is null or tokens + extract(epoch from clock_timestamp() - bucket_at) * cpm / 60.0 >= 1) as ready
  from campaign where status = 'running' order by campaign_id`;

/**
 * $1 campaign, $2 most attempts at once in the queue, $3 lane. Releases what the bucket, the campaign's concurrency and
 * the depth of the queue allow: due retries first, then the next of those never tried. Settings of the campaign hold
 * from now on (try_allowed, account). The row lock is the mutex: the bucket is the same for all nodes, so that they
 * share the rate. Returns how many were released and how many the queue's depth held back.
 */
export const RELEASE_CAMPAIGN = `
with c as (
  select campaign_id, release_after, try_allowed, account_id, concurrency, cpm,
         case when cpm is not null
              then least(tokens + extract(epoch from clock_timestamp() - bucket_at) * cpm / 60.0, greatest(1, cpm / 30.0))
         end as tokens
    from campaign
   where campaign_id = $1 and status = 'running'
     and bucket_at < clock_timestamp() - interval '5 ms'
     for no key update skip locked
), busy as (
  select count(*) filter (where status = 'queued') as queued,
         count(*) filter (where status <> 'connected' or (service_flag & 3) <> 0) as in_flight
    from spool where campaign_id = $1 and status in ('queued', 'started', 'connected')
     and (status <> 'connected' or (select concurrency from c) is not null)
), room as (
  select c.*, greatest(0, least($2 - busy.queued, coalesce(floor(c.tokens), $2),
                                coalesce(c.concurrency - busy.in_flight, $2)))::int as n
    from c, busy
), again as (
  select t.transmission_id from transmission t
   where t.campaign_id = $1 and t.next_run <= now() and t.status in ${WAITING} and t.is_deleted = 0
   order by t.next_run limit (select n from room)
     for update of t skip locked
), fresh as (
  select t.transmission_id from transmission t
   where t.campaign_id = $1 and t.transmission_id > (select release_after from room)
     and t.status = 'pending' and t.next_run is null and t.is_deleted = 0
   order by t.transmission_id limit (select n from room) - (select count(*) from again)
     for update of t
), due as (
  select i.transmission_id, k.phone as contact_phone, k.email as contact_email,
         a.phone as account_phone, a.email as account_email, r.try_allowed, coalesce(r.account_id, t.account_id) as account_id
    from (select transmission_id from again union all select transmission_id from fresh) i
    join transmission t on t.transmission_id = i.transmission_id
    cross join room r
    left join contact k on k.contact_id = t.contact_id
    left join account a on a.account_id = coalesce(r.account_id, t.account_id)
), moved as (
  update transmission t
     set status = 'processing', try_done = t.try_done + 1, last_run = now(), next_run = null, response = '',
         try_allowed = due.try_allowed, account_id = due.account_id,
         contact_phone = coalesce(t.contact_phone, due.contact_phone),
         contact_email = coalesce(t.contact_email, due.contact_email),
         account_phone = coalesce(t.account_phone, due.account_phone),
         account_email = coalesce(t.account_email, due.account_email)
    from due
   where t.transmission_id = due.transmission_id
  returning t.transmission_id, t.account_id, t.service_flag, t.try_done, t.created_by
), told as (
  insert into event (type, user_id, data)
  select 'transmission.processing', created_by,
         jsonb_build_object('transmission_id', transmission_id, 'campaign_id', $1::int8) from moved
), made as (
  insert into spool (transmission_id, account_id, service_flag, attempt, lane, campaign_id)
  select transmission_id, account_id, service_flag, try_done, $3, $1 from moved order by transmission_id
)
update campaign
   set tokens = case when room.cpm is null then 0 else room.tokens - (select count(*) from moved) end,
       bucket_at = clock_timestamp(),
       release_after = greatest(campaign.release_after, coalesce((select max(transmission_id) from fresh), 0)),
       last_run = now()
  from room where campaign.campaign_id = room.campaign_id and exists (select 1 from fresh union all select 1 from again)
returning (select count(*) from moved)::int as released`;

/**
 * $1 most rows. Attempts of campaigns that do not run (stopped, broken, deleted) and have never been handed to a
 * carrier go back: the attempt is as if it had not been made. One that a node is just claiming is left to START, which
 * refuses it, and to the next round.
 */
export const TAKE_BACK = `
with idle as (
  select s.spool_id, s.transmission_id from spool s
   where s.campaign_id is not null and s.status = 'queued' and s.node_id is null and s.deferrals = 0
     and not exists (select 1 from campaign c where c.campaign_id = s.campaign_id and c.status = 'running')
   order by s.spool_id limit $1
     for update of s skip locked
), gone as (
  delete from spool s using idle where s.spool_id = idle.spool_id returning s.transmission_id
)
update transmission t
   set status = case when t.try_done > 1 then 'pending_retry' else 'pending' end, try_done = t.try_done - 1,
       next_run = now()
  from gone where t.transmission_id = gone.transmission_id and t.status = 'processing'
returning t.transmission_id`;

/** Lane of attempts that a carrier put off and whose campaign does not run: nobody claims them. */
export const HELD_LANE = 2;

/** What a carrier has seen and put off cannot be taken back: it waits while its campaign does not run. */
export const HOLD_DEFERRED = `
update spool s set lane = ${HELD_LANE}
 where s.campaign_id is not null and s.status = 'queued' and s.node_id is null and s.deferrals > 0 and s.lane < ${HELD_LANE}
   and not exists (select 1 from campaign c where c.campaign_id = s.campaign_id and c.status = 'running')`;

/** $1 campaign, $2 lane. The campaign runs again. */
export const UNHOLD = `
update spool set lane = $2 where campaign_id = $1 and status = 'queued' and lane = ${HELD_LANE}`;

/** Campaigns with members still to be looked at. */
export const PREPARABLE = `
select campaign_id from campaign where preparing = 1 and status in ('new', 'running') order by campaign_id`;

/** $1 campaign. Taken for a chunk; no row if another node has it. */
export const LOCK_CAMPAIGN = `
select campaign_id from campaign where campaign_id = $1 for no key update skip locked`;

/**
 * $1 campaign (locked by an earlier statement of the same transaction), $2 members per chunk. Transmissions for the next
 * members that have the number or address the channel needs and are not in the campaign yet; the position is committed
 * together with them, so that a restart goes on where it was. Returns whether there is more.
 */
export const PREPARE_CHUNK = `
with c as (
  select c.*, p.name as program_name, p.type as program_type from campaign c
    left join program p on p.program_id = c.program_id
   where c.campaign_id = $1
), member as (
  select l.contact_id from contact_link l
   where l.group_id = (select group_id from c) and l.contact_id > (select prepare_after from c)
   order by l.contact_id limit $2
), checked as (
  select m.contact_id,
         case when (select service_flag from c) & 8 <> 0 then k.email is not null else k.phone is not null end as fits,
         exists (select 1 from transmission t where t.contact_id = m.contact_id and t.campaign_id = $1) as known
    from member m join contact k on k.contact_id = m.contact_id
), made as (
  insert into transmission (title, service_flag, account_id, contact_id, program_id, campaign_id, origin, direction,
                            try_allowed, created_by)
  select coalesce(c.program_name, ''), c.service_flag, c.account_id, k.contact_id, c.program_id, c.campaign_id,
         coalesce(c.program_type, ''), 'outbound', c.try_allowed, c.created_by
    from checked k, c where k.fits and not k.known order by k.contact_id
  returning 1
), seen as (
  select count(*) as members, max(contact_id) as last from member
)
update campaign
   set prepare_after = coalesce(seen.last, prepare_after),
       contact_total = contact_total + (select count(*) from made),
       contact_skipped = contact_skipped + (select count(*) from checked where not fits and not known),
       preparing = case when seen.members < $2 then 0 else 1 end,
       status = case when seen.members < $2 and status = 'new' then 'ready' else status end
  from seen where campaign_id = $1
returning preparing, status, contact_total, contact_skipped`;

/** The sum of a campaign's changes of one kind, in the select list of a statement over `c`. */
const tally = (kinds: string) =>
  `coalesce((select sum(y.n) from campaign_tally y where y.campaign_id = c.campaign_id and y.kind in (${kinds})), 0)`;

const OPEN_KINDS = `'pending', 'pending_retry', 'initializing', 'processing', 'done'`;
const FINAL_KINDS = `'completed', 'failed', 'invalid'`;

/** Ends campaigns whose transmissions are all final, and says so in the outbox. */
export const COMPLETE = `
with over as (
  select c.campaign_id from campaign c
   where c.status = 'running' and c.preparing = 0 and ${tally(OPEN_KINDS)} = 0
     for no key update skip locked
), ended as (
  update campaign c set status = 'completed', reason = 'completed', finished_at = now(), speed = 0
    from over where c.campaign_id = over.campaign_id and c.status = 'running' and c.preparing = 0
  returning c.campaign_id, c.created_by
), told as (
  insert into event (type, user_id, data)
  select 'campaign.completed', created_by, jsonb_build_object('campaign_id', campaign_id) from ended
)
select campaign_id from ended`;

/** Smoothed speed of running campaigns, about once a second. */
export const MEASURE = `
with seen as (
  select c.campaign_id, ${tally(FINAL_KINDS)} as done, extract(epoch from clock_timestamp() - c.done_seen_at) as seconds
    from campaign c
   where c.status = 'running' and c.done_seen_at < clock_timestamp() - interval '950 ms'
     for no key update of c skip locked
)
update campaign c
   set speed = case when c.done_seen_at < c.started_at or seen.seconds > 60 then 0
                    else c.speed + (1 - exp(-seen.seconds / 10.0)) * ((seen.done - c.done_seen) / seen.seconds - c.speed) end,
       done_seen = seen.done, done_seen_at = clock_timestamp()
  from seen where c.campaign_id = seen.campaign_id`;

/** Adds up what has piled up. */
export const FOLD = `
with many as (
  select campaign_id from campaign_tally group by campaign_id having count(*) > 24
), piece as (
  select y.ctid from campaign_tally y join many using (campaign_id) limit 20000 for update of y skip locked
), gone as (
  delete from campaign_tally y using piece where y.ctid = piece.ctid returning y.campaign_id, y.kind, y.n
)
insert into campaign_tally (campaign_id, kind, n)
select campaign_id, kind, sum(n) from gone group by 1, 2 having sum(n) <> 0`;

/**
 * $1 most rows. Retries that a manual send has left behind in a campaign that is over or gone: nobody paces them, so
 * they go as single sends.
 */
export const STRAY_RETRIES = `
select t.transmission_id from transmission t
 where t.campaign_id is not null and t.next_run <= now() and t.status = 'pending_retry' and t.is_deleted = 0
   and not exists (select 1 from campaign c where c.campaign_id = t.campaign_id and c.status <> 'completed')
 limit $1`;

/** A campaign whose program or account is gone cannot go on. */
export const BREAK_ORPHANS = `
update campaign set status = 'broken', finished_at = now(),
       reason = case when program_id is null then 'the program was deleted' else 'the account was deleted' end
 where status = 'running' and (program_id is null or account_id is null)
returning campaign_id, reason`;

/** $1 campaign, $2 reason. */
export const BREAK = `
with ended as (
  update campaign set status = 'broken', reason = $2, finished_at = now()
   where campaign_id = $1 and status = 'running' returning campaign_id, created_by
)
insert into event (type, user_id, data)
select 'campaign.broken', created_by, jsonb_build_object('campaign_id', campaign_id, 'reason', $2::text) from ended
returning 1`;

/** Campaigns being deleted. */
export const DELETING = `
select campaign_id from campaign where status = 'deleting' order by campaign_id`;

/** $1 campaign, $2 most rows. Transmissions of a deleted campaign that will not be sent any more. */
export const CANCEL_WAITING = `
with waiting as (
  (select transmission_id from transmission
    where campaign_id = $1 and next_run is not null and status in ${WAITING} limit $2)
  union
  (select transmission_id from transmission
    where campaign_id = $1 and transmission_id > (select release_after from campaign where campaign_id = $1)
      and status in ${WAITING} order by transmission_id desc limit $2)
)
update transmission t
   set status = 'invalid', response = 'campaign_deleted', next_run = null, last_updated = now()
  from waiting where t.transmission_id = waiting.transmission_id and t.status in ${WAITING}
returning t.transmission_id`;

/** $1 campaign. What a carrier had put off and the campaign's deletion ends: it was handed over, so it has failed. */
export const END_HELD = `
with held as (
  update spool set status = 'failed', reason = 'cancelled', response = 'campaign_deleted', time_end = clock_timestamp()
   where campaign_id = $1 and status = 'queued' and node_id is null and lane = ${HELD_LANE}
  returning transmission_id
)
update transmission t set status = 'failed', response = 'campaign_deleted', last_updated = now()
  from held where t.transmission_id = held.transmission_id and t.status = 'processing'`;

/** $1 campaign. Removes its row when nothing of it is open any more; its finished transmissions stay. */
export const REMOVE_DELETED = `
with over as (
  delete from campaign c where c.campaign_id = $1 and c.status = 'deleting' and ${tally(OPEN_KINDS)} = 0
  returning c.campaign_id
)
delete from campaign_tally y using over where y.campaign_id = over.campaign_id`;
