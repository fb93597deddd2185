import type { SqlRunner } from '@ictcore/contract';

const KEY = `hashtextextended('contact import into group ' || $1::int8, 0)`;

/** Takes the lock of imports into this group for the connection; false if another import holds it. */
export async function takeImportLock(sql: SqlRunner, groupId: number): Promise<boolean> {
  const [row] = await sql.query<{ taken: boolean }>(`select pg_try_advisory_lock(${KEY}) as taken`, [groupId]);
  return row?.taken === true;
}

/** As {@link takeImportLock}, until the end of the transaction. */
export async function takeImportLockForTransaction(sql: SqlRunner, groupId: number): Promise<boolean> {
  const [row] = await sql.query<{ taken: boolean }>(`select pg_try_advisory_xact_lock(${KEY}) as taken`, [groupId]);
  return row?.taken === true;
}
