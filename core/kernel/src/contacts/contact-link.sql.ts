import type { SqlRunner } from '@ictcore/contract';

/** Puts a contact into groups; links that are there already stay. The groups' totals follow by trigger. */
export async function linkContact(sql: SqlRunner, contactId: number, groupIds: readonly number[]): Promise<void> {
  await sql.query(
    `insert into contact_link (group_id, contact_id) select distinct g, $2::int8 from unnest($1::int8[]) g
     on conflict do nothing`,
    [groupIds, contactId],
  );
}

/** Takes a contact out of a group, if it is in it. */
export async function unlinkContact(sql: SqlRunner, contactId: number, groupId: number): Promise<void> {
  await sql.query('delete from contact_link where group_id = $1 and contact_id = $2', [groupId, contactId]);
}
