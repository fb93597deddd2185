import { type Actor, invalid } from '@ictcore/contract';
import { Lifecycle, scoped } from 'tsyringe';
import type { OwnedRepository } from './owned-repository';
import type { Sql } from './sql';

/** Finds a noun's repository by its name, for ids that come inside bodies. Nouns add themselves at boot. */
@scoped(Lifecycle.ContainerScoped)
export class ResourceDirectory {
  private readonly repositories = new Map<string, OwnedRepository<object>>();

  add(repository: OwnedRepository<object>): void {
    this.repositories.set(repository.spec.name, repository);
  }

  names(): string[] {
    return [...this.repositories.keys()];
  }

  /** 412 naming the field unless the row exists and the actor may see it. */
  requireVisible(actor: Actor, resource: string, field: string, id: number, sql: Sql): Promise<void> {
    return this.requireAllVisible(actor, resource, field, [id], sql);
  }

  /** As {@link requireVisible}, for several rows of one kind. */
  async requireAllVisible(
    actor: Actor,
    resource: string,
    field: string,
    ids: readonly number[],
    sql: Sql,
  ): Promise<void> {
    const repository = this.repositories.get(resource);
    if (!repository) throw invalid(field, `this server knows no ${resource}`, 'exists');
    await repository.requireVisible(actor, field, ids, sql);
  }
}
