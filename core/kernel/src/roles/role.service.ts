import { type Actor, notFound, wrongState } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { Database, type Tx } from '../database/database';
import type { ListQuery } from '../database/list-query';
import { OwnedRepository } from '../database/owned-repository';
import { firstRow, type Sql } from '../database/sql';
import type { CrudService } from '../http/crud-routes';
import { ADMIN_ROLE, ADMIN_ROLE_ESSENTIALS } from '../permissions/kernel-permissions';
import { PermissionService, requireHeld } from '../permissions/permission.service';
import { IdentityChanges } from '../users/identity-changes';
import { Role } from './role.model';
import { type RoleCreate, type RoleRead, type RoleUpdate, roleSpec } from './role.schema';

/** A role as it is found by id or name. */
export interface FoundRole {
  role_id: number;
  name: string;
  built_in: number;
}

/** Roles: guide lines S100 to S106. */
@scoped(Lifecycle.ContainerScoped)
export class RoleService implements CrudService<RoleRead, RoleCreate, RoleUpdate> {
  private readonly repository: OwnedRepository<RoleRead>;

  constructor(
    @inject(Database) private readonly database: Database,
    @inject(PermissionService) private readonly permissions: PermissionService,
    @inject(IdentityChanges) private readonly changes: IdentityChanges,
  ) {
    this.repository = new OwnedRepository(database, roleSpec, database.sequelize.getRepository(Role));
  }

  list(actor: Actor, query: ListQuery) {
    return this.repository.list(actor, query);
  }

  count(actor: Actor, query: ListQuery) {
    return this.repository.count(actor, query);
  }

  get(actor: Actor, id: number) {
    return this.repository.get(actor, id);
  }

  create(actor: Actor, input: RoleCreate): Promise<number> {
    const values = { name: input.name, description: input.description ?? '' };
    return this.database.transaction((tx) => this.repository.insert(actor, values, tx));
  }

  /** S103: the built-in ones keep their names. */
  update(actor: Actor, id: number, input: RoleUpdate): Promise<RoleRead> {
    return this.database.transaction(async (tx) => {
      const role = await this.find(String(id), tx);
      if (role.built_in && input.name !== undefined && input.name !== role.name) {
        throw wrongState(`The built-in role ${role.name} keeps its name`);
      }
      await tx.query(
        'update role set name = coalesce($2, name), description = coalesce($3, description) where role_id = $1',
        [id, input.name ?? null, input.description === null ? '' : (input.description ?? null)],
      );
      return this.repository.get(actor, id, tx);
    });
  }

  /** S104: users lose it; built-in ones stay. */
  remove(_actor: Actor, id: number): Promise<void> {
    return this.database.transaction(async (tx) => {
      const role = await this.find(String(id), tx);
      if (role.built_in) throw wrongState(`The built-in role ${role.name} stays`);
      await tx.query('delete from role where role_id = $1', [id]);
      await this.changes.record(tx, 'all');
    });
  }

  /** S105: 403 if the actor does not hold the permission himself. */
  addPermission(actor: Actor, roleIdOrName: string, permissionIdOrName: string): Promise<void> {
    return this.database.transaction(async (tx) => {
      const role = await this.find(roleIdOrName, tx);
      const permission = await this.permissions.find(permissionIdOrName, tx);
      requireHeld(actor, [permission.name], `Granting ${permission.name}`);
      await tx.query('insert into role_permission (role_id, permission_id) values ($1, $2) on conflict do nothing', [
        role.role_id,
        permission.permission_id,
      ]);
      await this.changes.record(tx, 'all');
    });
  }

  /** S106. */
  removePermission(_actor: Actor, roleIdOrName: string, permissionIdOrName: string): Promise<void> {
    return this.database.transaction(async (tx) => {
      const role = await this.find(roleIdOrName, tx);
      const permission = await this.permissions.find(permissionIdOrName, tx);
      if (role.built_in && role.name === ADMIN_ROLE && ADMIN_ROLE_ESSENTIALS.includes(permission.name)) {
        throw wrongState(
          `Without ${permission.name} no administrator could give it back; the role ${role.name} keeps it`,
        );
      }
      await tx.query('delete from role_permission where role_id = $1 and permission_id = $2', [
        role.role_id,
        permission.permission_id,
      ]);
      await this.changes.record(tx, 'all');
    });
  }

  /**
   * A role by id or by name; 404. Not locked: who takes the role of administrators locks it himself, and two that had
   * both locked it a little before would wait for each other.
   */
  async find(idOrName: string, sql: Sql): Promise<FoundRole> {
    const role = await this.lookUp(idOrName, sql);
    if (!role) throw notFound('Role');
    return role;
  }

  /** As {@link find}; undefined if there is none. */
  lookUp(idOrName: string, sql: Sql): Promise<FoundRole | undefined> {
    const id = /^\d{1,15}$/.test(idOrName) ? Number(idOrName) : null;
    return firstRow<FoundRole>(
      sql,
      `select role_id, name, built_in from role where role_id = $1 or ($1::int8 is null and name = $2)`,
      [id, idOrName],
    );
  }

  /** 403 unless the actor holds every permission of the role. */
  async requireHeldBy(actor: Actor, role: FoundRole, tx: Tx): Promise<void> {
    const rows = await tx.query<{ name: string }>(
      `select p.name from role_permission rp join permission p on p.permission_id = rp.permission_id
        where rp.role_id = $1 order by p.name`,
      [role.role_id],
    );
    requireHeld(
      actor,
      rows.map((row) => row.name),
      `Giving the role ${role.name}`,
    );
  }
}
