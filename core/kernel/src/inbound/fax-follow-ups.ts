import type { Logger } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { Config } from '../boot/config';
import { CONFIG, LOG } from '../boot/injection';
import { Database, type Tx } from '../database/database';
import { MediaStorage } from '../media';
import { DOCUMENT_MEDIA, MediaFiles } from '../messages/conversion';
import { AttachmentStore } from '../messages/templates';
import type { StoredAttachment } from '../messages/templates/attachments';

/** The received pages as a PDF of their own, on its way to become an attachment. */
export interface FaxPdf extends StoredAttachment {
  /** True once an attachment refers to it. */
  used: boolean;
}

/** A verdict that waits for pages. */
export interface ParkedVerdict {
  spool_id: number;
  verdict: string;
  document_id: number;
}

/** $1 attempt, $2 verdict. Parks it if it brought a document; no row if there is nothing to wait for. */
export const PARK = `
insert into follow_up_parked (spool_id, verdict, document_id)
select spool_id, $2, data::int8 from spool_result
 where spool_id = $1 and type = 'message' and name = 'document' and data ~ '^[0-9]{1,15}$'
on conflict do nothing returning spool_id`;

/** $1 most rows. Parked ones whose pages are there, or will never be. */
const READY = `
select f.spool_id, f.verdict, f.document_id, f.tries, d.status = 'ready' as readable, d.name
  from follow_up_parked f left join document d on d.document_id = f.document_id
 where d.status is distinct from 'converting' and f.due_at <= now()
 order by f.due_at limit $1`;

/** $1 attempt. No PDF this time: again a little later, on a node that may be better off. */
const LATER = `
update follow_up_parked set tries = tries + 1, due_at = now() + make_interval(secs => 5 * power(3, tries))
 where spool_id = $1`;
/** Tries after which the mail goes without the pages: some ten minutes. */
const MAX_TRIES = 5;

const TAKE = 'delete from follow_up_parked where spool_id = $1 returning spool_id';

/** $1 contact, $2 domain. A contact without address gets that of its number: an answer becomes a fax (API 4.4). */
const ADDRESS = `
update contact set email = regexp_replace(phone_normalized, '[^0-9]', '', 'g') || '@' || $2, last_updated = now()
 where contact_id = $1 and email is null and phone_normalized ~ '[0-9]'`;

const BATCH = 20;

interface ReadyRow extends ParkedVerdict {
  tries: number;
  readable: boolean | null;
  name: string | null;
}

/** Follow-ups of received faxes: they wait until the pages are readable, and may carry them as a PDF. */
@scoped(Lifecycle.ContainerScoped)
export class FaxFollowUps {
  constructor(
    @inject(Database) private readonly database: Database,
    @inject(CONFIG) private readonly config: Config,
    @inject(LOG) private readonly log: Logger,
    @inject(MediaStorage) private readonly storage: MediaStorage,
    @inject(MediaFiles) private readonly media: MediaFiles,
    @inject(AttachmentStore) private readonly attachments: AttachmentStore,
  ) {}

  /** Each parked verdict whose pages are there is taken by exactly one node, in the transaction of what follows. */
  async ready(follow: (parked: ParkedVerdict, tx: Tx, pdf: FaxPdf | undefined) => Promise<void>): Promise<void> {
    for (const row of await this.database.query<ReadyRow>(READY, [BATCH])) {
      const pdf = row.readable ? await this.pdfOf(row.document_id, row.name ?? 'fax') : undefined;
      if (row.readable && !pdf && row.tries < MAX_TRIES) {
        await this.database.query(LATER, [row.spool_id]);
        continue;
      }
      try {
        await this.database.transaction(async (tx) => {
          if ((await tx.query(TAKE, [row.spool_id])).length > 0) await follow(row, tx, pdf);
        });
      } catch (error) {
        if (pdf) this.storage.deleteLater([pdf.key]);
        throw error;
      }
      if (pdf && !pdf.used) this.storage.deleteLater([pdf.key]);
    }
  }

  /** Attaches the pages to the mail of a program, and sees to it that the mail can be answered by a fax. */
  async attach(tx: Tx, programId: number, contactId: number, pdf: FaxPdf | undefined): Promise<void> {
    if (this.config.fax_domain) await tx.query(ADDRESS, [contactId, this.config.fax_domain]);
    if (!pdf) return;
    const [row] = await tx.query<{ template_id: number | null }>(
      `select (data->>'template_id')::int8 as template_id from program where program_id = $1`,
      [programId],
    );
    if (!row?.template_id) throw new Error('a mail with a fax needs a program that stores a template_id');
    await this.attachments.add(row.template_id, [pdf], false, false, tx);
    pdf.used = true;
  }

  /** A copy, which lives and dies with the mail. Undefined if no PDF can be made of the pages here and now. */
  private async pdfOf(documentId: number, name: string): Promise<FaxPdf | undefined> {
    try {
      const files = await this.media.of(this.database, DOCUMENT_MEDIA, documentId);
      const made = await this.media.pdfOf(DOCUMENT_MEDIA, documentId, files, AbortSignal.timeout(120_000));
      const copy = await this.storage.put('template', await this.media.present(made.storage_key), 'pdf');
      return { ...copy, name: `${name}.pdf`, mediaType: 'application/pdf', used: false };
    } catch (error) {
      this.log.warn({ document_id: documentId, error }, 'a received fax could not be made a PDF');
      return undefined;
    }
  }
}
