import { type Actor, fileReply, notFound, type RouteReply, type RouteRequest } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { Config } from '../../boot/config';
import { CONFIG } from '../../boot/injection';
import { ContactService } from '../../contacts';
import { Database, type Tx } from '../../database/database';
import type { ListQuery } from '../../database/list-query';
import { OwnedRepository } from '../../database/owned-repository';
import type { CrudService } from '../../http/crud-routes';
import { downloadReply } from '../../media';
import { refuseWhileInUse } from '../in-use';
import { previewContext } from '../preview-context';
import { type Attachment, type AttachmentSource, AttachmentStore, refuseTooMuch } from './attachments';
import { renderTemplate, type SendableTemplate, sendableTemplate, type TemplateText } from './sendable';
import { Template } from './template.model';
import {
  type TemplateCreate,
  type TemplatePreview,
  type TemplateRow,
  type TemplateUpdate,
  templateSpec,
} from './template.schema';
import { zipStream } from './zip';

/** How files are added to a template. */
export interface AttachOptions {
  /** In place of those that are there (PUT); otherwise after them (POST). */
  replace: boolean;
  /** False for received mail, which the upload limits do not concern. Default true. */
  limited?: boolean;
}

/** E-mail templates: guide lines S26 to S31. */
@scoped(Lifecycle.ContainerScoped)
export class TemplateService implements CrudService<TemplateRow, TemplateCreate, TemplateUpdate> {
  readonly repository: OwnedRepository<TemplateRow>;

  constructor(
    @inject(Database) private readonly database: Database,
    @inject(CONFIG) private readonly config: Config,
    @inject(ContactService) private readonly contacts: ContactService,
    @inject(AttachmentStore) private readonly attachments: AttachmentStore,
  ) {
    this.repository = new OwnedRepository(database, templateSpec, database.sequelize.getRepository(Template));
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

  create(actor: Actor, input: TemplateCreate): Promise<number> {
    return this.database.transaction((tx) => this.createIn(actor, input, tx));
  }

  /** As {@link create}, within the caller's transaction. */
  async createIn(actor: Actor, input: TemplateCreate, tx: Tx): Promise<number> {
    const id = await this.repository.insert(actor, toColumns(input), tx);
    await this.attachments.measure(id, tx);
    return id;
  }

  update(actor: Actor, id: number, input: TemplateUpdate): Promise<TemplateRow> {
    return this.database.transaction(async (tx) => {
      await this.repository.lock(actor, id, tx);
      await this.repository.update(actor, id, toColumns(input), tx);
      await this.attachments.measure(id, tx);
      return this.repository.get(actor, id, tx);
    });
  }

  /** S30: 423 while a program needs it, unless an administrator says `force`. Its files go after the commit. */
  remove(actor: Actor, id: number, force = false): Promise<void> {
    return this.database.transaction(async (tx) => {
      await this.repository.lock(actor, id, tx);
      await refuseWhileInUse(actor, 'template', id, tx, force);
      await this.attachments.removeAll(id, tx);
      await this.repository.remove(actor, id, tx);
    });
  }

  /**
   * Attaches files (API section 6). Nothing of them stays if any is refused.
   *
   * @throws 412 for more than 10 files, 413 for too many bytes
   */
  async attach(actor: Actor, id: number, files: readonly AttachmentSource[], options: AttachOptions): Promise<number> {
    const limited = options.limited ?? true;
    if (limited) refuseTooMuch(files);
    await this.repository.get(actor, id);
    const stored = await this.attachments.store(files);
    try {
      await this.database.transaction(async (tx) => {
        await this.repository.lock(actor, id, tx);
        await this.attachments.add(id, stored, options.replace, limited, tx);
        await this.repository.update(actor, id, {}, tx);
      });
    } catch (error) {
      this.attachments.discard(stored);
      throw error;
    }
    return id;
  }

  /** Removes attachment `n` (from 1; 404 if there is none), or all of them. */
  detach(actor: Actor, id: number, n?: number): Promise<void> {
    return this.database.transaction(async (tx) => {
      await this.repository.lock(actor, id, tx);
      if (n === undefined) await this.attachments.removeAll(id, tx);
      else if (!(await this.attachments.removeOne(id, n, tx))) throw notFound('Media');
      await this.repository.update(actor, id, {}, tx);
    });
  }

  /** S31: attachment `n`; without `n` the only one, or all of several as a zip archive. 404 if there is none. */
  async download(
    actor: Actor,
    id: number,
    options: { n?: number | undefined; inline?: boolean; headers: RouteRequest['headers'] },
  ): Promise<RouteReply> {
    const row = await this.repository.get(actor, id);
    const all = await this.attachments.of(this.database, [id]);
    const one = options.n === undefined ? (all.length === 1 ? all[0] : undefined) : all[options.n - 1];
    if (one) return this.downloadOne(one, options);
    if (all.length === 0 || options.n !== undefined) throw notFound('Media');
    return zipReply(
      `template_${id}.zip`,
      all.map((file) => ({
        name: file.name,
        size: file.size,
        open: () => this.attachments.storage.open(file.storage_key),
      })),
      new Date((row.last_updated ?? row.date_created) * 1000),
    );
  }

  /** What the contact would get; unknown tokens stay as written. 412 for a contact the actor may not see. */
  async preview(actor: Actor, id: number, contactId?: number): Promise<TemplatePreview> {
    const row = await this.repository.get(actor, id);
    if (contactId !== undefined) await this.contacts.repository.requireVisible(actor, 'contact_id', [contactId]);
    const tokens = await previewContext(this.database, this.config, actor, contactId);
    const { subject, html, text } = renderTemplate(sendableTemplate(row, []), tokens, 'keep');
    return { subject, body: html, body_alt: text, attachment: row.attachment };
  }

  /**
   * The templates with these ids, compiled, with their files, for the delivery engine: no ownership, which was checked
   * when the program was made. An id that is gone is missing from the map.
   */
  async sendable(ids: readonly number[]): Promise<Map<number, SendableTemplate>> {
    const wanted = [...new Set(ids)];
    const rows = await this.database.query<TemplateText>(
      'select template_id, name, subject, body, body_alt from template where template_id = any($1::int8[])',
      [wanted],
    );
    const files = rows.length === 0 ? [] : await this.attachments.of(this.database, wanted);
    const { storage } = this.attachments;
    return new Map(
      rows.map((row) => {
        const own = files.filter((file) => file.template_id === row.template_id);
        const refs = own.map((file) => storage.fileRef({ ...file, key: file.storage_key, mediaType: file.media_type }));
        return [row.template_id, sendableTemplate(row, refs)];
      }),
    );
  }

  private downloadOne(file: Attachment, options: { inline?: boolean; headers: RouteRequest['headers'] }) {
    return downloadReply(
      {
        name: file.name,
        mediaType: file.media_type,
        size: file.size,
        version: file.storage_key,
        open: (range) => this.attachments.storage.open(file.storage_key, range),
      },
      options.headers,
      { inline: options.inline ?? false },
    );
  }
}

function zipReply(name: string, entries: Parameters<typeof zipStream>[0], changed: Date): RouteReply {
  return fileReply({ stream: zipStream(entries, changed), name, mediaType: 'application/zip' });
}

function toColumns(input: TemplateUpdate): Record<string, unknown> {
  return {
    ...input,
    ...(input.type !== undefined && { type: input.type ?? 'html' }),
    ...(input.description !== undefined && { description: input.description ?? '' }),
  };
}
