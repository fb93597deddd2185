import { type Actor, wrongState } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { ContactService } from '../contacts';
import { type ContactRow, inGroup } from '../contacts/contact.schema';
import { linkContact, unlinkContact } from '../contacts/contact-link.sql';
import { Database } from '../database/database';
import type { Conditions, ListQuery } from '../database/list-query';
import { OwnedRepository, type Page } from '../database/owned-repository';
import type { CrudService } from '../http/crud-routes';
import { Group } from './group.model';
import { type GroupCreate, type GroupRow, type GroupUpdate, groupSpec } from './group.schema';
import { GroupHooks } from './group-hooks';
import { takeImportLockForTransaction } from './group-lock';

/** Groups and their members: guide lines S6 to S10. */
@scoped(Lifecycle.ContainerScoped)
export class GroupService implements CrudService<GroupRow, GroupCreate, GroupUpdate> {
  readonly repository: OwnedRepository<GroupRow>;

  constructor(
    @inject(Database) private readonly database: Database,
    @inject(ContactService) private readonly contacts: ContactService,
    @inject(GroupHooks) private readonly hooks: GroupHooks,
  ) {
    this.repository = new OwnedRepository(database, groupSpec, database.sequelize.getRepository(Group));
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

  create(actor: Actor, input: GroupCreate): Promise<number> {
    return this.repository.insert(actor, toColumns(input));
  }

  update(actor: Actor, id: number, input: GroupUpdate): Promise<GroupRow> {
    return this.database.transaction(async (tx) => {
      await this.repository.update(actor, id, toColumns(input), tx);
      return this.repository.get(actor, id, tx);
    });
  }

  /** S10: its links go, its contacts stay; 423 while a running campaign or an import uses it. */
  remove(actor: Actor, id: number): Promise<void> {
    return this.database.transaction(async (tx) => {
      // Before the row: an import that is being written holds a share of the row until it ends.
      await this.repository.get(actor, id, tx);
      if (!(await takeImportLockForTransaction(tx, id))) {
        throw wrongState('Contacts are being imported into this group; try again when that has ended');
      }
      await this.repository.lock(actor, id, tx);
      await this.hooks.refuseWhileUsed(id, tx);
      await this.repository.remove(actor, id, tx);
    });
  }

  /** The group's contacts that the actor may see; 404 if the group is not the actor's to see. */
  async members(actor: Actor, id: number, query: ListQuery): Promise<Page<ContactRow>> {
    await this.repository.get(actor, id);
    return this.contacts.list(actor, query, membersOf(id));
  }

  /** How many rows {@link members} would give. */
  async memberCount(actor: Actor, id: number, query: ListQuery) {
    await this.repository.get(actor, id);
    return this.contacts.count(actor, query, membersOf(id));
  }

  /** Puts a contact into a group, once; 404 unless the actor may see both. */
  link(actor: Actor, contactId: number, groupId: number): Promise<ContactRow> {
    return this.database.transaction(async (tx) => {
      await this.contacts.repository.get(actor, contactId, tx);
      await this.repository.get(actor, groupId, tx);
      await linkContact(tx, contactId, [groupId]);
      return this.contacts.repository.get(actor, contactId, tx);
    });
  }

  /** Takes a contact out of a group, if it is in it; 404 unless the actor may see both. */
  unlink(actor: Actor, contactId: number, groupId: number): Promise<void> {
    return this.database.transaction(async (tx) => {
      await this.contacts.repository.get(actor, contactId, tx);
      await this.repository.get(actor, groupId, tx);
      await unlinkContact(tx, contactId, groupId);
    });
  }
}

function membersOf(groupId: number) {
  return (conditions: Conditions) => {
    conditions.add(inGroup('= ?'), groupId);
  };
}

function toColumns(input: GroupUpdate): Record<string, unknown> {
  return { ...input, ...(input.description !== undefined && { description: input.description ?? '' }) };
}
