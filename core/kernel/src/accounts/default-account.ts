import type { SecretBox } from '../boot/secrets';
import type { Tx } from '../database/database';
import { firstRow } from '../database/sql';
import type { AccountAddress } from './account-hooks';
import { randomSecrets, sealSecrets } from './account-secrets';

/** Longest user name of an account. */
const MAX_USERNAME = 64;

/** Copies the user; on a clash of the name (an account that an earlier user of that name has left) does nothing. */
const INSERT = `
insert into account (type, username, first_name, last_name, phone, phone_normalized, email, address, active, created_by)
select 'account', $2, first_name, last_name, phone, $3, email, address, active, user_id from usr where user_id = $1
on conflict (type, username) do nothing
returning account_id`;

/**
 * The account that every user gets with his creation: type `account`, his name, phone and e-mail, random secrets
 * (API section 1.14). Returns its id.
 */
export async function insertDefaultAccount(
  tx: Tx,
  box: SecretBox,
  user: { user_id: number; username: string; phone_normalized: string | null },
): Promise<number> {
  const suffix = `-${user.user_id}`;
  const names = [user.username, user.username.slice(0, MAX_USERNAME - suffix.length) + suffix];
  for (const name of names) {
    const row = await firstRow<{ account_id: number }>(tx, INSERT, [user.user_id, name, user.phone_normalized]);
    if (row) {
      await tx.query('update account set secrets = $2 where account_id = $1', [
        row.account_id,
        sealSecrets(box, row.account_id, randomSecrets()),
      ]);
      return row.account_id;
    }
  }
  throw new Error(`both names for the default account of user ${user.user_id} are taken`);
}

/**
 * The user's default account follows his phone and e-mail while it still has the old ones (API section 1.14). Returns
 * the account, whose inbound programs may have to follow too.
 */
export async function followUser(
  tx: Tx,
  userId: number,
  before: { phone: string | null; email: string | null },
  after: { phone: string | null; phone_normalized: string | null; email: string | null },
): Promise<AccountAddress | undefined> {
  return firstRow<AccountAddress>(
    tx,
    `update account set
       phone = case when phone is not distinct from $2 then $4 else phone end,
       phone_normalized = case when phone is not distinct from $2 then $5 else phone_normalized end,
       email = case when email is not distinct from $3 then $6 else email end,
       last_updated = now()
     where account_id = (select min(account_id) from account where created_by = $1 and type = 'account')
     returning account_id, phone_normalized, email`,
    [userId, before.phone, before.email, after.phone, after.phone_normalized, after.email],
  );
}
