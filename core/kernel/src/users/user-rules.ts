import { type Actor, forbidden, wrongState } from '@ictcore/contract';
import type { Tx } from '../database/database';
import { firstRow } from '../database/sql';
import { ADMIN_ROLE, USER_ROLE } from '../permissions/kernel-permissions';

/**
 * 403 unless the actor may administer this user: himself, or one who holds nothing that the actor lacks. Otherwise
 * whoever may change users could give an administrator a new password and log in as him. What the role `user` grants
 * does not count: administrators need not have contacts of their own to administer those who do.
 */
export async function requireMayManage(actor: Actor, userId: number, tx: Tx): Promise<void> {
  if (actor.userId === userId) return;
  const rows = await tx.query<{ name: string }>(
    `select p.name from permission p
      where p.permission_id in (
              select up.permission_id from user_permission up where up.user_id = $1
              union all
              select rp.permission_id from user_role ur join role_permission rp on rp.role_id = ur.role_id
               where ur.user_id = $1)
        and p.permission_id not in (
              select rp.permission_id from role r join role_permission rp on rp.role_id = r.role_id
               where r.name = $2 and r.built_in = 1)
      order by p.name`,
    [userId, USER_ROLE],
  );
  const lacking = rows.find((row) => !actor.can(row.name));
  if (lacking) throw forbidden(`This user holds ${lacking.name}, which you do not have; ask one who has it`);
}

/**
 * 423 if without this user no active administrator were left. The role's row is locked for the rest of the
 * transaction, so that two administrators cannot remove each other at the same time.
 */
export async function requireAnotherAdmin(userId: number, tx: Tx): Promise<void> {
  const admin = await firstRow<{ role_id: number }>(
    tx,
    'select role_id from role where name = $1 and built_in = 1 for update',
    [ADMIN_ROLE],
  );
  if (!admin) return;
  const admins = await tx.query<{ user_id: number }>(
    `select u.user_id from user_role ur join usr u on u.user_id = ur.user_id
      where ur.role_id = $1 and u.active = 1 order by (u.user_id = $2) desc limit 2`,
    [admin.role_id, userId],
  );
  if (admins.length === 1 && admins[0]?.user_id === userId) {
    throw wrongState('This is the last active administrator; make another one first');
  }
}
