import { type Actor, conflict, forbidden, invalid, notFound, wrongState } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { AccountService } from '../accounts/account.service';
import { AccountHooks } from '../accounts/account-hooks';
import { followUser, insertDefaultAccount } from '../accounts/default-account';
import type { Config } from '../boot/config';
import { CONFIG } from '../boot/injection';
import { SecretBox } from '../boot/secrets';
import { normalizePhone } from '../contacts/phone';
import { Database, type Tx } from '../database/database';
import type { ListQuery } from '../database/list-query';
import { OwnedRepository } from '../database/owned-repository';
import { firstRow, type Sql } from '../database/sql';
import type { CrudService } from '../http/crud-routes';
import { USER_ROLE } from '../permissions/kernel-permissions';
import { RoleService } from '../roles/role.service';
import { IdentityChanges } from './identity-changes';
import { LoginService } from './login.service';
import { hashPassword } from './passwords';
import { User } from './user.model';
import { type PasswordChange, type UserCreate, type UserRead, type UserUpdate, userSpec } from './user.schema';
import { requireAnotherAdmin, requireMayManage } from './user-rules';

/** Users: guide lines S84 to S88. */
@scoped(Lifecycle.ContainerScoped)
export class UserService implements CrudService<UserRead, UserCreate, UserUpdate> {
  private readonly repository: OwnedRepository<UserRead>;

  constructor(
    @inject(Database) private readonly database: Database,
    @inject(CONFIG) private readonly config: Config,
    @inject(SecretBox) private readonly box: SecretBox,
    @inject(IdentityChanges) private readonly changes: IdentityChanges,
    @inject(LoginService) private readonly logins: LoginService,
    @inject(RoleService) private readonly roles: RoleService,
    @inject(AccountService) private readonly accounts: AccountService,
    @inject(AccountHooks) private readonly accountHooks: AccountHooks,
  ) {
    this.repository = new OwnedRepository(database, userSpec, database.sequelize.getRepository(User));
  }

  list(actor: Actor, query: ListQuery) {
    return this.repository.list(actor, query);
  }

  count(actor: Actor, query: ListQuery) {
    return this.repository.count(actor, query);
  }

  /** S86: oneself, or anybody for who may list users; else 404. */
  async get(actor: Actor, id: number, sql: Sql = this.database): Promise<UserRead> {
    requireVisible(actor, id);
    return this.repository.get(actor, id, sql);
  }

  /** S84: with the role `user` unless told otherwise, and a default account. */
  async create(actor: Actor, input: UserCreate): Promise<number> {
    const passwd = await hashPassword((input.password ?? input.passwd) as string);
    return this.database.transaction(async (tx) => {
      await requireFreeNames(tx, 0, input.username, input.email);
      const { username, email } = input;
      const columns = { ...plainColumns(input), username, email, passwd, created_by: actor.userId || null };
      const id = await this.repository.insert(actor, columns, tx);
      await this.giveRoles(actor, id, input.roles ?? [USER_ROLE], tx);
      await insertDefaultAccount(tx, this.box, {
        user_id: id,
        username: input.username,
        phone_normalized: normalizePhone(input.phone, this.config.country),
      });
      return id;
    });
  }

  /** S87: touches neither roles nor permissions; a new password or `active` 0 ends the user's tokens. */
  async update(actor: Actor, id: number, input: UserUpdate): Promise<UserRead> {
    requireVisible(actor, id);
    const password = input.password ?? input.passwd;
    const passwd = password === undefined ? undefined : await hashPassword(password);
    return this.database.transaction(async (tx) => {
      const before = await this.repository.lock(actor, id, tx);
      await requireMayManage(actor, id, tx);
      if (input.active === 0 && before.active === 1) await requireAnotherAdmin(id, tx);
      if (input.email !== undefined) await requireFreeNames(tx, id, null, input.email);
      const email = input.email === undefined ? {} : { email: input.email };
      await this.repository.update(actor, id, { ...plainColumns(input), ...email, ...(passwd && { passwd }) }, tx);
      if (passwd !== undefined || (input.active === 0 && before.active === 1)) await endSessions(id, tx);
      const after = await this.repository.get(actor, id, tx);
      const phone_normalized = normalizePhone(after.phone, this.config.country);
      const account = await followUser(tx, id, before, { phone: after.phone, email: after.email, phone_normalized });
      if (account && (after.phone !== before.phone || after.email !== before.email)) {
        await this.accountHooks.addressChanged(actor, account, tx);
      }
      await this.changes.record(tx, { user: id });
      return after;
    });
  }

  /**
   * `PUT users/{id}/password`: one's own with the current one, others' with `user_update`. Ends the user's tokens, the
   * one used for this request too.
   */
  async changePassword(actor: Actor, id: number, input: PasswordChange, address: string): Promise<void> {
    requireVisible(actor, id);
    if (id === actor.userId) await this.requireCurrentPassword(actor, input, address);
    else if (!actor.can('user_update'))
      throw forbidden('Permission user_update is needed to set the password of others');
    const passwd = await hashPassword(input.password);
    await this.database.transaction(async (tx) => {
      await this.repository.lock(actor, id, tx);
      await requireMayManage(actor, id, tx);
      await this.repository.update(actor, id, { passwd }, tx);
      await endSessions(id, tx);
      await this.changes.record(tx, { user: id });
    });
  }

  /** S88: his data stays, for administrators; nothing more is sent for him; his accounts are free to assign. */
  remove(actor: Actor, id: number): Promise<void> {
    requireVisible(actor, id);
    if (id === actor.userId) throw wrongState('You cannot delete yourself; ask another administrator');
    return this.database.transaction(async (tx) => {
      await this.repository.lock(actor, id, tx);
      await requireMayManage(actor, id, tx);
      await requireAnotherAdmin(id, tx);
      await this.accounts.dissociateAllOf(actor, id, tx);
      await cancelPlans(id, tx);
      await this.repository.remove(actor, id, tx);
      await this.changes.record(tx, { user: id });
    });
  }

  private async requireCurrentPassword(actor: Actor, input: PasswordChange, address: string): Promise<void> {
    if (input.current_password === undefined) throw invalid('current_password', 'is required', 'required');
    const principal = await this.logins.verify({ userId: actor.userId }, input.current_password, address);
    if (!principal) throw invalid('current_password', 'is wrong', 'wrong');
  }

  /** The role `user` is what everybody gets; any other needs what it grants. */
  private async giveRoles(actor: Actor, id: number, wanted: readonly string[], tx: Tx): Promise<void> {
    for (const idOrName of new Set(wanted)) {
      const role = await this.roles.lookUp(idOrName, tx);
      if (!role) throw invalid('roles', `role ${idOrName} not found`, 'exists');
      if (!role.built_in || role.name !== USER_ROLE) await this.roles.requireHeldBy(actor, role, tx);
      await tx.query('insert into user_role (user_id, role_id) values ($1, $2) on conflict do nothing', [
        id,
        role.role_id,
      ]);
    }
  }
}

/** 404 unless the actor may see this user (API section 5.4: self or user_list). */
export function requireVisible(actor: Actor, id: number): void {
  if (id !== actor.userId && !actor.can('user_list') && !actor.can('user_admin')) throw notFound('User');
}

function plainColumns(input: UserUpdate): Record<string, unknown> {
  const { first_name, last_name, phone, address, company, country_id, language_id, timezone_id, active } = input;
  const all = { first_name, last_name, phone, address, company, country_id, language_id, timezone_id, active };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/**
 * 409 if the name is another's user name or e-mail. The indexes see to each column; that one's user name is not
 * another's e-mail is seen to here, because both are taken at login.
 */
async function requireFreeNames(tx: Tx, id: number, username: string | null, email: string): Promise<void> {
  const taken = await firstRow<{ by_email: boolean }>(
    tx,
    `select lower($3) in (lower(username), lower(email)) as by_email from usr
      where user_id <> $1 and (lower(username) in (lower($2::text), lower($3)) or lower(email) in (lower($2::text), lower($3)))
      limit 1`,
    [id, username, email],
  );
  if (!taken) return;
  const field = taken.by_email ? 'email' : 'username';
  throw conflict(`${field} is already taken`, [{ field, message: 'is already taken', rule: 'unique' }]);
}

/**
 * Voids the user's tokens. Locks the row first: a login that is being completed at this moment has its moment before
 * this one's, or does not get a token (see LOGIN_MOMENT).
 */
async function endSessions(id: number, tx: Tx): Promise<void> {
  await tx.query('select 1 from usr where user_id = $1 for update', [id]);
  await tx.query('update usr set tokens_valid_from = clock_timestamp() where user_id = $1', [id]);
}

/** Nothing is sent any more for a user who is being deleted: neither what he scheduled nor further tries. */
async function cancelPlans(id: number, tx: Tx): Promise<void> {
  await tx.query(
    `update transmission set next_run = null, last_updated = now()
      where created_by = $1 and status = 'pending' and next_run is not null`,
    [id],
  );
  await tx.query(
    `update transmission set status = 'failed', response = 'canceled', next_run = null, last_updated = now()
      where created_by = $1 and status = 'pending_retry'`,
    [id],
  );
}
