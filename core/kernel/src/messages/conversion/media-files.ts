import { rm } from 'node:fs/promises';
import { type Actor, IctError, type UploadedFile } from '@ictcore/contract';
import { MediaConverter } from '@ictcore/media';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { Config } from '../../boot/config';
import { CONFIG } from '../../boot/injection';
import { Database, type Tx } from '../../database/database';
import type { Sql } from '../../database/sql';
import { MediaStorage, type StoredFile } from '../../media';
import { refuseWhileProcessing } from '../in-use';
import { Conversions } from './conversions';
import { mediaSql } from './media.sql';
import { mediaErrorReply } from './media-error-reply';
import { extensionOf, type MediaKind } from './media-kind';

/** A file that comes in; {@link UploadedFile} is one. */
export type IncomingFile = Pick<UploadedFile, 'fileName' | 'mediaType' | 'path' | 'size'>;

/** A stored file of a row. */
export interface MediaRow {
  storage_key: string;
  role: 'original' | 'derived' | 'pdf' | 'waiting';
  name: string | null;
  media_type: string;
  size: number;
}

/** A stored upload that no row refers to yet. */
export interface TakenFile extends StoredFile {
  name: string | null;
  mediaType: string;
}

/** A change that is to be made. */
export interface ChangeRequest {
  action: 'append' | 'replace' | 'derive';
  files?: readonly TakenFile[];
  quality?: string | undefined;
  /** False for received media. Default true. */
  limited?: boolean | undefined;
}

/** The files of documents and recordings, and the changes to them. Callers have checked ownership. */
@scoped(Lifecycle.ContainerScoped)
export class MediaFiles {
  constructor(
    @inject(Database) readonly database: Database,
    @inject(CONFIG) readonly config: Config,
    @inject(MediaStorage) readonly storage: MediaStorage,
    @inject(MediaConverter) readonly converter: MediaConverter,
    @inject(Conversions) readonly conversions: Conversions,
  ) {}

  /**
   * Looks at what came in and stores it. Nothing stays if one file is refused.
   *
   * @throws 413 beyond the limit, 415 for what cannot be such a message
   */
  async take(kind: MediaKind, files: readonly IncomingFile[], limited: boolean): Promise<TakenFile[]> {
    if (limited) this.refuseTooMuch(kind, sum(files));
    const types: string[] = [];
    for (const file of files) types.push(await this.typeOf(kind, file));
    const taken: TakenFile[] = [];
    try {
      for (const [index, file] of files.entries()) {
        const mediaType = types[index] as string;
        const stored = await this.storage.put(kind.name, file.path, extensionOf(mediaType));
        taken.push({ ...stored, name: file.fileName ?? null, mediaType });
      }
      return taken;
    } catch (error) {
      this.discard(taken);
      throw error;
    }
  }

  discard(taken: readonly StoredFile[]): void {
    this.storage.deleteLater(taken.map((file) => file.key));
  }

  /**
   * Promises a change, in the transaction that holds the row's lock; `conversions.settle` afterwards.
   *
   * @throws 413 if the row would have too much, 423 while a transmission is sending it
   */
  async request(actor: Actor, kind: MediaKind, id: number, change: ChangeRequest, tx: Tx): Promise<number> {
    await refuseWhileProcessing(kind.name, id, tx);
    const sql = mediaSql(kind);
    const { action, files = [], quality = null, limited = true } = change;
    if (limited && files.length > 0) {
      const [stored] = await tx.query<{ bytes: number }>(sql.storedBytes, [id, action === 'replace']);
      this.refuseTooMuch(kind, (stored?.bytes ?? 0) + sum(files));
    }
    const values = [id, action, quality, limited ? 0 : 1, actor.userId || null, this.conversions.nodeId];
    const [row] = await tx.query<{ change_id: number }>(sql.insertChange, values);
    const changeId = row?.change_id as number;
    for (const [index, file] of files.entries()) {
      const { key, name, mediaType, size } = file;
      await tx.query(sql.insertFile, [key, id, 'waiting', index + 1, name, mediaType, size, changeId]);
    }
    return changeId;
  }

  /** All files of a row: originals in order, what was made of them, what waits. */
  of(sql: Sql, kind: MediaKind, id: number): Promise<MediaRow[]> {
    return sql.query<MediaRow>(mediaSql(kind).files, [id]);
  }

  /** Drops all files of a row that is going to be deleted: after the commit. */
  async removeAll(kind: MediaKind, id: number, tx: Tx): Promise<void> {
    const dropped = await tx.query<{ storage_key: string }>(mediaSql(kind).dropAll, [id]);
    this.storage.deleteAfterCommit(
      tx,
      dropped.map((row) => row.storage_key),
    );
    tx.afterCommit(() => this.conversions.cancel(kind, id));
  }

  /** The PDF of a derived TIFF: made at the first download, kept for the next ones. */
  async pdfOf(kind: MediaKind, id: number, files: readonly MediaRow[], signal: AbortSignal): Promise<MediaRow> {
    const derived = files.find((file) => file.role === 'derived') as MediaRow;
    const known = files.find((file) => file.role === 'pdf');
    if (known) return known;
    const out = this.conversions.scratchFile('pdf');
    try {
      await this.converter.faxToPdf(await this.present(derived.storage_key), out, { signal });
      const made = await this.storage.put(kind.name, out, 'pdf');
      const added = await this.database.rawTransaction(async (sql) => {
        await sql.query(mediaSql(kind).lock, [id]);
        return sql.query(mediaSql(kind).addPdf, [id, made.key, made.size, derived.storage_key]);
      });
      if (added.length > 0)
        return { storage_key: made.key, role: 'pdf', name: null, media_type: 'application/pdf', size: made.size };
      // Somebody else was faster, or the document has just changed.
      this.discard([made]);
      return this.pdfOf(kind, id, await this.of(this.database, kind, id), signal);
    } finally {
      await rm(out, { force: true });
    }
  }

  /** Local path of a stored file; 404 if it is gone. */
  async present(key: string): Promise<string> {
    await this.storage.size(key);
    return this.storage.localPath(key);
  }

  private async typeOf(kind: MediaKind, file: IncomingFile): Promise<string> {
    const sniffed = await this.converter.sniff(file.path, { mediaType: file.mediaType, fileName: file.fileName });
    if (!sniffed.ok) throw mediaErrorReply(sniffed.error);
    if (sniffed.kind === kind.name) return sniffed.mediaType;
    throw mediaErrorReply({
      code: 'MEDIA_TYPE_UNSUPPORTED',
      status: 415,
      message: `A file of type ${sniffed.mediaType} cannot be used as a ${kind.name}.`,
    });
  }

  private refuseTooMuch(kind: MediaKind, bytes: number): void {
    const most = kind.maxBytes(this.config.media);
    if (bytes <= most) return;
    throw new IctError(`The files of a ${kind.name} may have ${most} bytes together; these would be ${bytes}`, {
      code: 'UPLOAD_TOO_LARGE',
      status: 413,
    });
  }
}

function sum(files: readonly { size: number }[]): number {
  return files.reduce((total, file) => total + file.size, 0);
}
