import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { isIctError, type Logger } from '@ictcore/contract';
import { type FaxQuality, isMediaError, MediaConverter, MediaError, type MediaFile } from '@ictcore/media';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { Config } from '../../boot/config';
import { CONFIG, LOG } from '../../boot/injection';
import { Database, type Tx } from '../../database/database';
import { MediaStorage, type StoredFile } from '../../media';
import { FINISH_CHANGE, FORGET_CHANGE, mediaSql, UNCOUNT_TRY } from './media.sql';
import type { StoredError } from './media-error-reply';
import { type DerivedColumns, extensionOf, type MediaKind } from './media-kind';

/** Starts of one change before it is given up: a file that takes the server down must not do so for ever. */
const MAX_TRIES = 3;
/** How long files that are not on this machine may turn up again, in seconds. */
const MISSING_PATIENCE_S = 86_400;

interface Change {
  change_id: number;
  action: 'append' | 'replace' | 'derive';
  unlimited: number;
  tries: number;
  detached: number;
  created_by: number | null;
  quality: FaxQuality | null;
  /** Seconds since it was asked for. */
  age: number;
}

interface FileRow {
  storage_key: string;
  role: 'original' | 'derived' | 'pdf' | 'waiting';
  position: number;
  name: string | null;
  media_type: string;
  size: number;
  change_id: number | null;
}

/** What a change made. */
interface Made {
  file: StoredFile;
  columns: DerivedColumns;
}

/** Carries changes out: converts outside of any transaction, then puts the result in place in one. */
@scoped(Lifecycle.ContainerScoped)
export class ConversionWork {
  private readonly scratch: string;
  private readonly aborts = new Map<string, AbortController>();
  nodeId = 0;
  private stopped = false;
  private onEnd: (changeId: number) => void = () => undefined;

  constructor(
    @inject(Database) private readonly database: Database,
    @inject(CONFIG) private readonly config: Config,
    @inject(LOG) private readonly log: Logger,
    @inject(MediaStorage) private readonly storage: MediaStorage,
    @inject(MediaConverter) private readonly converter: MediaConverter,
  ) {
    this.scratch = path.join(config.data_dir, 'tmp', 'media');
  }

  /** Empties the scratch folder: this data directory has no other server. */
  async start(nodeId: number, onEnd: (changeId: number) => void): Promise<void> {
    this.nodeId = nodeId;
    this.onEnd = onEnd;
    await rm(this.scratch, { recursive: true, force: true });
    await mkdir(this.scratch, { recursive: true, mode: 0o700 });
  }

  stop(): void {
    this.stopped = true;
  }

  cancel(kind: MediaKind, id: number): void {
    this.aborts.get(`${kind.name}:${id}`)?.abort(new Error('the row is deleted'));
  }

  /** A path for a file on its way; whoever asks removes it. */
  scratchFile(extension: string): string {
    return path.join(this.scratch, `${randomUUID()}.${extension}`);
  }

  /** Carries out what waits for one row, if no other node does. */
  async run(kind: MediaKind, id: number, lease: number): Promise<void> {
    const sql = mediaSql(kind);
    const claimed = await this.database.query(sql.claim, [id, this.nodeId, lease]);
    if (claimed.length === 0) return;
    let more = true;
    try {
      while (more && !this.stopped) more = await this.nextChange(kind, id);
    } finally {
      await this.database.query(sql.release, [id, this.nodeId]).catch(() => undefined);
    }
  }

  /** True if there is another one. */
  private async nextChange(kind: MediaKind, id: number): Promise<boolean> {
    const [change] = await this.database.query<Change>(mediaSql(kind).next, [id, this.nodeId]);
    if (!change) return false;
    if (change.tries > MAX_TRIES) {
      return this.fail(kind, id, change, {
        code: 'MEDIA_NOT_CONVERTIBLE',
        status: 412,
        message: `The conversion was cut off ${MAX_TRIES} times and is given up.`,
      });
    }
    const key = `${kind.name}:${id}`;
    const abort = new AbortController();
    this.aborts.set(key, abort);
    try {
      return await this.complete(kind, id, change, await this.convert(kind, id, change, abort.signal));
    } catch (error) {
      return await this.failed(kind, id, change, error, abort.signal.aborted);
    } finally {
      this.aborts.delete(key);
    }
  }

  private async convert(kind: MediaKind, id: number, change: Change, signal: AbortSignal): Promise<Made> {
    const files = await this.database.query<FileRow>(mediaSql(kind).files, [id]);
    const inputs = inputsOf(change, files);
    for (const file of inputs) await this.storage.size(file.storage_key);
    const out = this.scratchFile(kind.derived.extension);
    try {
      const columns = await kind.convert(
        this.converter,
        inputs.map(
          (file): MediaFile => ({ path: this.storage.localPath(file.storage_key), mediaType: file.media_type }),
        ),
        {
          quality: change.quality ?? 'standard',
          limited: change.unlimited === 0,
          config: this.config.media,
          signal,
        },
        out,
      );
      const file = await this.storage.put(kind.name, out, kind.derived.extension);
      refuseNothingAdded(change, inputs, file, () => this.storage.deleteLater([file.key]));
      return { file, columns };
    } finally {
      await rm(out, { force: true });
    }
  }

  /** Puts the result in place; if this node no longer holds the change, the result is dropped. */
  private async complete(kind: MediaKind, id: number, change: Change, made: Made): Promise<boolean> {
    try {
      const more = await this.database.transaction(async (tx) => {
        const held = await this.hold(kind, id, change, tx);
        if (!held) {
          this.storage.deleteLater([made.file.key]);
          return false;
        }
        await this.swap(kind, id, change, made, tx);
        await this.finish(change, held.detached, null, tx);
        return this.settle(kind, id, tx);
      });
      this.onEnd(change.change_id);
      return more;
    } catch (error) {
      this.storage.deleteLater([made.file.key]);
      throw error;
    }
  }

  private async swap(kind: MediaKind, id: number, change: Change, made: Made, tx: Tx): Promise<void> {
    const sql = mediaSql(kind);
    const roles = change.action === 'replace' ? ['original', 'derived', 'pdf'] : ['derived', 'pdf'];
    const dropped = await tx.query<{ storage_key: string }>(sql.dropFiles, [id, roles]);
    await tx.query(sql.keepOriginals, [id, change.change_id]);
    const { mediaType } = kind.derived;
    await tx.query(sql.insertFile, [made.file.key, id, 'derived', 0, null, mediaType, made.file.size, null]);
    const columns = { ...made.columns, ...(kind.name === 'document' && { quality: change.quality }) };
    const names = Object.keys(columns);
    await tx.query(`update ${kind.table} set ${names.map((name, i) => `${name} = $${i + 2}`)} where ${kind.key} = $1`, [
      id,
      ...Object.values(columns),
    ]);
    const [first] = await tx.query<{ media_type: string }>(
      `select media_type from message_media where ${kind.key} = $1 and role = 'original' order by position limit 1`,
      [id],
    );
    await tx.query(sql.describe, [id, change.created_by, extensionOf(first?.media_type ?? '')]);
    this.storage.deleteAfterCommit(
      tx,
      dropped.map((row) => row.storage_key),
    );
  }

  /** What came of a conversion that threw. True if there is another change to do now. */
  private async failed(kind: MediaKind, id: number, change: Change, error: unknown, gone: boolean): Promise<boolean> {
    if (gone) return true;
    if (isMediaError(error)) {
      const { code, status, message, detail } = error;
      this.log.info({ [kind.key]: id, code, detail }, 'a file was not converted');
      return this.fail(kind, id, change, { code, status, message });
    }
    if (this.stopped) {
      await this.database.query(UNCOUNT_TRY, [change.change_id]);
      return false;
    }
    const missing = isIctError(error) && error.code === 'MEDIA_MISSING';
    if (missing && change.age < MISSING_PATIENCE_S && change.tries > 1) {
      // Perhaps another machine has it, or a mount is late.
      await this.database.query(UNCOUNT_TRY, [change.change_id]);
      this.log.warn({ [kind.key]: id }, 'the files of a conversion are not on this machine; it waits');
      return false;
    }
    this.log.error({ [kind.key]: id, error }, 'a conversion failed on our side');
    const message = 'The conversion failed on our side; the log says more.';
    return this.fail(kind, id, change, { code: 'INTERNAL', status: 500, message });
  }

  /** Drops the change and its files; the row keeps what it had. */
  private async fail(kind: MediaKind, id: number, change: Change, error: StoredError): Promise<boolean> {
    const sql = mediaSql(kind);
    const more = await this.database.transaction(async (tx) => {
      const held = await this.hold(kind, id, change, tx);
      if (!held) return false;
      const dropped = await tx.query<{ storage_key: string }>(
        'delete from message_media where change_id = $1 returning storage_key',
        [change.change_id],
      );
      await this.finish(change, held.detached, error, tx);
      // Whoever waits is told; otherwise the row has to tell.
      if (held.detached === 1) await tx.query(sql.fail, [id, error.message]);
      this.storage.deleteAfterCommit(
        tx,
        dropped.map((row) => row.storage_key),
      );
      return this.settle(kind, id, tx);
    });
    this.onEnd(change.change_id);
    return more;
  }

  private async hold(kind: MediaKind, id: number, change: Change, tx: Tx): Promise<{ detached: number } | undefined> {
    const values = [id, this.nodeId, change.change_id];
    const [held] = await tx.query<{ detached: number }>(mediaSql(kind).held, values);
    return held;
  }

  private async finish(change: Change, detached: number, error: StoredError | null, tx: Tx): Promise<void> {
    if (detached === 1) await tx.query(FORGET_CHANGE, [change.change_id]);
    else {
      const outcome = error ? ['failed', JSON.stringify(error)] : ['done', null];
      await tx.query(FINISH_CHANGE, [change.change_id, ...outcome]);
    }
  }

  private async settle(kind: MediaKind, id: number, tx: Tx): Promise<boolean> {
    const [row] = await tx.query<{ more: boolean }>(mediaSql(kind).settle, [id]);
    return row?.more ?? false;
  }
}

/**
 * What a change is made of. An appended file goes behind what has been derived already: its pages are kept bit by bit,
 * so that one more page costs one page.
 */
function inputsOf(change: Change, files: readonly FileRow[]): FileRow[] {
  const own = files.filter((file) => file.change_id === change.change_id);
  if (change.action === 'replace') return own;
  if (change.action === 'append') return [...files.filter((file) => file.role === 'derived'), ...own];
  return files.filter((file) => file.role === 'original');
}

/** A file that adds nothing to what is there (a sound of no length) is refused as it would be alone. */
function refuseNothingAdded(change: Change, inputs: readonly FileRow[], made: StoredFile, drop: () => void): void {
  const before = inputs.find((file) => file.role === 'derived');
  if (change.action !== 'append' || !before || made.size > before.size) return;
  drop();
  throw new MediaError('MEDIA_NOT_CONVERTIBLE', 'There is nothing in the file.');
}
