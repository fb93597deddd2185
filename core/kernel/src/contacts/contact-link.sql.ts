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
  // The group before the link, as whoever deletes the group does.
  await sql.query('select 1 from contact_group where group_id = $1 for no key update', [groupId]);
  await sql.query('delete from contact_link where group_id = $1 and contact_id = $2', [groupId, contactId]);
}

/** Locks the groups of a contact that is about to be deleted: before its links, as whoever deletes a group does. */
export async function holdGroupsOf(sql: SqlRunner, contactId: number): Promise<void> {
  await sql.query(
    `select 1 from contact_group where group_id in (select group_id from contact_link where contact_id = $1)
      order by group_id for no key update`,
    [contactId],
  );
}
