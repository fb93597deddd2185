import { type Actor, wrongState } from '@ictcore/contract';
import { Lifecycle, scoped } from 'tsyringe';
import type { Tx } from '../database/database';

/** What of an account others build upon. */
export interface AccountAddress {
  account_id: number;
  phone_normalized: string | null;
  email: string | null;
}

/**
 * What happens elsewhere when an account changes hands or its address. Programs know how they are uninstalled and
 * bound: their module sets these at its setup; until then the rows are simply removed.
 */
@scoped(Lifecycle.ContainerScoped)
export class AccountHooks {
  /** Uninstalls every program tied to the account; throws 423 if one of them is busy. */
  uninstallPrograms: (actor: Actor, accountId: number, tx: Tx) => Promise<void> = removePrograms;

  /** Binds the account's inbound programs to its new phone or e-mail; throws 409 if that is taken. */
  addressChanged: (actor: Actor, address: AccountAddress, tx: Tx) => Promise<void> = async () => undefined;
}

const TIED = `
select program_id from program_resource where resource_type = 'account' and resource_id = $1`;

async function removePrograms(_actor: Actor, accountId: number, tx: Tx): Promise<void> {
  const [busy] = await tx.query(
    `select 1 from transmission where program_id in (${TIED}) and status in ('processing', 'initializing') limit 1`,
    [accountId],
  );
  if (busy) throw wrongState('A program of this account is at work; try again when its transmission has ended');
  await tx.query(
    `update transmission set status = 'invalid', response = 'program_deleted', next_run = null, last_updated = now()
      where program_id in (${TIED}) and status in ('pending', 'pending_retry')`,
    [accountId],
  );
  await tx.query(`delete from program where program_id in (${TIED})`, [accountId]);
}
