import { IctError, invalid, type UploadedFile } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { Tx } from '../../database/database';
import type { Sql } from '../../database/sql';
import { MediaStorage, type StoredFile } from '../../media';
import { ATTACHMENT_LIMITS } from './template.schema';

/** A file of a template. `position` counts from 1 without gaps. */
export interface Attachment {
  template_id: number;
  position: number;
  name: string;
  media_type: string;
  size: number;
  storage_key: string;
}

/** A file to attach; {@link UploadedFile} is one. */
export type AttachmentSource = Pick<UploadedFile, 'fileName' | 'mediaType' | 'path' | 'size'>;

/** A stored file that no row refers to yet. */
export interface StoredAttachment extends StoredFile {
  name: string;
  mediaType: string;
}

/** SQL for the sweep: those of the keys in `$1` that attachments refer to. */
export const ATTACHMENT_KEYS = 'select storage_key as key from template_attachment where storage_key = any($1::text[])';

const SELECT = `
  select template_id, position, name, media_type, size, storage_key
    from template_attachment where template_id = any($1::int8[]) order by template_id, position`;
const INSERT = `
  insert into template_attachment (template_id, position, name, media_type, size, storage_key)
  values ($1, $2, $3, $4, $5, $6)`;
/** Closes the gap behind a removed attachment; by way of negative numbers, so that no two rows ever share one. */
const RENUMBER = [
  'update template_attachment set position = 1 - position where template_id = $1 and position > $2',
  'update template_attachment set position = -position where template_id = $1 and position < 0',
] as const;
/** `length` follows from what is stored, so it is computed where it is stored. */
const MEASURE = `
  update template t
     set length = octet_length(subject) + octet_length(body) + coalesce(octet_length(body_alt), 0)
                + coalesce((select sum(a.size) from template_attachment a where a.template_id = t.template_id), 0)
   where template_id = $1`;

/** The rows and files of templates' attachments. Callers have checked ownership and hold the template's lock. */
@scoped(Lifecycle.ContainerScoped)
export class AttachmentStore {
  constructor(@inject(MediaStorage) readonly storage: MediaStorage) {}

  /** In order. */
  of(sql: Sql, templateIds: readonly number[]): Promise<Attachment[]> {
    return sql.query<Attachment>(SELECT, [templateIds]);
  }

  /** Stores files before the transaction that will refer to them; {@link discard} them if it fails. */
  async store(files: readonly AttachmentSource[]): Promise<StoredAttachment[]> {
    const stored: StoredAttachment[] = [];
    try {
      for (const [index, file] of files.entries()) {
        const put = await this.storage.put('template', file.path);
        stored.push({ ...put, name: nameOf(file, index), mediaType: mediaTypeOf(file) });
      }
      return stored;
    } catch (error) {
      this.discard(stored);
      throw error;
    }
  }

  discard(stored: readonly StoredFile[]): void {
    this.storage.deleteLater(stored.map((file) => file.key));
  }

  /** Adds stored files after those that are there, or in their place. */
  async add(templateId: number, stored: readonly StoredAttachment[], replace: boolean, limited: boolean, tx: Tx) {
    const before = await this.of(tx, [templateId]);
    if (replace) await this.removeAll(templateId, tx);
    const kept = replace ? [] : before;
    if (limited) refuseTooMuch([...kept, ...stored]);
    for (const [index, file] of stored.entries()) {
      const position = kept.length + index + 1;
      await tx.query(INSERT, [templateId, position, file.name, file.mediaType, file.size, file.key]);
    }
    await this.measure(templateId, tx);
  }

  /** Removes one attachment; the later ones move up. False if there is none at that position. */
  async removeOne(templateId: number, position: number, tx: Tx): Promise<boolean> {
    const [removed] = await tx.query<Attachment>(
      'delete from template_attachment where template_id = $1 and position = $2 returning storage_key',
      [templateId, position],
    );
    if (!removed) return false;
    for (const sql of RENUMBER) await tx.query(sql, sql === RENUMBER[0] ? [templateId, position] : [templateId]);
    await this.measure(templateId, tx);
    this.storage.deleteAfterCommit(tx, [removed.storage_key]);
    return true;
  }

  /** Removes all attachments; the files go after the commit. */
  async removeAll(templateId: number, tx: Tx): Promise<void> {
    const removed = await tx.query<Attachment>(
      'delete from template_attachment where template_id = $1 returning storage_key',
      [templateId],
    );
    await this.measure(templateId, tx);
    this.storage.deleteAfterCommit(
      tx,
      removed.map((row) => row.storage_key),
    );
  }

  /** Sets `length` anew after any change. */
  async measure(templateId: number, tx: Tx): Promise<void> {
    await tx.query(MEASURE, [templateId]);
  }
}

/** 412 for too many files, 413 for too many bytes. */
export function refuseTooMuch(files: readonly { size: number }[]): void {
  const { files: most, fileBytes, totalBytes } = ATTACHMENT_LIMITS;
  if (files.length > most) throw invalid('attachment', `a template takes at most ${most} files`, 'max');
  const total = files.reduce((sum, file) => sum + file.size, 0);
  if (total <= totalBytes && files.every((file) => file.size <= fileBytes)) return;
  throw new IctError(`Attachments may have ${fileBytes} bytes each and ${totalBytes} bytes together`, {
    code: 'UPLOAD_TOO_LARGE',
    status: 413,
  });
}

function nameOf(file: AttachmentSource, index: number): string {
  return file.fileName ?? `attachment_${index + 1}`;
}

/** RFC 6838 restricts what a media type is made of; anything else would not survive a MIME header. */
function mediaTypeOf(file: AttachmentSource): string {
  return /^[\w!#$&^.+-]{1,63}\/[\w!#$&^.+-]{1,63}$/.test(file.mediaType) ? file.mediaType : 'application/octet-stream';
}
