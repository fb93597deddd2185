import { type Actor, forbidden, invalid, notFound, wrongState } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { Config } from '../boot/config';
import { CONFIG } from '../boot/injection';
import { SecretBox } from '../boot/secrets';
import { normalizePhone } from '../contacts/phone';
import { Database, type Tx } from '../database/database';
import type { Conditions, ListQuery } from '../database/list-query';
import { OwnedRepository } from '../database/owned-repository';
import { firstRow, type Sql } from '../database/sql';
import type { CrudService } from '../http/crud-routes';
import { Account } from './account.model';
import { type AccountCreate, type AccountRead, type AccountUpdate, accountSpec } from './account.schema';
import { AccountHooks } from './account-hooks';
import { type AccountSecrets, openSecrets, sealSecrets } from './account-secrets';
import { AccountSettingCatalog } from './account-setting-catalog';

/** `account_id` of "the caller's default account" (API section 0.2). */
export const DEFAULT_ACCOUNT = -1;

/** A row with its secrets as they are stored; rows of lists come without any. */
type StoredAccount = AccountRead & { secrets: string | null };

/** Accounts: guide lines S74 to S78, S82 and S83. */
@scoped(Lifecycle.ContainerScoped)
export class AccountService implements CrudService<AccountRead, AccountCreate, AccountUpdate> {
  readonly repository: OwnedRepository<StoredAccount>;

  constructor(
    @inject(Database) private readonly database: Database,
    @inject(CONFIG) private readonly config: Config,
    @inject(SecretBox) private readonly box: SecretBox,
    @inject(AccountSettingCatalog) private readonly settings: AccountSettingCatalog,
    @inject(AccountHooks) private readonly hooks: AccountHooks,
  ) {
    this.repository = new OwnedRepository(database, accountSpec, database.sequelize.getRepository(Account));
  }

  list(actor: Actor, query: ListQuery, extra?: (conditions: Conditions) => void) {
    return this.repository.list(actor, query, extra);
  }

  count(actor: Actor, query: ListQuery, extra?: (conditions: Conditions) => void) {
    return this.repository.count(actor, query, extra);
  }

  /** The account with its secrets: nobody but its owner and `account_admin` gets to see it at all. -1: the default. */
  async get(actor: Actor, id: number, sql: Sql = this.database): Promise<AccountRead> {
    return this.opened(await this.repository.get(actor, await this.resolve(actor, id, sql), sql));
  }

  /** S74; `user_id` gives it to somebody else at once. */
  async create(actor: Actor, input: AccountCreate): Promise<number> {
    const username = input.username ?? input.phone ?? input.email;
    if (!username) throw invalid('username', 'is required unless there is a phone or an email', 'required');
    if (username.length > 64) throw invalid('username', 'must be at most 64 characters; give one of your own', 'max');
    const owner = input.user_id ?? actor.userId;
    if (owner !== actor.userId && !actor.can('user_update')) {
      throw forbidden('Permission user_update is needed to make an account for another user');
    }
    return this.database.transaction(async (tx) => {
      if (owner !== actor.userId) await requireUser(owner, tx);
      const values = { type: input.type, username, created_by: owner, settings: {} };
      const id = await this.repository.insert(actor, { ...values, ...this.toColumns(input, {}) }, tx);
      const { passwd = null, passwd_pin = null } = input;
      await this.storeSecrets(id, { passwd, passwd_pin }, tx);
      return id;
    });
  }

  /** S77: `username` and `type` stay; `settings` are merged. */
  update(actor: Actor, id: number, input: AccountUpdate): Promise<AccountRead> {
    return this.database.transaction(async (tx) => {
      const before = await this.repository.lock(actor, await this.resolve(actor, id, tx), tx);
      const columns = this.toColumns(input, before.settings);
      await this.repository.update(actor, before.account_id, columns, tx);
      if (input.passwd !== undefined || input.passwd_pin !== undefined) {
        const { passwd, passwd_pin } = openSecrets(this.box, before.account_id, before.secrets);
        const after = { passwd: input.passwd ?? passwd, passwd_pin: input.passwd_pin ?? passwd_pin };
        if (input.passwd === null) after.passwd = null;
        if (input.passwd_pin === null) after.passwd_pin = null;
        await this.storeSecrets(before.account_id, after, tx);
      }
      const after = await this.get(actor, before.account_id, tx);
      if (after.phone !== before.phone || after.email !== before.email) {
        const phone = normalizePhone(after.phone, this.config.country);
        const { account_id, email } = after;
        await this.hooks.addressChanged(actor, { account_id, phone_normalized: phone, email }, tx);
      }
      return after;
    });
  }

  /** S78: 423 for a user's last account and while a transmission from it is being processed. */
  remove(actor: Actor, id: number): Promise<void> {
    return this.database.transaction(async (tx) => {
      const seen = await this.repository.get(actor, await this.resolve(actor, id, tx), tx);
      // The user before the account, as when a user is deleted: otherwise the two could wait for each other.
      if (seen.user_id !== null) await requireAnotherAccount(seen.user_id, seen.account_id, tx);
      const account = await this.repository.lock(actor, seen.account_id, tx);
      if (account.user_id !== seen.user_id) throw wrongState('This account has just changed hands; look at it again');
      await this.hooks.uninstallPrograms(actor, account.account_id, tx);
      await releaseTransmissions(account.account_id, tx);
      await this.repository.remove(actor, account.account_id, tx);
    });
  }

  /** S82: another owner; the programs of the old one are uninstalled. */
  assign(actor: Actor, id: number, userId: number): Promise<void> {
    return this.database.transaction(async (tx) => {
      const account = await this.repository.lock(actor, await this.resolve(actor, id, tx), tx);
      if (!(await userExists(userId, tx))) throw notFound('User');
      if (account.user_id !== userId) await this.setOwner(actor, account.account_id, userId, tx);
    });
  }

  /** S83: nobody's, free to assign. */
  dissociate(actor: Actor, id: number): Promise<void> {
    return this.database.transaction(async (tx) => {
      const account = await this.repository.lock(actor, await this.resolve(actor, id, tx), tx);
      if (account.user_id !== null) await this.setOwner(actor, account.account_id, null, tx);
    });
  }

  /** Takes all accounts from a user who is being deleted. */
  async dissociateAllOf(actor: Actor, userId: number, tx: Tx): Promise<void> {
    const rows = await tx.query<{ account_id: number }>(
      'select account_id from account where created_by = $1 order by account_id for update',
      [userId],
    );
    for (const { account_id } of rows) await this.setOwner(actor, account_id, null, tx);
  }

  /**
   * The newest active account of the caller's; of those, one that has what the channel needs goes first, so that a new
   * extension does not take the sender from his mails. 412 if there is none (API section 10, Q18).
   */
  async defaultAccountOf(actor: Actor, sql: Sql = this.database, needs?: 'phone' | 'email'): Promise<number> {
    const row = await firstRow<{ account_id: number }>(
      sql,
      `select account_id from account where created_by = $1 and active = 1
        order by case $2::text when 'phone' then phone is null when 'email' then email is null else false end,
                 account_id desc limit 1`,
      [actor.userId, needs ?? null],
    );
    if (row) return row.account_id;
    const message = 'you have no active account; ask an administrator to assign one to you, or create one';
    throw invalid('account_id', message, 'exists');
  }

  /** The id that a body or path means: -1, null and nothing are the default account. No check of ownership. */
  async resolve(actor: Actor, id: number | null | undefined, sql: Sql = this.database): Promise<number> {
    return id === undefined || id === null || id === DEFAULT_ACCOUNT ? this.defaultAccountOf(actor, sql) : id;
  }

  /** SIP secret and voicemail PIN, for provisioning and switches. The caller answers for who may know them. */
  async secretsOf(accountId: number, sql: Sql = this.database): Promise<AccountSecrets> {
    const row = await firstRow<{ secrets: string | null }>(sql, 'select secrets from account where account_id = $1', [
      accountId,
    ]);
    if (!row) throw notFound('Account');
    return openSecrets(this.box, accountId, row.secrets);
  }

  private async setOwner(actor: Actor, id: number, owner: number | null, tx: Tx): Promise<void> {
    await this.hooks.uninstallPrograms(actor, id, tx);
    await tx.query('update account set created_by = $2, last_updated = now(), updated_by = $3 where account_id = $1', [
      id,
      owner,
      actor.userId || null,
    ]);
  }

  private async storeSecrets(id: number, secrets: AccountSecrets, tx: Tx): Promise<void> {
    const sealed = sealSecrets(this.box, id, secrets);
    await tx.query('update account set secrets = $2 where account_id = $1', [id, sealed]);
  }

  private opened(account: StoredAccount): AccountRead {
    const { secrets, ...shown } = account;
    return { ...shown, ...openSecrets(this.box, account.account_id, secrets) };
  }

  private toColumns(input: AccountUpdate, stored: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const { first_name, last_name, phone, email, address, active, settings } = input;
    const plain = Object.entries({ first_name, last_name, phone, email, address, active });
    return {
      ...Object.fromEntries(plain.filter(([, value]) => value !== undefined)),
      ...(phone !== undefined && { phone_normalized: normalizePhone(phone, this.config.country) }),
      ...(settings !== undefined && { settings: settings === null ? {} : this.settings.merge(stored, settings) }),
    };
  }
}

async function userExists(userId: number, tx: Tx): Promise<boolean> {
  return (await firstRow(tx, 'select 1 from usr where user_id = $1 for key share', [userId])) !== undefined;
}

async function requireUser(userId: number, tx: Tx): Promise<void> {
  if (!(await userExists(userId, tx))) throw invalid('user_id', `user_id ${userId} not found`, 'exists');
}

/** The user's row is locked, so that two requests at once do not delete the last two accounts. */
async function requireAnotherAccount(userId: number, accountId: number, tx: Tx): Promise<void> {
  await tx.query('select 1 from usr where user_id = $1 for update', [userId]);
  const other = await firstRow(tx, 'select 1 from account where created_by = $1 and account_id <> $2 limit 1', [
    userId,
    accountId,
  ]);
  if (!other) throw wrongState('The last account of a user goes only with the user');
}

async function releaseTransmissions(accountId: number, tx: Tx): Promise<void> {
  const busy = await firstRow(
    tx,
    `select 1 from transmission where account_id = $1 and status in ('processing', 'initializing') limit 1`,
    [accountId],
  );
  if (busy) throw wrongState('A transmission from this account is being processed; try again when it has ended');
  await tx.query(
    `update transmission set status = 'invalid', response = 'account_deleted', next_run = null, last_updated = now()
      where account_id = $1 and status in ('pending', 'pending_retry')`,
    [accountId],
  );
}
