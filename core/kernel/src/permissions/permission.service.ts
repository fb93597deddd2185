import { type Actor, forbidden, notFound } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { Database } from '../database/database';
import type { ListQuery } from '../database/list-query';
import { OwnedRepository } from '../database/owned-repository';
import { firstRow, type Sql } from '../database/sql';
import { Permission } from './permission.model';
import { type PermissionCreate, type PermissionRow, permissionSpec } from './permission.schema';

/** Permissions: guide lines S98 and S99. Plugins' come in at boot (`bootstrapIdentity`). */
@scoped(Lifecycle.ContainerScoped)
export class PermissionService {
  private readonly repository: OwnedRepository<PermissionRow>;

  constructor(@inject(Database) private readonly database: Database) {
    this.repository = new OwnedRepository(database, permissionSpec, database.sequelize.getRepository(Permission));
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

  /** 409 if there is one of this name. */
  create(actor: Actor, input: PermissionCreate): Promise<number> {
    const values = { name: input.name, description: input.description ?? '' };
    return this.database.transaction((tx) => this.repository.insert(actor, values, tx));
  }

  /** A permission by id or by name; 404. Locked against removal for the rest of a transaction. */
  async find(idOrName: string, sql: Sql): Promise<{ permission_id: number; name: string }> {
    const id = /^\d{1,15}$/.test(idOrName) ? Number(idOrName) : null;
    const row = await firstRow<{ permission_id: number; name: string }>(
      sql,
      `select permission_id, name from permission where permission_id = $1 or ($1::int8 is null and name = $2)
          for key share`,
      [id, idOrName],
    );
    if (!row) throw notFound('Permission');
    return row;
  }
}

/** 403 unless the actor holds all of these: nobody hands out more than he has. */
export function requireHeld(actor: Actor, permissions: readonly string[], what: string): void {
  const lacking = permissions.find((name) => !actor.can(name));
  if (lacking !== undefined) {
    throw forbidden(`${what} takes permission ${lacking}, which you do not have yourself`);
  }
}
