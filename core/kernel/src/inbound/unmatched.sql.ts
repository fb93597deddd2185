import type { Channel, Fact } from '@ictcore/contract';
import type { Tx } from '../database/database';
import type { Sql } from '../database/sql';
import type { StoredAttachment } from '../messages/templates/attachments';
import type { ReceivedMessage, RemoteParty } from './received-message';

const KEEP = `
insert into inbound_unmatched (provider_id, ref, channel, source, source_name, destination, reason, subject, text, html, facts)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) returning unmatched_id`;

const KEEP_FILE = `
insert into inbound_unmatched_file (unmatched_id, position, name, media_type, size, storage_key)
values ($1, $2, $3, $4, $5, $6)`;

const FILES = `
select name, media_type, size, storage_key from inbound_unmatched_file where unmatched_id = $1 order by position`;

/** SQL for the sweep: those of the keys in `$1` that anything refers to. */
export const INBOUND_KEYS = `
select storage_key as key from inbound_unmatched_file where storage_key = any($1::text[])
union all select storage_key from template_attachment where storage_key = any($1::text[])
union all select storage_key from message_media where storage_key = any($1::text[])`;

interface UnmatchedRow {
  provider_id: number | null;
  ref: string;
  channel: Channel;
  source: string;
  source_name: string;
  destination: string;
  subject: string | null;
  text: string | null;
  html: string | null;
  facts: Fact[];
}

/** Keeps what nobody takes, and tells of it. Returns its id. */
export async function keepUnmatched(
  tx: Tx,
  providerId: number,
  message: ReceivedMessage,
  reason: string,
): Promise<number> {
  const { ref, channel, from, to, subject, text, html, facts, files } = message;
  const [source, destination] = [shown(channel, from), shown(channel, to)];
  const values = [providerId, ref, channel, source, from.name, destination, reason.slice(0, 255), subject, text, html];
  const [row] = await tx.query<{ unmatched_id: number }>(KEEP, [...values, JSON.stringify(facts)]);
  const id = row?.unmatched_id as number;
  for (const [index, { name, mediaType, size, key }] of files.entries()) {
    await tx.query(KEEP_FILE, [id, index + 1, name, mediaType, size, key]);
  }
  const data = { unmatched_id: id, provider_id: providerId, channel, from, to, ref, reason };
  await tx.query(`insert into event (type, data) values ('message.unmatched', $1)`, [JSON.stringify(data)]);
  return id;
}

/** An unmatched message, locked for the rest of the transaction; undefined if it is gone. */
export async function lockUnmatched(
  tx: Tx,
  id: number,
): Promise<{ providerId: number | null; message: ReceivedMessage } | undefined> {
  const [row] = await tx.query<UnmatchedRow>(
    `select provider_id, ref, channel, source, source_name, destination, subject, text, html, facts
       from inbound_unmatched where unmatched_id = $1 for update`,
    [id],
  );
  if (!row) return undefined;
  const { provider_id: providerId, ref, channel, subject, text, html, facts } = row;
  const from = partyOf(channel, row.source, row.source_name);
  const to = partyOf(channel, row.destination, '');
  const files = await unmatchedFiles(tx, id);
  return { providerId, message: { channel, ref, from, to, subject: subject ?? '', text, html, facts, files } };
}

export async function unmatchedFiles(sql: Sql, id: number): Promise<StoredAttachment[]> {
  const rows = await sql.query<{ name: string; media_type: string; size: number; storage_key: string }>(FILES, [id]);
  return rows.map(({ name, media_type, size, storage_key }) => ({
    key: storage_key,
    size,
    name,
    mediaType: media_type,
  }));
}

function shown(channel: Channel, party: RemoteParty): string {
  return (channel === 'email' ? party.email : party.phone) ?? '';
}

function partyOf(channel: Channel, address: string, name: string): RemoteParty {
  const value = address === '' ? null : address;
  return channel === 'email' ? { phone: null, email: value, name } : { phone: value, email: null, name };
}
