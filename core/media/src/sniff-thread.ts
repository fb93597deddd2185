import { Worker } from 'node:worker_threads';
import { builtFile } from './built-file';
import { MediaError } from './media-error';
import type { SniffAnswer, SniffQuestion } from './worker/sniff-worker';

/** Milliseconds one file may take: the parser has had endless loops on hostile files. */
const TIME_LIMIT_MS = 5_000;
/** Megabytes of heap of the thread. */
const HEAP_MB = 64;

interface Waiting {
  resolve(mediaType: string | undefined): void;
  reject(error: Error): void;
}

/**
 * Asks `file-type` what a file is, in a thread that is started on first use and replaced when it hangs or dies: the
 * library is an ES module, which test runners cannot load into their own world, and it parses hostile input.
 */
export class SniffThread {
  private worker: Worker | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly waiting = new Map<number, Waiting>();
  private last = 0;

  /** The media type by content; undefined when there is no known signature. */
  detect(source: string | Buffer): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      const id = ++this.last;
      this.worker ??= this.start();
      this.waiting.set(id, { resolve, reject });
      this.worker.ref(); // only an unanswered question keeps the process alive
      const question: SniffQuestion =
        typeof source === 'string' ? { id, path: source } : { id, head: Uint8Array.from(source) };
      this.worker.postMessage(question);
      this.timer ??= setTimeout(() => this.fail(timedOut()), TIME_LIMIT_MS);
    });
  }

  async close(): Promise<void> {
    const { worker } = this;
    this.fail(new MediaError('MEDIA_NOT_CONVERTIBLE', 'The server is shutting down.'));
    await worker?.terminate();
  }

  private start(): Worker {
    const worker = new Worker(builtFile('worker/sniff-worker.js'), {
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
      env: {},
      stdout: true,
      stderr: true,
    });
    worker.on('message', (answer: SniffAnswer) => this.answer(answer));
    worker.once('error', (error: Error) => {
      if (worker !== this.worker) return;
      this.fail(new MediaError('MEDIA_NOT_CONVERTIBLE', 'The kind of file cannot be told.', error.message));
    });
    return worker;
  }

  private answer({ id, mediaType, error }: SniffAnswer): void {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    clearTimeout(this.timer);
    this.timer = this.waiting.size > 0 ? setTimeout(() => this.fail(timedOut()), TIME_LIMIT_MS) : undefined;
    if (this.waiting.size === 0) this.worker?.unref();
    if (error === undefined) waiting?.resolve(mediaType);
    else waiting?.reject(new Error(error));
  }

  /** Gives up the thread and all that wait for it; the next question starts a new one. */
  private fail(error: Error): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    void this.worker?.terminate();
    this.worker = undefined;
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }
}

function timedOut(): MediaError {
  return new MediaError('MEDIA_TIMEOUT', 'It took too long to tell the kind of file.');
}
