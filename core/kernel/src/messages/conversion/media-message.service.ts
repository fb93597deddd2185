import { open, rm } from 'node:fs/promises';
import {
  type Actor,
  type FileRef,
  fileReply,
  invalid,
  notFound,
  type RouteReply,
  type RouteRequest,
} from '@ictcore/contract';
import type { ListQuery } from '../../database/list-query';
import type { OwnedRepository } from '../../database/owned-repository';
import { downloadReply } from '../../media';
import { refuseWhileInUse } from '../in-use';
import { zipStream } from '../templates/zip';
import { mediaSql } from './media.sql';
import { toReply } from './media-error-reply';
import type { ChangeRequest, IncomingFile, MediaFiles, MediaRow } from './media-files';
import type { MediaKind } from './media-kind';

/** What a download may ask for. */
export interface DownloadOptions {
  /** `pdf`, `tiff`, `wav`, `original`, `png`, `jpg`, `jpeg`; without one the usual format of the kind. */
  format?: string | undefined;
  /** Page of a preview, from 1. */
  page?: number | undefined;
  /** Pixels across of a preview. */
  width?: number | undefined;
  inline: boolean;
}

/** What every row with media has. */
export interface MessageRow {
  name: string;
  status: 'converting' | 'ready' | 'error' | null;
  original_name: string | null;
  date_created: number;
  last_updated: number | null;
}

type Wire = Pick<RouteRequest, 'headers' | 'signal'>;

/** What documents and recordings have in common: their media. */
export abstract class MediaMessageService<Row extends MessageRow> {
  protected constructor(
    readonly kind: MediaKind,
    readonly repository: OwnedRepository<Row>,
    protected readonly files: MediaFiles,
  ) {}

  list(actor: Actor, query: ListQuery) {
    return this.repository.list(actor, query);
  }

  count(actor: Actor, query: ListQuery) {
    return this.repository.count(actor, query);
  }

  get(actor: Actor, id: number) {
    return this.repository.get(actor, id);
  }

  /** S18, S24: 423 while a program needs it, unless an administrator says `force`. Its files go after the commit. */
  remove(actor: Actor, id: number, force = false): Promise<void> {
    return this.files.database.transaction(async (tx) => {
      await this.repository.lock(actor, id, tx);
      await refuseWhileInUse(actor, this.kind.name, id, tx, force);
      await this.files.removeAll(this.kind, id, tx);
      await this.repository.remove(actor, id, tx);
    });
  }

  /**
   * PUT and POST of media: in place of what is there, or behind it. Answers when it is converted, or after the
   * configured wait; the row's `status` then tells. A refused file changes nothing.
   */
  async upload(
    actor: Actor,
    id: number,
    files: readonly IncomingFile[],
    action: 'append' | 'replace',
    limited = true,
  ): Promise<number> {
    await this.repository.get(actor, id);
    await this.change(actor, id, { action, limited }, files);
    return id;
  }

  /** Creates the row; with files it exists only if they can be used. */
  protected async createWith(
    actor: Actor,
    values: Readonly<Record<string, unknown>>,
    incoming: readonly IncomingFile[],
    limited = true,
  ): Promise<number> {
    const { database, conversions } = this.files;
    if (incoming.length === 0) return this.repository.insert(actor, values);
    const files = await this.files.take(this.kind, incoming, limited);
    const made = await database
      .transaction(async (tx) => {
        const id = await this.repository.insert(actor, values, tx);
        return {
          id,
          change: await this.files.request(actor, this.kind, id, { action: 'replace', files, limited }, tx),
        };
      })
      .catch((error: unknown) => {
        this.files.discard(files);
        throw error;
      });
    try {
      await conversions.settle(this.kind, made.id, made.change);
    } catch (error) {
      await database.query(mediaSql(this.kind).dropUnused, [made.id]);
      throw error;
    }
    return made.id;
  }

  /** Makes a change and waits for it. */
  protected async change(
    actor: Actor,
    id: number,
    change: Omit<ChangeRequest, 'files'>,
    incoming: readonly IncomingFile[] = [],
  ): Promise<void> {
    const files = await this.files.take(this.kind, incoming, change.limited ?? true);
    const changeId = await this.files.database
      .transaction(async (tx) => {
        await this.repository.lock(actor, id, tx);
        return this.files.request(actor, this.kind, id, { ...change, files }, tx);
      })
      .catch((error: unknown) => {
        this.files.discard(files);
        throw error;
      });
    await this.files.conversions.settle(this.kind, id, changeId);
  }

  /** S19, S25 and `…/media`: 404 if nothing was uploaded yet. */
  async download(actor: Actor, id: number, options: DownloadOptions, wire: Wire): Promise<RouteReply> {
    const row = await this.repository.get(actor, id);
    const files = await this.files.of(this.files.database, this.kind, id);
    const derived = files.find((file) => file.role === 'derived');
    if (!derived) throw notFound('Media');
    if (options.format === 'original') return this.originals(id, row, files, options, wire);
    return this.derivedReply(id, row, files, options, wire);
  }

  /** Answers a derived form of it. */
  protected abstract derivedReply(
    id: number,
    row: Row,
    files: readonly MediaRow[],
    options: DownloadOptions,
    wire: Wire,
  ): Promise<RouteReply>;

  /** A stored file as the answer. */
  protected stored(file: MediaRow, name: string, options: DownloadOptions, wire: Wire): Promise<RouteReply> {
    const { storage } = this.files;
    return downloadReply(
      {
        name,
        mediaType: file.media_type,
        size: file.size,
        version: file.storage_key,
        open: (range) => storage.open(file.storage_key, range),
      },
      wire.headers,
      { inline: options.inline },
    );
  }

  /** One page as a picture, made for this answer alone. 404 for a page that is not there. */
  protected async preview(
    derived: MediaRow,
    name: string,
    format: 'png' | 'jpeg',
    options: DownloadOptions & { pages: number },
    wire: Wire,
  ): Promise<RouteReply> {
    const { page = 1, width = 800, pages } = options;
    if (page > pages) throw notFound(`Page ${page}; the document has ${pages}, and it`);
    const extension = format === 'png' ? 'png' : 'jpg';
    const out = this.files.conversions.scratchFile(extension);
    try {
      const input = { path: await this.files.present(derived.storage_key), mediaType: derived.media_type };
      const { signal } = wire;
      const made = await this.files.converter
        .pagePreview(input, { page, format, width, signal }, out)
        .catch((error: unknown) => {
          throw toReply(error);
        });
      return await downloadReply(
        {
          name: `${name}-${page}.${extension}`,
          mediaType: `image/${format}`,
          size: made.bytes,
          version: `${derived.storage_key} ${format} ${page} ${width}`,
          // Open before its name goes: nothing is left behind however the answer ends.
          open: async (range) => (await open(out, 'r')).createReadStream(range),
        },
        wire.headers,
        { inline: options.inline },
      );
    } finally {
      await rm(out, { force: true });
    }
  }

  /** The derived file for a driver. */
  protected fileRef(file: { storage_key: string; size: number }, name: string): FileRef {
    const { mediaType, extension } = this.kind.derived;
    return this.files.storage.fileRef({
      key: file.storage_key,
      name: `${safeName(name)}.${extension}`,
      mediaType,
      size: file.size,
    });
  }

  private originals(id: number, row: Row, files: readonly MediaRow[], options: DownloadOptions, wire: Wire) {
    const { storage } = this.files;
    const originals = files.filter((file) => file.role === 'original');
    const nameOf = (file: MediaRow) => file.name ?? safeName(row.name);
    const [only, ...more] = originals;
    if (only && more.length === 0) return this.stored(only, nameOf(only), options, wire);
    const changed = new Date((row.last_updated ?? row.date_created) * 1000);
    const entries = originals.map((file) => ({
      name: nameOf(file),
      size: file.size,
      open: () => storage.open(file.storage_key),
    }));
    const name = `${this.kind.name}_${id}.zip`;
    return fileReply({ stream: zipStream(entries, changed), name, mediaType: 'application/zip' });
  }
}

/** A message's name as a file name: nothing that a file system takes for more than a name. */
export function safeName(name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what must go
  return name.replace(/[\\/:*?"<>|\u0000-\u001f\u007f]/g, '_');
}

/** SQL of {@link safeName} with an extension; null while there are no media. */
export function fileNameSql(extension: string): string {
  const unsafe = `'[\\\\/:*?"<>|\\x01-\\x1f\\x7f]'`;
  return `case when t.media_type is not null then regexp_replace(t.name, ${unsafe}, '_', 'g') || '.${extension}' end`;
}

/** 412 naming the formats there are. */
export function unknownFormat(format: string, known: readonly string[]): never {
  throw invalid('format', `${format} is not one of ${known.join(', ')}`, 'enum');
}
