import { randomBytes } from 'node:crypto';
import { insertDefaultAccount } from '../accounts/default-account';
import type { Config } from '../boot/config';
import type { SecretBox } from '../boot/secrets';
import type { Database, Tx } from '../database/database';
import { firstRow } from '../database/sql';
import {
  ADMIN_ROLE,
  isAdminRolePermission,
  KERNEL_PERMISSIONS,
  type PermissionText,
  USER_ROLE,
  USER_ROLE_PERMISSIONS,
} from '../permissions/kernel-permissions';
import { hashPassword } from './passwords';
import { ensureSigningKeys } from './signing-keys';

/** Any constant, the same in every version: "ICTI" as ASCII. */
const LOCK_KEY = 0x49435449;

const ROLE_TEXTS: Readonly<Record<string, string>> = {
  [USER_ROLE]: 'Sends and receives: contacts, messages, programs, transmissions, campaigns of one’s own',
  [ADMIN_ROLE]: 'Administers: users, roles, accounts, providers, and everybody’s rows',
};

/** What {@link bootstrapIdentity} has to tell. */
export interface Bootstrapped {
  /** The first administrator's password, if it was made just now. To be shown once, never logged. */
  adminPassword?: string;
}

/**
 * Brings what identity needs into the database: signing keys, permissions (the kernel's and `permissions`, the
 * plugins'), the built-in roles, the first administrator. Every boot calls it; what is there stays as it is, and
 * several servers may call it at once.
 *
 * A built-in role gets its permissions when it is made, later only those that are new to the database: what an
 * administrator has taken from a role does not come back. Plugins' permissions go to the role `admin`.
 *
 * @throws `MASTER_KEY_MISMATCH` if the database's secrets were encrypted with another key than this server's
 */
export function bootstrapIdentity(
  database: Database,
  box: SecretBox,
  config: Pick<Config, 'admin_password'>,
  permissions: readonly PermissionText[],
): Promise<Bootstrapped> {
  return database.transaction(async (tx) => {
    await tx.query('select pg_advisory_xact_lock($1)', [LOCK_KEY]);
    await ensureSigningKeys(tx, box);
    const added = await insertPermissions(tx, [...KERNEL_PERMISSIONS, ...permissions]);
    await ensureRole(tx, USER_ROLE, added, (name) => USER_ROLE_PERMISSIONS.includes(name));
    await ensureRole(tx, ADMIN_ROLE, added, isAdminRolePermission);
    return createFirstAdmin(tx, box, config.admin_password);
  });
}

/** Inserts what is not there yet; returns those names. */
async function insertPermissions(tx: Tx, permissions: readonly PermissionText[]): Promise<string[]> {
  const rows = await tx.query<{ name: string }>(
    `insert into permission (name, description)
     select name, left(description, 255) from unnest($1::text[], $2::text[]) as p (name, description)
     on conflict (name) do nothing returning name`,
    [permissions.map(({ name }) => name), permissions.map(({ description }) => description)],
  );
  return rows.map((row) => row.name);
}

async function ensureRole(
  tx: Tx,
  name: string,
  added: readonly string[],
  belongs: (permission: string) => boolean,
): Promise<void> {
  const [made] = await tx.query(
    `insert into role (name, description, built_in) values ($1, $2, 1)
     on conflict (name) do update set built_in = 1 where role.built_in = 0 returning role_id`,
    [name, ROLE_TEXTS[name]],
  );
  const all = made ? await tx.query<{ name: string }>('select name from permission') : [];
  const candidates = made ? all.map((row) => row.name) : added;
  await tx.query(
    `insert into role_permission (role_id, permission_id)
     select r.role_id, p.permission_id from role r, permission p where r.name = $1 and p.name = any($2::text[])
     on conflict do nothing`,
    [name, candidates.filter(belongs)],
  );
}

async function createFirstAdmin(tx: Tx, box: SecretBox, configured: string | undefined): Promise<Bootstrapped> {
  if (await firstRow(tx, 'select 1 from usr limit 1')) return {};
  const password = configured ?? randomBytes(15).toString('base64url');
  const passwd = await hashPassword(password);
  const admin = await firstRow<{ user_id: number }>(
    tx,
    `insert into usr (username, passwd, first_name, email) values ('admin', $1, 'Administrator', 'admin@localhost')
     returning user_id`,
    [passwd],
  );
  if (!admin) throw new Error('the first administrator was not stored');
  await tx.query('insert into user_role (user_id, role_id) select $1, role_id from role where name = any($2::text[])', [
    admin.user_id,
    [ADMIN_ROLE, USER_ROLE],
  ]);
  await insertDefaultAccount(tx, box, { user_id: admin.user_id, username: 'admin', phone_normalized: null });
  return configured === undefined ? { adminPassword: password } : {};
}
