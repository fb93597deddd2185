import { wrongState } from '@ictcore/contract';
import type { Sql } from '../database/sql';
import type { MessageKind } from './in-use';

interface Unready {
  kind: MessageKind;
  id: number;
  /** Null if the row is gone. */
  name: string | null;
  status: string | null;
  detail: string;
}

/** Of the messages that a program uses, one that cannot be sent now: gone, without media, not converted. */
const UNREADY = `
  with used as (select resource_type, resource_id as id from program_resource where program_id = $1)
  select 'document' as kind, u.id, d.name, d.status, d.status_detail as detail
    from used u left join document d on d.document_id = u.id
   where u.resource_type = 'document' and d.status is distinct from 'ready'
  union all
  select 'recording', u.id, r.name, r.status, r.status_detail
    from used u left join recording r on r.recording_id = u.id
   where u.resource_type = 'recording' and r.status is distinct from 'ready'
  union all
  select 'text', u.id, null, null, '' from used u
   where u.resource_type = 'text' and not exists (select 1 from text t where t.text_id = u.id)
  union all
  select 'template', u.id, null, null, '' from used u
   where u.resource_type = 'template' and not exists (select 1 from template t where t.template_id = u.id)
  limit 1`;

/** Refuses to send with a program whose messages are not there or not ready: 423 saying which, and what to do. */
export async function refuseUnready(sql: Sql, programId: number): Promise<void> {
  const [unready] = await sql.query<Unready>(UNREADY, [programId]);
  if (unready) throw wrongState(reasonOf(unready));
}

function reasonOf({ kind, id, name, status, detail }: Unready): string {
  if (name === null) return `Its ${kind} ${id} is deleted; make a new program`;
  const which = `Its ${kind} ${id} (${name})`;
  if (status === 'converting') return `${which} is still being converted; try again in a moment`;
  if (status === 'error') return `${which} could not be converted: ${detail} Upload it again`;
  return `${which} has no media yet; upload a file first`;
}
