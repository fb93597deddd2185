import { ESME, meaningOf, type Pdu } from '../pdu';
import type { Connection, Request } from './connection';
import { LinkError } from './link-error';

/** Options of a {@link SubmitQueue}. */
export interface SubmitQueueOptions {
  /** Requests without an answer at once. */
  window: number;
  /** Requests per second; no limit without it. */
  perSecond: number | undefined;
}

interface Entry {
  request: Request;
  resolve: (answer: Pdu) => void;
  reject: (error: LinkError) => void;
  settled: boolean;
}

/** First and longest pause after the peer has throttled, in milliseconds. */
const THROTTLE_MS = { first: 200, longest: 5000 };

/** Requests that wait for a link, its window and its pace. Whoever pushes bounds how many: a session's limits. */
export class SubmitQueue {
  private waiting: Entry[] = [];
  private connection: Connection | undefined;
  private inFlight = 0;
  private pausedUntil = 0;
  /** The last pause for throttling, in milliseconds; 0 if the peer last took a message. */
  private throttle = 0;
  private tokens = 1;
  private filledAt = Date.now();
  private timer: NodeJS.Timeout | undefined;
  private idle: (() => void)[] = [];

  constructor(private readonly options: SubmitQueueOptions) {}

  /** Resolves with the answer; rejects with a {@link LinkError}, after an abort too. */
  push(request: Request, signal: AbortSignal): Promise<Pdu> {
    return new Promise((resolve, reject) => {
      const entry: Entry = {
        request,
        settled: false,
        resolve: (answer) => {
          signal.removeEventListener('abort', abort);
          resolve(answer);
        },
        reject: (error) => {
          signal.removeEventListener('abort', abort);
          entry.settled = true;
          reject(error);
        },
      };
      const abort = () => {
        const at = this.waiting.indexOf(entry);
        if (at >= 0) this.waiting.splice(at, 1);
        entry.reject(new LinkError('aborted', at < 0, at < 0 ? 'given up before the answer' : 'given up in the queue'));
      };
      if (signal.aborted) {
        entry.reject(new LinkError('aborted', false, 'given up before it began'));
        return;
      }
      signal.addEventListener('abort', abort, { once: true });
      this.waiting.push(entry);
      this.pump();
    });
  }

  /** A link is up: what waits may leave. */
  attach(connection: Connection): void {
    this.connection = connection;
    this.pump();
  }

  /** The link takes nothing any more; what waits goes on waiting. */
  detach(): void {
    this.connection = undefined;
  }

  /** How long the peer's throttling holds everything back from now, in milliseconds. */
  get throttledMs(): number {
    return Math.max(0, this.pausedUntil - Date.now());
  }

  /** Learns from an answer: each throttled one doubles the pause, a taken message ends it. */
  private learn(status: number): void {
    if (status === ESME.ROK) this.throttle = 0;
    // Of a whole window that is throttled together only the first answer counts.
    if (meaningOf(status).action !== 'defer' || this.throttledMs > 0) return;
    this.throttle = Math.min(Math.max(this.throttle * 2, THROTTLE_MS.first), THROTTLE_MS.longest);
    this.pausedUntil = Date.now() + this.throttle;
  }

  /** Rejects what waits. */
  refuse(error: LinkError): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const entry of waiting) entry.reject(error);
  }

  /** Resolves when nothing is on its way any more, or after `timeoutMs`. */
  async drained(timeoutMs: number): Promise<void> {
    if (this.inFlight === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.idle.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Stops its timer. */
  end(): void {
    this.detach();
    clearTimeout(this.timer);
  }

  private pump(): void {
    while (this.connection && this.waiting.length > 0 && this.inFlight < this.options.window) {
      const waitMs = this.waitMs();
      if (waitMs > 0) {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.pump(), waitMs);
        return;
      }
      this.tokens -= 1;
      this.send(this.waiting.shift() as Entry, this.connection);
    }
  }

  /** Milliseconds until the next request may leave. */
  private waitMs(): number {
    const now = Date.now();
    if (this.pausedUntil > now) return this.pausedUntil - now;
    const { perSecond } = this.options;
    if (perSecond === undefined) return 0;
    // A burst of a tenth of a second keeps the pace even and the timers few.
    const burst = Math.max(1, perSecond / 10);
    this.tokens = Math.min(burst, this.tokens + ((now - this.filledAt) / 1000) * perSecond);
    this.filledAt = now;
    return this.tokens >= 1 ? 0 : Math.ceil(((1 - this.tokens) / perSecond) * 1000);
  }

  private send(entry: Entry, connection: Connection): void {
    this.inFlight += 1;
    const done = () => {
      this.inFlight -= 1;
      if (this.inFlight === 0) for (const tell of this.idle.splice(0)) tell();
      this.pump();
    };
    connection.request(entry.request).then(
      (answer) => {
        this.learn(answer.status);
        if (!entry.settled) entry.resolve(answer);
        done();
      },
      (error: LinkError) => {
        if (!entry.settled) entry.reject(error);
        done();
      },
    );
  }
}
