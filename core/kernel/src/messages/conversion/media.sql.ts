import type { MediaKind } from './media-kind';

/** The statements about one kind's media. Table and column names are constants of ours. */
export interface MediaSql {
  readonly insertChange: string;
  readonly insertFile: string;
  readonly storedBytes: string;
  readonly claim: string;
  readonly release: string;
  readonly next: string;
  readonly files: string;
  readonly held: string;
  readonly dropFiles: string;
  readonly dropAll: string;
  readonly keepOriginals: string;
  readonly describe: string;
  readonly settle: string;
  readonly fail: string;
  readonly left: string;
  readonly addPdf: string;
  readonly lock: string;
  readonly dropUnused: string;
}

/** True (SQL) if the node that converts for the row is gone: stopped, or without a heartbeat for $lease seconds. */
const abandoned = (lease: string) => `not exists (
       select 1 from node n where n.node_id = t.converter and n.stopped_at is null
          and n.heartbeat_at > now() - make_interval(secs => ${lease}))`;

export function mediaSql({ table, key, qualityColumn }: MediaKind): MediaSql {
  const waiting = `exists (select 1 from media_change c where c.${key} = t.${key} and c.state = 'waiting')`;
  return {
    insertChange: `
      with marked as (
        update ${table} t set status = 'converting', converter = coalesce(t.converter, $6::int) where t.${key} = $1)
      insert into media_change (${key}, action, quality, unlimited, created_by)
      values ($1, $2, $3, $4, $5) returning change_id`,
    insertFile: `
      insert into message_media (storage_key, ${key}, role, position, name, media_type, size, change_id)
      values ($1, $2, $3, $4, $5, $6, $7, $8)`,
    /** Bytes that count against the limit: $2 true leaves out what a replacement would drop. */
    storedBytes: `
      select coalesce(sum(size), 0)::int8 as bytes from message_media
       where ${key} = $1 and (role = 'waiting' or (role = 'original' and not $2::bool))`,
    /** Takes the row for this node ($2), unless nothing is to be done or a living node is at it. */
    claim: `
      update ${table} t set converter = $2
       where t.${key} = $1 and ${waiting}
         and (t.converter is null or t.converter = $2 or ${abandoned('$3')})
      returning 1 as claimed`,
    release: `update ${table} set converter = null where ${key} = $1 and converter = $2`,
    /** The oldest change, with one more try counted. A second try means that whoever waited is gone. */
    next: `
      update media_change c
         set tries = c.tries + 1, detached = case when c.tries > 0 then 1 else c.detached end
        from ${table} t
       where t.${key} = $1 and t.converter = $2
         and c.change_id = (select min(change_id) from media_change where ${key} = $1 and state = 'waiting')
      returning c.change_id, c.action, c.unlimited, c.tries, c.detached, c.created_by,
                coalesce(c.quality, ${qualityColumn}) as quality,
                extract(epoch from now() - c.date_created)::float8 as age`,
    files: `
      select storage_key, role, position, name, media_type, size, change_id from message_media
       where ${key} = $1 order by role, change_id, position`,
    /** Locks the row and the change: no row if either is gone or another node has taken over. */
    held: `
      select c.detached from ${table} t join media_change c on c.${key} = t.${key}
       where t.${key} = $1 and t.converter = $2 and c.change_id = $3 and c.state = 'waiting' for update`,
    dropFiles: `delete from message_media where ${key} = $1 and role = any($2::text[]) returning storage_key`,
    dropAll: `delete from message_media where ${key} = $1 returning storage_key`,
    /** The files of change $2 become originals behind those that are there. */
    keepOriginals: `
      update message_media m
         set role = 'original', change_id = null, position = m.position +
             (select coalesce(max(o.position), 0) from message_media o where o.${key} = $1 and o.role = 'original')
       where m.${key} = $1 and m.change_id = $2`,
    /** What the row says about its originals; type, name and media type are those of the first one. */
    describe: `
      update ${table} t
         set status_detail = '', last_updated = now(), updated_by = $2, media_type = o.media_type,
             original_name = o.name, type = $3, media_size = o.bytes
        from (select media_type, name, sum(size) over () as bytes, position from message_media
               where ${key} = $1 and role = 'original') o
       where t.${key} = $1
         and o.position = (select min(position) from message_media where ${key} = $1 and role = 'original')`,
    /** The status that follows from the facts; the row is free again when nothing is left to do. */
    settle: `
      update ${table} t
         set status = case when ${waiting} then 'converting'
                           when t.status_detail <> '' then 'error'
                           when exists (select 1 from message_media m where m.${key} = t.${key} and m.role = 'derived')
                             then 'ready' end,
             converter = case when ${waiting} then t.converter end
       where t.${key} = $1
      returning t.converter is not null as more`,
    fail: `update ${table} set status_detail = $2 where ${key} = $1`,
    /** Rows with something to do that no living node is at. */
    left: `
      select distinct t.${key} as id from media_change c join ${table} t on t.${key} = c.${key}
       where c.state = 'waiting' and (t.converter is null or ${abandoned('$1')})
       order by 1 limit 100`,
    addPdf: `
      insert into message_media (storage_key, ${key}, role, media_type, size)
      select $2, $1, 'pdf', 'application/pdf', $3
       where exists (select 1 from message_media where storage_key = $4 and role = 'derived')
      on conflict do nothing returning 1 as added`,
    lock: `select 1 as locked from ${table} where ${key} = $1 for update`,
    /** Takes back a row whose only upload came to nothing. */
    dropUnused: `
      delete from ${table} t where t.${key} = $1 and not ${waiting}
         and not exists (select 1 from message_media m where m.${key} = t.${key})`,
  };
}

/** Those of the keys in `$1` that documents and recordings refer to, for the sweep. */
export const MESSAGE_MEDIA_KEYS = 'select storage_key as key from message_media where storage_key = any($1::text[])';

export const READ_OUTCOME = 'select state, error from media_change where change_id = $1';
export const FORGET_CHANGE = 'delete from media_change where change_id = $1';
/** Nobody waits any more; no row if the outcome is known already. */
export const DETACH = `
  update media_change set detached = 1 where change_id = $1 and state = 'waiting' returning 1 as detached`;
export const FINISH_CHANGE = `update media_change set state = $2, error = $3 where change_id = $1`;
export const UNCOUNT_TRY = `update media_change set tries = tries - 1 where change_id = $1 and state = 'waiting'`;
/** Outcomes that nobody has fetched: whoever waited is gone. */
export const FORGET_OLD = `delete from media_change where state <> 'waiting' and date_created < now() - interval '1 day'`;
