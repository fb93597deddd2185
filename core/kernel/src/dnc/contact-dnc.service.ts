import { type Actor, conflict, forbidden } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { Database } from '../database/database';
import type { ListQuery } from '../database/list-query';
import { OwnedRepository } from '../database/owned-repository';
import type { CrudService } from '../http/crud-routes';
import { ContactDnc } from './contact-dnc.model';
import { type ContactDncCreate, type ContactDncRow, type ContactDncUpdate, contactDncSpec } from './contact-dnc.schema';
import { DoNotContact } from './do-not-contact';

/** The do-not-contact list as its owners manage it. Entries for everybody are the administrators'. */
@scoped(Lifecycle.ContainerScoped)
export class ContactDncService implements CrudService<ContactDncRow, ContactDncCreate, ContactDncUpdate> {
  readonly repository: OwnedRepository<ContactDncRow>;

  constructor(
    @inject(Database) private readonly database: Database,
    @inject(DoNotContact) private readonly entries: DoNotContact,
  ) {
    this.repository = new OwnedRepository(database, contactDncSpec, database.sequelize.getRepository(ContactDnc));
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

  /** 409 if the number or address is on the list for this channel already. */
  async create(actor: Actor, input: ContactDncCreate): Promise<number> {
    const ownerId = ownerOf(actor, input.everyone);
    const channel = input.email ? 'email' : (input.channel ?? 'sms');
    const address = (input.email || input.phone) as string;
    const description = input.description ?? '';
    const id = await this.entries.add(this.database, { channel, address, origin: 'api', description, ownerId });
    if (id === undefined) throw conflict(`${address} is on the list for ${channel} already`);
    return id;
  }

  update(actor: Actor, id: number, input: ContactDncUpdate): Promise<ContactDncRow> {
    return this.database.transaction(async (tx) => {
      await this.repository.lock(actor, id, tx);
      const { description } = input;
      await this.repository.update(actor, id, description === undefined ? {} : { description: description ?? '' }, tx);
      return this.repository.get(actor, id, tx);
    });
  }

  remove(actor: Actor, id: number): Promise<void> {
    return this.database.transaction((tx) => this.repository.remove(actor, id, tx));
  }
}

/** Whose entry it becomes; 403 for an entry that holds for everybody without the right to make one. */
export function ownerOf(actor: Actor, everyone: number | undefined): number | null {
  if (everyone !== 1) return actor.userId;
  if (actor.can('contact_dnc_admin')) return null;
  throw forbidden('Permission contact_dnc_admin is needed for entries that hold for everyone');
}
