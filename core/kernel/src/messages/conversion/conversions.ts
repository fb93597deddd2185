import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@ictcore/contract';
import { MediaConverter } from '@ictcore/media';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { Config } from '../../boot/config';
import { CONFIG, LOG } from '../../boot/injection';
import { Database } from '../../database/database';
import { ConversionWork } from './conversion-work';
import { DETACH, FORGET_CHANGE, FORGET_OLD, mediaSql, READ_OUTCOME } from './media.sql';
import { mediaErrorReply, type StoredError } from './media-error-reply';
import { MEDIA_KINDS, type MediaKind } from './media-kind';

/** How often a waiter looks for an outcome that another node brings about, in milliseconds. */
const POLL_MS = 300;

/** How an upload ended within the time it is waited for. */
export type Settled = 'done' | 'later';

/**
 * Does what the `media_change` rows promise: one row of a document or recording at a time, in order, on one node at a
 * time. What a dead node has left is taken up by whoever looks next ({@link resume}).
 */
@scoped(Lifecycle.ContainerScoped)
export class Conversions {
  private readonly running = new Map<string, Promise<void>>();
  private readonly again = new Set<string>();
  private readonly outcomes = new EventEmitter();
  private work: ConversionWork | undefined;
  private lease = 30;

  constructor(
    @inject(Database) private readonly database: Database,
    @inject(CONFIG) private readonly config: Config,
    @inject(LOG) private readonly log: Logger,
    @inject(MediaConverter) private readonly converter: MediaConverter,
    @inject(ConversionWork) private readonly worker: ConversionWork,
  ) {
    this.outcomes.setMaxListeners(0);
  }

  /** Removes what a killed server left in its scratch folders and takes up what it did not finish. */
  async start(nodeId: number): Promise<void> {
    this.lease = this.config.engine.lease;
    await this.converter.sweep();
    await this.worker.start(nodeId, (changeId) => this.outcomes.emit(String(changeId)));
    this.work = this.worker;
    void this.resume().catch((error: unknown) => this.log.warn({ error }, 'left conversions wait'));
  }

  /** Ends what runs; it is taken up again by another node or at the next start. */
  async stop(): Promise<void> {
    const { work } = this;
    this.work = undefined;
    work?.stop();
    await this.converter.close();
    await Promise.allSettled(this.running.values());
  }

  /** Takes up changes that no living node is at. Resolves when they are done, or this node stops. */
  async resume(): Promise<void> {
    await this.database.query(FORGET_OLD);
    const left: Promise<void>[] = [];
    for (const kind of MEDIA_KINDS) {
      const rows = await this.database.query<{ id: number }>(mediaSql(kind).left, [this.lease]);
      left.push(...rows.map((row) => this.drain(kind, row.id)));
    }
    await Promise.all(left);
  }

  /**
   * Waits for a change that has been committed.
   *
   * @returns `later` if it takes longer than configured: the row's `status` then tells how it ends
   * @throws 412, 413, 415 if the file came to nothing; the row is then as it was before
   */
  async settle(kind: MediaKind, id: number, changeId: number): Promise<Settled> {
    void this.drain(kind, id);
    const end = performance.now() + this.config.media.convert_wait * 1000;
    for (;;) {
      const known = await this.outcomeOf(changeId);
      if (known) return known;
      const left = end - performance.now();
      if ((left <= 0 || !this.work) && (await this.database.query(DETACH, [changeId])).length > 0) return 'later';
      if (left > 0) await this.nudge(changeId, Math.min(left, POLL_MS));
    }
  }

  /** Id of this node, for the changes that it asks for. */
  get nodeId(): number | null {
    return this.work?.nodeId ?? null;
  }

  /** A path for a file on its way to the storage; whoever asks removes the file. */
  scratchFile(extension: string): string {
    return this.worker.scratchFile(extension);
  }

  /** Kills the conversion for a row that is gone. */
  cancel(kind: MediaKind, id: number): void {
    this.work?.cancel(kind, id);
  }

  private async outcomeOf(changeId: number): Promise<Settled | undefined> {
    const [change] = await this.database.query<{ state: string; error: StoredError | null }>(READ_OUTCOME, [changeId]);
    // Taken over by another node after this one was thought dead, or deleted with its row.
    if (!change) return 'later';
    if (change.state === 'waiting') return undefined;
    await this.database.query(FORGET_CHANGE, [changeId]);
    if (change.state === 'done') return 'done';
    throw mediaErrorReply(change.error ?? { code: 'INTERNAL', status: 500, message: 'The conversion failed' });
  }

  private async nudge(changeId: number, ms: number): Promise<void> {
    const done = new AbortController();
    const { signal } = done;
    const quiet = () => undefined;
    await Promise.race([
      once(this.outcomes, String(changeId), { signal }).catch(quiet),
      delay(ms, undefined, { signal }).catch(quiet),
    ]);
    done.abort();
  }

  /** Does everything that waits for one row. Never rejects. A call while it runs leads to one more look. */
  private drain(kind: MediaKind, id: number): Promise<void> {
    const key = `${kind.name}:${id}`;
    const running = this.running.get(key);
    if (running) {
      this.again.add(key);
      return running;
    }
    const work = this.rounds(kind, id, key).catch((error: unknown) =>
      this.log.error({ [kind.key]: id, error }, 'a conversion waits for the next try'),
    );
    this.running.set(key, work);
    return work;
  }

  private async rounds(kind: MediaKind, id: number, key: string): Promise<void> {
    try {
      do {
        this.again.delete(key);
        await this.work?.run(kind, id, this.lease);
      } while (this.again.has(key) && this.work);
    } finally {
      // In the same turn as the check above, so that no call can slip in between.
      this.running.delete(key);
    }
  }
}
