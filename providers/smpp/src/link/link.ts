import type { Logger } from '@ictcore/contract';
import { COMMAND, isBadLogin, type MessageBody, type MessagePdu, type Pdu } from '../pdu';
import { Backoff, type BackoffTimes } from './backoff';
import { type BindMode, bind, type LinkOptions } from './bind';
import type { Connection } from './connection';
import { isLinkError, LinkError } from './link-error';
import { SubmitQueue, type SubmitQueueOptions } from './submit-queue';

/** What a link tells. */
export interface LinkEvents {
  onMessage(pdu: MessagePdu, connection: Connection): void;
  onUp(detail: string): void;
  onDown(detail: string, login: boolean): void;
  /** A bound connection has ended; called before {@link onDown}. */
  onConnectionEnd?(connection: Connection): void;
}

/** A link that comes back sooner than this keeps its orders waiting; otherwise they are told at once. */
const WORTH_WAITING_MS = 1000;
/** A link that stayed up this long was a good one: the next pause is short again. */
const STABLE_MS = 10_000;
const UNBIND_MS = 1000;
/** Longest wait for open answers when either side says goodbye. */
const DRAIN_MS = 3000;

/** One bind that is kept up: reconnects with back-off, and sends what is queued while it is bound. */
export class Link {
  private readonly queue: SubmitQueue;
  private readonly backoff: Backoff;
  private readonly ending = new AbortController();
  private connection: Connection | undefined;
  private boundAt = 0;
  private retry: NodeJS.Timeout | undefined;
  private retryAt = 0;
  private problem = new LinkError('closed', false, 'not connected yet');
  private closing: Promise<void> | undefined;

  constructor(
    private readonly options: LinkOptions & BackoffTimes & SubmitQueueOptions,
    readonly mode: BindMode,
    private readonly events: LinkEvents,
    private readonly log: Logger,
  ) {
    this.queue = new SubmitQueue(options);
    this.backoff = new Backoff(options);
  }

  /** Begins to connect. */
  start(): void {
    void this.connect();
  }

  /** True while messages can go out. */
  get bound(): boolean {
    return this.connection !== undefined;
  }

  /**
   * Sends a submit_sm as soon as window, pace and link allow, and resolves with its answer. Rejects with a
   * {@link LinkError}: at once if the link is down and will not be back in a moment.
   */
  submit(body: MessageBody, signal: AbortSignal): Promise<Pdu> {
    if (this.closing) return Promise.reject(new LinkError('closing', false, 'the session is closing'));
    if (this.retry && this.retryAt - Date.now() > WORTH_WAITING_MS) return Promise.reject(this.problem);
    return this.queue.push({ command: COMMAND.submit_sm, body }, signal);
  }

  /** How long the peer's throttling holds messages back from now, in milliseconds. */
  get throttledMs(): number {
    return this.queue.throttledMs;
  }

  /** Ends this connection and binds anew: the peer does not know us as bound any more. */
  rebind(reason: string): void {
    if (this.connection) void this.retire(this.connection, reason);
  }

  /** Waits for open answers, unbinds and closes. Resolves even if the peer is gone. */
  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async end(): Promise<void> {
    clearTimeout(this.retry);
    this.queue.refuse(new LinkError('closing', false, 'the session is closing'));
    const { connection } = this;
    if (connection) {
      await this.queue.drained(DRAIN_MS);
      await connection.unbind(UNBIND_MS);
    }
    this.ending.abort();
    this.queue.end();
  }

  private async connect(): Promise<void> {
    this.retry = undefined;
    const handler = {
      onMessage: this.events.onMessage,
      onUnbind: (connection: Connection) => void this.retire(connection, 'the peer unbound'),
      onClose: (reason: string, connection: Connection) => this.ended(reason, connection),
    };
    try {
      const { connection, systemId } = await bind(this.options, this.mode, handler, this.log, this.ending.signal);
      if (this.closing) {
        connection.close('closing');
        return;
      }
      this.connection = connection;
      this.boundAt = Date.now();
      this.events.onUp(`bound as ${this.mode} to ${systemId || 'the centre'}`);
      this.queue.attach(connection);
    } catch (error) {
      if (this.closing) return;
      this.failed(isLinkError(error) ? error : new LinkError('closed', false, String(error)));
    }
  }

  /** Sends nothing more on a connection, waits for the answers that are on their way, and closes it. */
  private async retire(connection: Connection, reason: string): Promise<void> {
    if (this.connection === connection) this.queue.detach();
    await this.queue.drained(DRAIN_MS);
    connection.close(reason);
  }

  private ended(reason: string, connection: Connection): void {
    if (this.connection !== connection) return; // never was bound: connect() tells
    this.connection = undefined;
    this.queue.detach();
    this.events.onConnectionEnd?.(connection);
    if (this.closing) return;
    if (Date.now() - this.boundAt > STABLE_MS) this.backoff.reset();
    this.failed(new LinkError('closed', false, `the link broke: ${reason}`));
  }

  private failed(error: LinkError): void {
    this.problem = new LinkError(error.problem, false, error.message, error.status);
    const login = error.problem === 'login' && (error.status === undefined || isBadLogin(error.status));
    const pauseMs = this.backoff.next(login);
    this.log.warn({ problem: error.message, retry_ms: pauseMs }, 'smpp: link down');
    this.retryAt = Date.now() + pauseMs;
    this.retry = setTimeout(() => void this.connect(), pauseMs);
    if (pauseMs > WORTH_WAITING_MS) this.queue.refuse(this.problem);
    this.events.onDown(error.message, login);
  }
}
