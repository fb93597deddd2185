import {
  type Actor,
  type AnyProgram,
  IctError,
  invalid,
  notFound,
  resourceFields,
  wrongState,
} from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { AccountService } from '../accounts';
import { Catalog } from '../boot/catalog';
import { Database, type Tx } from '../database/database';
import { ProgramService } from '../programs';

type Body = Readonly<Record<string, unknown>>;

/** $1 account, $2 name. Programs tied to the account: all (null), one by its id, or those of a type. */
const TIED = `
select p.program_id from program p join program_resource r on r.program_id = p.program_id
 where r.resource_type = 'account' and r.resource_id = $1
   and ($2::text is null or p.program_id::text = $2 or p.type = $2)
 order by p.program_id`;

/** Which programs serve an account: guide lines S79 to S81. */
@scoped(Lifecycle.ContainerScoped)
export class AccountPrograms {
  constructor(
    @inject(Database) private readonly database: Database,
    @inject(Catalog) private readonly catalog: Catalog,
    @inject(AccountService) private readonly accounts: AccountService,
    @inject(ProgramService) private readonly programs: ProgramService,
  ) {}

  /**
   * S79. A type: the account's program of that type, made at the first call and changed by later ones. An id: that
   * program is bound to the account. Of a body only what is a parameter of the type counts; an account's own record is
   * welcome as a body.
   *
   * @throws 404 for an unknown type or id; 409 if another program has the account's number or address; 412 if the
   * account lacks it, or the type is not for accounts
   */
  install(actor: Actor, accountId: number, name: string, body: Body = {}): Promise<number> {
    return this.database.transaction(async (tx) => {
      const account = await this.lock(actor, accountId, tx);
      const parameters = { ...without(body, ACCOUNT_FIELDS), account_id: account.account_id };
      if (/^\d+$/.test(name)) return this.bindExisting(actor, Number(name), parameters, tx);
      this.requireForAccounts(this.typeNamed(name));
      const [existing] = await tx.query<{ program_id: number }>(TIED, [account.account_id, name]);
      if (!existing) return this.programs.createIn(actor, name, parameters, tx);
      await this.programs.updateIn(actor, existing.program_id, parameters, tx);
      return existing.program_id;
    });
  }

  /** S80, S81: by type or id, or all of them. 404 if a name matches nothing; 423 while one of them is at work. */
  uninstall(actor: Actor, accountId: number, name?: string): Promise<void> {
    return this.database.transaction(async (tx) => {
      const account = await this.lock(actor, accountId, tx);
      const removed = await removePrograms(account.account_id, tx, name);
      if (removed === 0 && name !== undefined) throw notFound(`Program ${name} of this account`);
    });
  }

  private async bindExisting(actor: Actor, id: number, parameters: Body, tx: Tx): Promise<number> {
    const row = await this.programs.repository.lock(actor, id, tx);
    this.requireForAccounts(this.programs.typeOf(row));
    await this.programs.updateIn(actor, id, parameters, tx);
    return id;
  }

  private async lock(actor: Actor, accountId: number, tx: Tx) {
    return this.accounts.repository.lock(actor, await this.accounts.resolve(actor, accountId, tx), tx);
  }

  private typeNamed(type: string): AnyProgram {
    const program = this.catalog.program(type);
    if (program) return program;
    const known = this.catalog.programs().map((each) => each.type);
    throw new IctError(`There is no program type ${type}; there are: ${known.sort().join(', ')}`, {
      code: 'NOT_FOUND',
      status: 404,
    });
  }

  private requireForAccounts(program: AnyProgram): void {
    if (resourceFields(program.parameters).account_id === 'account') return;
    throw invalid('program_name', `a ${program.type} program is not bound to an account`, 'enum');
  }
}

/** Fields of an account that mean something else as parameters of a program. */
const ACCOUNT_FIELDS = ['account_id', 'type', 'name', 'parent_id', 'phone', 'email'];

function without(body: Body, fields: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(body).filter(([name]) => !fields.includes(name)));
}

/**
 * Removes programs tied to an account; their transmissions that wait become invalid. Returns how many there were.
 *
 * @throws 423 while one of them is at work
 */
export async function removePrograms(accountId: number, tx: Tx, name?: string): Promise<number> {
  const rows = await tx.query<{ program_id: number }>(TIED, [accountId, name ?? null]);
  const ids = rows.map((row) => row.program_id);
  if (ids.length === 0) return 0;
  const [busy] = await tx.query(
    `select 1 from transmission where program_id = any($1::int8[]) and status in ('processing', 'initializing') limit 1`,
    [ids],
  );
  if (busy) throw wrongState('A program of this account is at work; try again when its transmission has ended');
  await tx.query(
    `update transmission set status = 'invalid', response = 'program_deleted', next_run = null, last_updated = now()
      where program_id = any($1::int8[]) and status in ('pending', 'pending_retry')`,
    [ids],
  );
  await tx.query('delete from program where program_id = any($1::int8[])', [ids]);
  return ids.length;
}
