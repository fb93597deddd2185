import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { AmiConnection, type AmiEndpoint } from './ami-connection';
import { type AmiAction, cleanValue } from './ami-encode';
import { AmiError, amiErrorCode } from './ami-error';
import { type AmiMessage, field } from './ami-message';

/** Times in milliseconds. */
export interface AmiLinkOptions extends AmiEndpoint {
  /** Longest wait for the answer to an action. Default 10000. */
  readonly actionTimeoutMs?: number;
  /** Longest wait for connection and login together. Default 10000. */
  readonly loginTimeoutMs?: number;
  /** A ping goes out this often, and must be answered within the same time. Default 5000. */
  readonly pingMs?: number;
  /** Waits before reconnecting begin here and double. Default 250. */
  readonly minBackoffMs?: number;
  /** Longest wait before reconnecting. Default 5000. */
  readonly maxBackoffMs?: number;
  /** Gets what a listener threw: one bad listener must not end the link. */
  readonly onListenerError?: (error: unknown) => void;
}

/** Events of an {@link AmiLink}: a link came up, was lost (why), was refused (why), an event of Asterisk. */
interface LinkEvents {
  ready: [];
  down: [why: string];
  unauthorized: [why: string];
  event: [message: AmiMessage];
}

interface Pending {
  readonly list: AmiMessage[] | undefined;
  resolve(messages: AmiMessage[]): void;
  fail(error: AmiError): void;
  readonly name: string;
}

const MAX_PENDING = 5000;
const MAX_LIST = 100_000;
/** Lists that are empty are answered by an error of these words. */
const EMPTY_LIST = /^(no\b|unable to retrieve)|not found/i;

/**
 * A link to one Asterisk that heals itself. asterisk-manager does the wire; this shell mends what it gets wrong:
 * - values with line breaks inject actions: refused;
 * - an action in flight at a drop never calls back, one sent later is lost in silence: rejected, by our own map;
 * - after a drop within an event its reader never recovers: a fresh client for every connection;
 * - it reconnects late (10 to 60 s) or never, and prints on the console: own reconnect, 0.25 to 5 s with jitter;
 * - it neither pings nor times out: it does here; - a wrong password was silent: event `unauthorized`;
 * - `disconnect` leaves half-open sockets and buffers grow without bound: sockets are destroyed, buffers bounded.
 */
export class AmiLink {
  private readonly emitter = new EventEmitter<LinkEvents>();
  private readonly pending = new Map<string, Pending>();
  private connection: AmiConnection | undefined;
  private running = false;
  /** Rises with every attempt to connect, so that a late answer of an old one is known as such. */
  private generation = 0;
  private backoff = 0;
  private retry: NodeJS.Timeout | undefined;
  private ping: NodeJS.Timeout | undefined;

  /** Throws AmiError `invalid` for a user name or password that cannot be written. */
  constructor(private readonly options: AmiLinkOptions) {
    cleanValue(options.username, 'the user name');
    cleanValue(options.secret, 'the password');
    this.emitter.setMaxListeners(0);
  }

  /** True while logged in. */
  get isReady(): boolean {
    return this.connection !== undefined;
  }

  /** Calls `listener` on each event; returns a function that ends this. */
  on<E extends keyof LinkEvents>(event: E, listener: (...values: LinkEvents[E]) => void): () => void {
    const guarded = (...values: unknown[]) => {
      try {
        listener(...(values as LinkEvents[E]));
      } catch (error) {
        this.options.onListenerError?.(error);
      }
    };
    this.emitter.on(event, guarded as never);
    return () => this.emitter.off(event, guarded as never);
  }

  /** Begins to connect and keeps connected until {@link stop}. */
  start(): void {
    if (this.running) return;
    this.running = true;
    this.backoff = 0;
    void this.connect();
  }

  /** Ends the link; everything in flight is rejected with `down`. */
  stop(): void {
    this.running = false;
    clearTimeout(this.retry);
    this.drop('stopped');
  }

  /** Resolves once logged in; rejects with `unsent` when `timeoutMs` are over. */
  whenReady(timeoutMs: number): Promise<void> {
    if (this.isReady) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => end(() => reject(new AmiError('no AMI link in time', 'unsent'))), timeoutMs);
      const off = this.on('ready', () => end(resolve));
      const end = (settle: () => void) => {
        clearTimeout(timer);
        off();
        settle();
      };
    });
  }

  /** Sends an action and resolves with its one response. Rejects with {@link AmiError}. */
  async send(action: AmiAction, more: { id?: string; timeoutMs?: number } = {}): Promise<AmiMessage> {
    const [response] = await this.run(action, false, more);
    return response as AmiMessage;
  }

  /** Sends an action that is answered by a list of events (CoreShowChannels, PJSIPShowContacts ...). */
  list(action: AmiAction, more: { timeoutMs?: number } = {}): Promise<AmiMessage[]> {
    return this.run(action, true, more);
  }

  private run(action: AmiAction, list: boolean, more: { id?: string; timeoutMs?: number }): Promise<AmiMessage[]> {
    return new Promise((resolve, reject) => {
      const { connection } = this;
      if (!connection) return reject(new AmiError('the AMI link is down', 'unsent'));
      if (this.pending.size >= MAX_PENDING) return reject(new AmiError('too many actions unanswered', 'busy'));
      const id = more.id ?? randomUUID();
      if (this.pending.has(id)) return reject(new AmiError('this action id is in flight', 'busy'));
      const end = (settle: () => void) => {
        clearTimeout(timer);
        if (this.pending.delete(id)) connection.forget(id);
        settle();
      };
      const entry: Pending = {
        list: list ? [] : undefined,
        name: action.action,
        resolve: (messages) => end(() => resolve(messages)),
        fail: (error) => end(() => reject(error)),
      };
      const timer = setTimeout(
        () => entry.fail(new AmiError(`no answer to ${action.action}`, 'timeout')),
        more.timeoutMs ?? this.options.actionTimeoutMs ?? 10_000,
      );
      this.pending.set(id, entry);
      try {
        connection.send(action, id, (response) => settleResponse(entry, response));
      } catch (error) {
        end(() => reject(error));
      }
    });
  }

  private async connect(): Promise<void> {
    this.generation += 1;
    const mine = this.generation;
    const current = () => this.running && mine === this.generation;
    try {
      const connection = await AmiConnection.open(this.options, this.options.loginTimeoutMs ?? 10_000, {
        event: (message) => current() && this.take(message),
        lost: (why) => current() && this.drop(why),
      });
      if (!current()) return connection.destroy();
      this.connection = connection;
      this.backoff = 0;
      this.watch(connection);
      this.emitter.emit('ready');
    } catch (error) {
      if (!current()) return;
      if (amiErrorCode(error) === 'unauthorized') this.emitter.emit('unauthorized', (error as Error).message);
      this.again();
    }
  }

  private watch(connection: AmiConnection): void {
    const ms = this.options.pingMs ?? 5000;
    this.ping = setInterval(() => {
      this.send({ action: 'Ping' }, { timeoutMs: ms }).catch((error) => {
        if (amiErrorCode(error) === 'timeout' && this.connection === connection) this.drop('no answer to a ping');
      });
    }, ms);
    this.ping.unref();
  }

  private drop(why: string): void {
    const { connection } = this;
    this.connection = undefined;
    this.generation += 1;
    clearInterval(this.ping);
    connection?.destroy();
    for (const entry of [...this.pending.values()]) entry.fail(new AmiError(`AMI link lost: ${why}`, 'down'));
    if (connection) this.emitter.emit('down', why);
    if (this.running) this.again();
  }

  private again(): void {
    const { minBackoffMs = 250, maxBackoffMs = 5000 } = this.options;
    this.backoff = Math.min(maxBackoffMs, this.backoff ? this.backoff * 2 : minBackoffMs);
    clearTimeout(this.retry);
    this.retry = setTimeout(() => void this.connect(), this.backoff * (0.8 + Math.random() * 0.4));
  }

  private take(message: AmiMessage): void {
    const entry = this.pending.get(field(message, 'actionid'));
    if (!entry?.list) return void this.emitter.emit('event', message);
    if (/^(complete|cancelled)$/i.test(field(message, 'eventlist'))) entry.resolve(entry.list);
    else if (entry.list.push(message) > MAX_LIST) entry.fail(new AmiError(`${entry.name}: list too long`, 'refused'));
  }
}

function settleResponse(entry: Pending, response: AmiMessage): void {
  const refused = field(response, 'response').toLowerCase() === 'error';
  if (refused && entry.list && EMPTY_LIST.test(field(response, 'message'))) entry.resolve([]);
  else if (refused) entry.fail(new AmiError(`AMI ${entry.name}: ${field(response, 'message')}`, 'refused', response));
  else if (!entry.list) entry.resolve([response]);
}
