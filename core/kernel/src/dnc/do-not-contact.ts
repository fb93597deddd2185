import { type Channel, type Refused, refused } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { Config } from '../boot/config';
import { CONFIG } from '../boot/injection';
import { normalizeCarrierPhone } from '../contacts/phone';
import type { Sql } from '../database/sql';
import { type Attempt, channelOf } from '../queue/attempt';

/** What is recorded of an attempt that the list forbids (API section 3.5). */
export const DO_NOT_CONTACT = 'do_not_contact';

/**
 * $1 spool ids · $2 owners · $3 channels · $4 normalised destinations · $5 transmissions. The attempts whose destination
 * is on their owner's list or on everybody's, but for the answers to STOP, START and HELP.
 */
const FORBIDDEN = `
select d.spool_id
  from unnest($1::int8[], $2::int8[], $3::text[], $4::text[], $5::int8[])
    as d(spool_id, user_id, channel, normalized, transmission_id)
 where exists (select 1 from contact_dnc c
                where c.channel = d.channel and c.normalized = d.normalized
                  and (c.created_by = d.user_id or c.created_by is null))
   and not exists (select 1 from contact_dnc_answer a where a.transmission_id = d.transmission_id)`;

const ADD = `
insert into contact_dnc (channel, address, normalized, origin, description, created_by)
values ($1, $2, $3, $4, $5, $6) on conflict (channel, normalized, created_by) do nothing returning contact_dnc_id`;

const REMOVE = `
delete from contact_dnc where channel = $1 and normalized = $2 and created_by = $3 returning contact_dnc_id`;

/** One entry as it is stored. */
export interface DncEntry {
  channel: Channel;
  /** As typed. */
  address: string;
  origin: 'api' | 'csv' | 'keyword';
  description: string;
  /** Whose transmissions it stops; null: everybody's. */
  ownerId: number | null;
}

/** Who must not be written to: the rule itself, for the engine's gate and for keywords. */
@scoped(Lifecycle.ContainerScoped)
export class DoNotContact {
  constructor(@inject(CONFIG) private readonly config: Config) {}

  /** The form in which destinations are compared: digits of E.164, addresses in lower case; null if there are none. */
  normalize(channel: Channel, address: string | null): string | null {
    if (!address) return null;
    if (channel === 'email') return address.trim().toLowerCase();
    return normalizeCarrierPhone(address, this.config.country)?.replace('+', '') ?? null;
  }

  /** False if it was there already. */
  async add(sql: Sql, entry: DncEntry): Promise<number | undefined> {
    const { channel, address, origin, description, ownerId } = entry;
    const normalized = this.normalize(channel, address);
    const [row] = await sql.query<{ contact_dnc_id: number }>(ADD, [
      channel,
      address,
      normalized,
      origin,
      description,
      ownerId,
    ]);
    return row?.contact_dnc_id;
  }

  /** Takes the owner's own entry away; entries for everybody stay. False if there was none. */
  async remove(sql: Sql, channel: Channel, address: string, ownerId: number): Promise<boolean> {
    const rows = await sql.query(REMOVE, [channel, this.normalize(channel, address), ownerId]);
    return rows.length > 0;
  }

  /** The engine's check of a batch: what goes out to somebody on the list is refused for good. */
  async check(attempts: readonly Attempt[], sql: Sql): Promise<ReadonlyMap<number, Refused>> {
    const going = attempts.flatMap((attempt) => {
      if (attempt.direction !== 'outbound') return [];
      const channel = channelOf(attempt.service_flag);
      const normalized = this.normalize(channel, channel === 'email' ? attempt.contact_email : attempt.contact_phone);
      return normalized === null ? [] : [{ attempt, channel, normalized }];
    });
    if (going.length === 0) return new Map();
    const rows = await sql.query<{ spool_id: number }>(FORBIDDEN, [
      going.map(({ attempt }) => attempt.spool_id),
      going.map(({ attempt }) => attempt.user_id),
      going.map(({ channel }) => channel),
      going.map(({ normalized }) => normalized),
      going.map(({ attempt }) => attempt.transmission_id),
    ]);
    return new Map(rows.map((row) => [row.spool_id, refused('blocked', DO_NOT_CONTACT)]));
  }
}
