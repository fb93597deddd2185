import { type Actor, forbidden, wrongState } from '@ictcore/contract';
import type { Sql } from '../database/sql';

/** Kinds of stored messages, as `program_resource.resource_type` names them. */
export type MessageKind = 'template' | 'text' | 'document' | 'recording';

/** The program, if any, that uses this message for transmissions which are not finished yet. */
const USER = `
  select p.program_id, p.name
    from program_resource r
    join program p on p.program_id = r.program_id
   where r.resource_type = $1 and r.resource_id = $2
     and exists (select 1 from transmission x
                  where x.program_id = p.program_id and x.is_deleted = 0
                    and x.status in ('pending', 'pending_retry', 'initializing', 'processing'))
   order by p.program_id
   limit 1`;

/**
 * Refuses to delete a message that is still needed: 423 naming the program. `force` overrides it for holders of
 * `<kind>_admin` (403 for others); what is then sent fails for lack of its message.
 */
export async function refuseWhileInUse(
  actor: Actor,
  kind: MessageKind,
  id: number,
  sql: Sql,
  force = false,
): Promise<void> {
  if (force) {
    if (!actor.can(`${kind}_admin`)) throw forbidden(`Permission ${kind}_admin is needed for force=1`);
    return;
  }
  const [user] = await sql.query<{ program_id: number; name: string }>(USER, [kind, id]);
  if (!user) return;
  throw wrongState(
    `Program ${user.program_id} (${user.name}) uses this ${kind} and has transmissions that are not finished; ` +
      'wait for them or delete them first',
  );
}

const PROCESSING = `
  select x.transmission_id
    from program_resource r
    join transmission x on x.program_id = r.program_id
   where r.resource_type = $1 and r.resource_id = $2 and x.status in ('processing', 'initializing')
   limit 1`;

/** Refuses to change what a running transmission is sending: 423 naming it. */
export async function refuseWhileProcessing(kind: MessageKind, id: number, sql: Sql): Promise<void> {
  const [user] = await sql.query<{ transmission_id: number }>(PROCESSING, [kind, id]);
  if (!user) return;
  throw wrongState(
    `Transmission ${user.transmission_id} is sending this ${kind}; change it when that has ended, or make a new one`,
  );
}
