import { type Actor, forbidden, invalid, wrongState } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { Config } from '../boot/config';
import { CONFIG } from '../boot/injection';
import { Database, type Tx } from '../database/database';
import type { Conditions, ListQuery } from '../database/list-query';
import { OwnedRepository } from '../database/owned-repository';
import { ResourceDirectory } from '../database/resource-directory';
import type { CrudService } from '../http/crud-routes';
import { Contact } from './contact.model';
import { type ContactCreate, type ContactRow, type ContactUpdate, contactSpec } from './contact.schema';
import { holdGroupsOf, linkContact } from './contact-link.sql';
import { normalizePhone } from './phone';

/** Contacts: guide lines S1 to S5. */
@scoped(Lifecycle.ContainerScoped)
export class ContactService implements CrudService<ContactRow, ContactCreate, ContactUpdate> {
  readonly repository: OwnedRepository<ContactRow>;

  constructor(
    @inject(Database) private readonly database: Database,
    @inject(CONFIG) private readonly config: Config,
    @inject(ResourceDirectory) private readonly directory: ResourceDirectory,
  ) {
    this.repository = new OwnedRepository(database, contactSpec, database.sequelize.getRepository(Contact));
  }

  /** `extra` narrows the list further (members of a group). */
  list(actor: Actor, query: ListQuery, extra?: (conditions: Conditions) => void) {
    return this.repository.list(actor, query, extra);
  }

  count(actor: Actor, query: ListQuery, extra?: (conditions: Conditions) => void) {
    return this.repository.count(actor, query, extra);
  }

  get(actor: Actor, id: number) {
    return this.repository.get(actor, id);
  }

  /** S1; `groups` links it at once, for which a permission on groups is needed as for a link by itself. */
  create(actor: Actor, { groups, ...input }: ContactCreate): Promise<number> {
    if (!groups?.length) return this.repository.insert(actor, this.toColumns(input));
    if (!actor.can('group_create') && !actor.can('group_update')) {
      throw forbidden('Permission group_create or group_update is needed to put a contact into groups');
    }
    return this.database.transaction(async (tx) => {
      await this.directory.requireAllVisible(actor, 'group', 'groups', groups, tx);
      const id = await this.repository.insert(actor, this.toColumns(input), tx);
      await linkContact(tx, id, groups);
      return id;
    });
  }

  update(actor: Actor, id: number, input: ContactUpdate): Promise<ContactRow> {
    return this.database.transaction(async (tx) => {
      const before = await this.repository.lock(actor, id, tx);
      const after = { ...before, ...input };
      if (!after.phone && !after.email) throw invalid('phone', 'a contact needs a phone or an email', 'required');
      await this.repository.update(actor, id, this.toColumns(input), tx);
      return this.repository.get(actor, id, tx);
    });
  }

  /** S5: pending transmissions to it become invalid; 423 while one is processing. */
  remove(actor: Actor, id: number): Promise<void> {
    return this.database.transaction(async (tx) => {
      await this.repository.lock(actor, id, tx);
      await this.releaseTransmissions(id, tx);
      await holdGroupsOf(tx, id);
      await this.repository.remove(actor, id, tx);
    });
  }

  /**
   * The caller's contact with this phone or e-mail, made if there is none (S60: `phone`, `email` shorthands).
   * Two requests at once may make two: harmless, and cheaper than a lock for every send.
   */
  async findOrCreate(actor: Actor, by: { phone?: string; email?: string }, tx: Tx): Promise<number> {
    const phone = normalizePhone(by.phone, this.config.country);
    const [found] = await tx.query<{ contact_id: number }>(
      `select contact_id from contact
        where created_by = $1 and ($2::text is null or phone_normalized = $2)
          and ($3::text is null or lower(email) = lower($3))
        order by contact_id desc limit 1`,
      [actor.userId, phone, by.email ?? null],
    );
    if (found) return found.contact_id;
    return this.repository.insert(actor, this.toColumns({ phone: by.phone ?? null, email: by.email ?? null }), tx);
  }

  private async releaseTransmissions(id: number, tx: Tx): Promise<void> {
    const [busy] = await tx.query(
      `select 1 from transmission where contact_id = $1 and status in ('processing', 'initializing') limit 1`,
      [id],
    );
    if (busy) throw wrongState('A transmission to this contact is being processed; try again when it has ended');
    await tx.query(
      `update transmission set status = 'invalid', response = 'contact_deleted', next_run = null, last_updated = now()
        where contact_id = $1 and status in ('pending', 'pending_retry')`,
      [id],
    );
  }

  private toColumns(input: ContactUpdate): Record<string, unknown> {
    return {
      ...input,
      ...(input.phone !== undefined && { phone_normalized: normalizePhone(input.phone, this.config.country) }),
      ...(input.description !== undefined && { description: input.description ?? '' }),
    };
  }
}
