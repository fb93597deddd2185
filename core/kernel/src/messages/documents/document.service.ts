import type { Actor, FileRef, RouteReply, RouteRequest } from '@ictcore/contract';
import { FAX_QUALITIES, type FaxQuality } from '@ictcore/media';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { OwnedRepository } from '../../database/owned-repository';
import type { CrudService } from '../../http/crud-routes';
import {
  DOCUMENT_MEDIA,
  type DownloadOptions,
  type IncomingFile,
  MediaFiles,
  MediaMessageService,
  type MediaRow,
  safeName,
  unknownFormat,
} from '../conversion';
import { Document } from './document.model';
import { type DocumentCreate, type DocumentRow, type DocumentUpdate, documentSpec } from './document.schema';

const FORMATS = ['pdf', 'tiff', 'tif', 'original', 'png', 'jpg', 'jpeg'] as const;

/** A document ready to be faxed. */
export interface SendableDocument {
  readonly document_id: number;
  readonly name: string;
  readonly pages: number;
  /** TIFF class F in the document's quality. */
  readonly file: FileRef;
}

const SENDABLE = `
  select d.document_id, d.name, d.pages, m.storage_key, m.size
    from document d join message_media m on m.document_id = d.document_id and m.role = 'derived'
   where d.document_id = any($1::int8[])`;

/** Fax documents: guide lines S14 to S19. */
@scoped(Lifecycle.ContainerScoped)
export class DocumentService
  extends MediaMessageService<DocumentRow>
  implements CrudService<DocumentRow, DocumentCreate, DocumentUpdate>
{
  constructor(@inject(MediaFiles) files: MediaFiles) {
    const { database } = files;
    super(
      DOCUMENT_MEDIA,
      new OwnedRepository<DocumentRow>(database, documentSpec, database.sequelize.getRepository(Document)),
      files,
    );
  }

  /** S14; with files it exists only if they can be used. `limited` false for received faxes. */
  create(actor: Actor, input: DocumentCreate, incoming: readonly IncomingFile[] = [], limited = true) {
    return this.createWith(actor, toColumns(input), incoming, limited);
  }

  /**
   * S17. A new quality makes the pages anew from the originals, a file replaces them. If that takes longer than the
   * configured wait, the answer shows the old pages and status `converting`.
   */
  async update(
    actor: Actor,
    id: number,
    input: DocumentUpdate,
    incoming: readonly IncomingFile[] = [],
  ): Promise<DocumentRow> {
    const before = await this.repository.get(actor, id);
    const { quality, ...fields } = input;
    const wanted = quality !== undefined && quality !== before.quality ? quality : undefined;
    const columns: DocumentUpdate = { ...fields };
    if (incoming.length > 0) await this.change(actor, id, { action: 'replace', quality: wanted }, incoming);
    else if (wanted !== undefined && before.status !== null) {
      await this.change(actor, id, { action: 'derive', quality: wanted });
    } else if (wanted !== undefined) columns.quality = wanted;
    return this.files.database.transaction(async (tx) => {
      await this.repository.lock(actor, id, tx);
      await this.repository.update(actor, id, toColumns(columns), tx);
      return this.repository.get(actor, id, tx);
    });
  }

  /**
   * The documents with these ids for the delivery engine: no ownership, which was checked when the program was made.
   * One that is gone, or has no pages, is missing from the map.
   */
  async sendable(ids: readonly number[]): Promise<Map<number, SendableDocument>> {
    const rows = await this.files.database.query<{
      document_id: number;
      name: string;
      pages: number;
      storage_key: string;
      size: number;
    }>(SENDABLE, [[...new Set(ids)]]);
    return new Map(
      rows.map((row) => {
        const { document_id, name, pages } = row;
        return [document_id, { document_id, name, pages, file: this.fileRef(row, name) }];
      }),
    );
  }

  protected async derivedReply(
    id: number,
    row: DocumentRow,
    files: readonly MediaRow[],
    options: DownloadOptions,
    wire: Pick<RouteRequest, 'headers' | 'signal'>,
  ): Promise<RouteReply> {
    const derived = files.find((file) => file.role === 'derived') as MediaRow;
    const name = safeName(row.name);
    switch (options.format ?? 'pdf') {
      case 'pdf':
        return this.stored(await this.files.pdfOf(this.kind, id, files, wire.signal), `${name}.pdf`, options, wire);
      case 'tif':
      case 'tiff':
        return this.stored(derived, `${name}.tif`, options, wire);
      case 'png':
        return this.preview(derived, name, 'png', { ...options, pages: row.pages }, wire);
      case 'jpg':
      case 'jpeg':
        return this.preview(derived, name, 'jpeg', { ...options, pages: row.pages }, wire);
      default:
        return unknownFormat(options.format as string, FORMATS);
    }
  }
}

function toColumns({ name, description, ocr, quality }: DocumentUpdate): Record<string, unknown> {
  return {
    ...(name !== undefined && { name }),
    ...(description !== undefined && { description: description ?? '' }),
    ...(ocr !== undefined && { ocr }),
    ...(quality !== undefined && { quality, ...resolutionOf(quality) }),
  };
}

function resolutionOf(quality: FaxQuality) {
  const { x, y } = FAX_QUALITIES[quality];
  return { resolution_x: x, resolution_y: y };
}
