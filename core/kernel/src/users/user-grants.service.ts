import { type Actor, notFound } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { Database, type Tx } from '../database/database';
import { firstRow } from '../database/sql';
import { ADMIN_ROLE } from '../permissions/kernel-permissions';
import { PermissionService, requireHeld } from '../permissions/permission.service';
import { RoleService } from '../roles/role.service';
import { IdentityChanges } from './identity-changes';
import { requireVisible } from './user.service';
import { requireAnotherAdmin, requireMayManage } from './user-rules';

/** What users may do: guide lines S89 to S92. Everything here takes effect at once, for issued tokens too. */
@scoped(Lifecycle.ContainerScoped)
export class UserGrants {
  constructor(
    @inject(Database) private readonly database: Database,
    @inject(IdentityChanges) private readonly changes: IdentityChanges,
    @inject(PermissionService) private readonly permissions: PermissionService,
    @inject(RoleService) private readonly roles: RoleService,
  ) {}

  /** `GET users/{id}/roles`. */
  async rolesOf(actor: Actor, userId: number): Promise<{ role_id: number; name: string; description: string }[]> {
    await this.requireUser(actor, userId, this.database);
    return this.database.query(
      `select r.role_id, r.name, r.description from user_role ur join role r on r.role_id = ur.role_id
        where ur.user_id = $1 order by r.role_id`,
      [userId],
    );
  }

  /** `GET users/{id}/permissions`: the effective ones; `direct` 1 for those that do not come from a role alone. */
  async permissionsOf(
    actor: Actor,
    userId: number,
  ): Promise<{ permission_id: number; name: string; direct: number }[]> {
    await this.requireUser(actor, userId, this.database);
    return this.database.query(
      `select p.permission_id, p.name, max(held.direct) as direct
         from (select permission_id, 1 as direct from user_permission where user_id = $1
               union all
               select rp.permission_id, 0 from user_role ur join role_permission rp on rp.role_id = ur.role_id
                where ur.user_id = $1) held
         join permission p on p.permission_id = held.permission_id
        group by p.permission_id, p.name order by p.permission_id`,
      [userId],
    );
  }

  /** S89: 403 if the actor does not hold it himself. */
  givePermission(actor: Actor, userId: number, idOrName: string): Promise<void> {
    return this.change(actor, userId, async (tx) => {
      const permission = await this.permissions.find(idOrName, tx);
      requireHeld(actor, [permission.name], `Granting ${permission.name}`);
      await tx.query('insert into user_permission (user_id, permission_id) values ($1, $2) on conflict do nothing', [
        userId,
        permission.permission_id,
      ]);
    });
  }

  /** S90: takes a direct permission; what a role grants stays. */
  takePermission(actor: Actor, userId: number, idOrName: string): Promise<void> {
    return this.change(actor, userId, async (tx) => {
      const permission = await this.permissions.find(idOrName, tx);
      await requireMayManage(actor, userId, tx);
      await tx.query('delete from user_permission where user_id = $1 and permission_id = $2', [
        userId,
        permission.permission_id,
      ]);
    });
  }

  /** S91: 403 if the actor does not hold all that the role grants. */
  giveRole(actor: Actor, userId: number, idOrName: string): Promise<void> {
    return this.change(actor, userId, async (tx) => {
      const role = await this.roles.find(idOrName, tx);
      await this.roles.requireHeldBy(actor, role, tx);
      await tx.query('insert into user_role (user_id, role_id) values ($1, $2) on conflict do nothing', [
        userId,
        role.role_id,
      ]);
    });
  }

  /** S92: 423 for the last administrator's role `admin`. */
  takeRole(actor: Actor, userId: number, idOrName: string): Promise<void> {
    return this.change(actor, userId, async (tx) => {
      const role = await this.roles.find(idOrName, tx);
      await requireMayManage(actor, userId, tx);
      if (role.built_in && role.name === ADMIN_ROLE) await requireAnotherAdmin(userId, tx);
      await tx.query('delete from user_role where user_id = $1 and role_id = $2', [userId, role.role_id]);
    });
  }

  private change(actor: Actor, userId: number, work: (tx: Tx) => Promise<void>): Promise<void> {
    return this.database.transaction(async (tx) => {
      await this.requireUser(actor, userId, tx);
      await work(tx);
      await this.changes.record(tx, { user: userId });
    });
  }

  private async requireUser(actor: Actor, userId: number, sql: Pick<Tx, 'query'>): Promise<void> {
    requireVisible(actor, userId);
    if (!(await firstRow(sql, 'select 1 from usr where user_id = $1 for key share', [userId]))) throw notFound('User');
  }
}
