import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { type FileRef, IctError, type Logger, type SqlRunner } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { Config } from '../boot/config';
import { CONFIG, LOG } from '../boot/injection';
import type { Tx } from '../database/database';
import { FileStorage, LocalStorageAdapter, PortableUnixVisibilityConversion } from './flystorage';

/** `template/3f/3f2a….pdf`: kind, two digits to keep folders small, a random name, an extension of our own. */
const KEY = /^[a-z][a-z_]{0,31}\/[0-9a-f]{2}\/[0-9a-f-]{36}(\.[a-z0-9]{1,8})?$/;
const KIND = /^[a-z][a-z_]{0,31}$/;
const EXTENSION = /^[a-z0-9]{1,8}$/;

/** Files younger than this (milliseconds) are never orphans: the row that refers to them may not be committed yet. */
export const ORPHAN_AGE_MS = 24 * 3600 * 1000;

/** A file that has been stored. */
export interface StoredFile {
  key: string;
  /** Bytes. */
  size: number;
}

/**
 * The files of messages, below `data_dir/media`. Keys are made here and are never a client's words, so no name from
 * outside reaches the file system. One instance per kernel.
 */
@scoped(Lifecycle.ContainerScoped)
export class MediaStorage {
  private readonly root: string;
  private readonly files: FileStorage;
  private readonly deleting = new Set<Promise<void>>();

  constructor(
    @inject(CONFIG) config: Config,
    @inject(LOG) private readonly log: Logger,
  ) {
    this.root = path.join(config.data_dir, 'media');
    const modes = new PortableUnixVisibilityConversion(0o600, 0o600, 0o700, 0o700);
    this.files = new FileStorage(
      new LocalStorageAdapter(this.root, { rootDirectoryVisibility: 'private' }, modes),
      undefined,
      { visibility: { visibility: 'private', directoryVisibility: 'private' } },
    );
  }

  /**
   * Stores a file and returns its new key. It is on the disk (fsync) when this resolves, so that a row committed
   * afterwards never refers to a file that a power cut took. The source stays.
   *
   * @param kind - lower-case word, the first part of the key: `template`, `document`, `recording`
   * @param source - path of a local file, or a stream
   * @param extension - without the dot, for peers that look at it (Asterisk); only letters and digits
   */
  async put(kind: string, source: string | Readable, extension?: string): Promise<StoredFile> {
    if (!KIND.test(kind)) throw new RangeError(`media kind ${kind}`);
    if (extension !== undefined && !EXTENSION.test(extension)) throw new RangeError(`media extension ${extension}`);
    const id = randomUUID();
    const key = `${kind}/${id.slice(0, 2)}/${id}${extension === undefined ? '' : `.${extension}`}`;
    try {
      await this.files.write(key, typeof source === 'string' ? createReadStream(source) : source);
      const handle = await open(this.localPath(key), 'r');
      try {
        await handle.sync();
        return { key, size: (await handle.stat()).size };
      } finally {
        await handle.close();
      }
    } catch (error) {
      await this.delete(key).catch(() => undefined);
      throw error;
    }
  }

  /**
   * A stream of the file, or of a part of it (`start` and `end` in bytes, both inclusive). It is open when this
   * resolves, so a missing file fails here and not in the middle of an answer.
   *
   * @throws `MEDIA_MISSING` (404)
   */
  async open(key: string, range?: { start: number; end: number }): Promise<Readable> {
    // Not the storage library's read: what it returns does not close the file when the reader goes away early.
    const handle = await open(this.localPath(key), 'r').catch((error: unknown) => {
      throw missing(key, error);
    });
    return handle.createReadStream(range);
  }

  /** Bytes; `MEDIA_MISSING` (404) if there is no such file. */
  async size(key: string): Promise<number> {
    this.check(key);
    const size = await this.files.fileSize(key).catch((error: unknown) => {
      throw missing(key, error);
    });
    return size;
  }

  /** Deletes a file at once; one that is gone already is no error. In a transaction use {@link deleteAfterCommit}. */
  async delete(key: string): Promise<void> {
    this.check(key);
    await this.files.deleteFile(key);
  }

  /** Deletes files once the transaction that dropped their rows has committed; not at all if it rolls back. */
  deleteAfterCommit(tx: Pick<Tx, 'afterCommit'>, keys: readonly string[]): void {
    if (keys.length > 0) tx.afterCommit(() => this.deleteLater(keys));
  }

  /** Deletes files in the background; what fails is logged and left to the sweep. */
  deleteLater(keys: readonly string[]): void {
    for (const key of keys) {
      const work = this.delete(key)
        .catch((error: unknown) => this.log.warn({ key, error }, 'a media file could not be deleted; the sweep will'))
        .finally(() => this.deleting.delete(work));
      this.deleting.add(work);
    }
  }

  /** Resolves when the deletes begun so far are done; for an orderly stop. */
  async settle(): Promise<void> {
    await Promise.all(this.deleting);
  }

  /** Absolute path of the file, for peers that read files themselves. Whoever gets it must not change the file. */
  localPath(key: string): string {
    this.check(key);
    return path.join(this.root, key);
  }

  /** The file as drivers get it. */
  fileRef(file: { key: string; name: string; mediaType: string; size: number }): FileRef {
    return {
      name: file.name,
      mediaType: file.mediaType,
      size: file.size,
      open: () => this.open(file.key),
      localPath: async () => this.localPath(file.key),
    };
  }

  /**
   * Deletes the files of one kind that no row refers to and that are older than {@link ORPHAN_AGE_MS}: left by a crash
   * between storing a file and committing its row, or between a commit and the delete.
   *
   * @param referenced - SQL that selects, as `key`, those of the keys in `$1` (text[]) that rows refer to
   * @returns how many were deleted
   */
  async sweepOrphans(kind: string, referenced: string, sql: SqlRunner, signal?: AbortSignal): Promise<number> {
    if (!(await this.files.directoryExists(kind))) return 0;
    let deleted = 0;
    let batch: string[] = [];
    const flush = async () => {
      const rows = await sql.query<{ key: string }>(referenced, [batch]);
      const kept = new Set(rows.map((row) => row.key));
      for (const key of batch.filter((key) => !kept.has(key))) {
        await this.delete(key);
        deleted += 1;
      }
      batch = [];
    };
    for await (const entry of this.files.list(kind, { deep: true })) {
      if (signal?.aborted) return deleted;
      if (!entry.isFile || !KEY.test(entry.path) || !(await this.isOld(entry.path))) continue;
      batch.push(entry.path);
      if (batch.length >= 500) await flush();
    }
    if (batch.length > 0) await flush();
    if (deleted > 0) this.log.info({ kind, deleted }, 'media files that nothing referred to were deleted');
    return deleted;
  }

  private async isOld(key: string): Promise<boolean> {
    const modified = await this.files.lastModified(key).catch(() => undefined);
    return modified !== undefined && modified < Date.now() - ORPHAN_AGE_MS;
  }

  private check(key: string): void {
    if (!KEY.test(key)) throw new IctError(`${key} is no media key`, { code: 'MEDIA_KEY', status: 500 });
  }
}

function missing(key: string, cause: unknown): unknown {
  const code = (cause as { code?: string; cause?: { code?: string } })?.code;
  const inner = (cause as { cause?: { code?: string } })?.cause?.code;
  if (code !== 'ENOENT' && inner !== 'ENOENT') return cause;
  return new IctError(`The media file ${key} not found`, { code: 'MEDIA_MISSING', status: 404, cause });
}
