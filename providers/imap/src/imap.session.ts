import type { DriverContext, DriverSession, Health, ProviderConfig } from '@ictcore/contract';
import type { ImapFlow } from 'imapflow';
import { checkMailbox } from './imap.check';
import { clearPasswordProblem, createClient, portOf, wordsOf } from './imap.connection';
import { Cursor } from './imap.cursor';
import { NotStored } from './imap.intake';
import { Mailbox } from './imap.mailbox';
import type { ImapSettings } from './imap.settings';
import { removeStaleMail } from './mail';

/** Milliseconds that a mail on its way in may take to end when the session is closed. */
const CLOSE_GRACE_MS = 3000;
/** Longest time that opening waits for the mailbox, in milliseconds. */
const SETTLE_MS = 1000;

/** Watches one mailbox: connects, takes what is there, waits for more by IDLE, and begins anew when the link breaks. */
export class ImapSession implements DriverSession {
  private client: ImapFlow | undefined;
  private running: Promise<void> | undefined;
  private closing: Promise<void> | undefined;
  /** Ends the current wait. */
  private wake: () => void = () => undefined;
  /** The state last told, so that only changes are. */
  private told = '';
  private failures = 0;
  private isSettled: () => void = () => undefined;

  constructor(
    private readonly config: ProviderConfig<ImapSettings>,
    private readonly context: DriverContext,
  ) {}

  /** Begins to watch, in the background. Resolves when it waits for the first time, or the server is slow to answer. */
  async start(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const settled = new Promise<void>((resolve) => {
      this.isSettled = resolve;
      timer = setTimeout(resolve, SETTLE_MS);
    });
    this.running = this.run().finally(() => this.isSettled());
    await settled;
    clearTimeout(timer);
  }

  check(signal: AbortSignal): Promise<Health> {
    return checkMailbox(this.config, signal);
  }

  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async end(): Promise<void> {
    // The loop must see `closing` set when it wakes.
    await Promise.resolve();
    this.wake();
    if (this.client && !this.client.usable) this.client.close();
    let timer: NodeJS.Timeout | undefined;
    const grace = new Promise((resolve) => {
      timer = setTimeout(resolve, CLOSE_GRACE_MS);
    });
    await Promise.race([this.running, grace]);
    clearTimeout(timer);
    this.client?.close();
    await this.running;
  }

  private async run(): Promise<void> {
    const problem = clearPasswordProblem(this.config);
    if (problem !== undefined) return this.tell({ state: 'error', detail: problem });
    await removeStaleMail(await this.context.scratchDir()).catch(() => undefined);
    while (!this.closing) {
      try {
        await this.watch();
      } catch (error) {
        if (this.closing) break;
        this.failures += 1;
        const detail =
          error instanceof NotStored ? `mails cannot be stored: ${error.message}` : wordsOf(error, this.config);
        await this.tell({ state: 'error', detail });
      } finally {
        this.client?.close();
        this.client = undefined;
      }
      if (!this.closing) await this.wait(this.retryMs());
    }
  }

  /** One connection from its beginning to its end. */
  private async watch(): Promise<void> {
    const client = await createClient(this.config);
    this.client = client;
    if (this.closing) return;
    let isDirty = false;
    const news = () => {
      isDirty = true;
      this.wake();
    };
    client.on('exists', news);
    client.on('close', () => this.wake());
    await client.connect();
    const { mailbox: name, poll_interval_ms } = this.config.settings;
    const opened = await client.mailboxOpen(name);
    const cursor = new Cursor();
    await cursor.load(await this.context.scratchDir(), name, String(opened.uidValidity));
    const mailbox = new Mailbox(client, cursor, this.config, this.context, () => this.closing !== undefined);
    while (!this.closing && client.usable) {
      isDirty = false;
      await mailbox.drain();
      this.failures = 0;
      await this.tell({ state: 'ok', detail: this.working() });
      if (isDirty || this.closing) continue;
      const waiting = this.wait(poll_interval_ms);
      // Ended by the next command. Its own failure shows in that.
      void client.idle().catch(() => undefined);
      await waiting;
      if (client.usable) await this.renew(client, cursor, name);
    }
    if (this.closing && client.usable) await client.logout().catch(() => undefined);
    if (!this.closing) throw new Error('the server ended the connection');
  }

  /** A mailbox that was made anew meanwhile has other UIDs. */
  private async renew(client: ImapFlow, cursor: Cursor, name: string): Promise<void> {
    const current = client.mailbox ? String(client.mailbox.uidValidity) : cursor.uidValidity;
    if (current !== cursor.uidValidity) await cursor.load(await this.context.scratchDir(), name, current);
  }

  /** Doubles with each failure; half of it is left to chance, so that many sessions do not come back at once. */
  private retryMs(): number {
    const { first_retry_ms, last_retry_ms } = this.config.settings;
    const whole = Math.min(last_retry_ms, first_retry_ms * 2 ** Math.min(20, Math.max(0, this.failures - 1)));
    return whole / 2 + (Math.random() * whole) / 2;
  }

  private wait(ms: number): Promise<void> {
    if (this.closing) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(done, ms);
      setImmediate(this.isSettled);
      function done() {
        clearTimeout(timer);
        resolve();
      }
      this.wake = done;
    });
  }

  private async tell(health: Health): Promise<void> {
    if (this.told === health.detail) return;
    this.told = health.detail;
    if (health.state === 'ok') this.context.log.info({}, health.detail);
    else this.context.log.warn({}, health.detail);
    await this.context.emit({ kind: 'health', ...health }).catch(() => undefined);
  }

  private working(): string {
    const { host, username, settings } = this.config;
    return `watches ${settings.mailbox} of ${username} at ${host}:${portOf(this.config)}`;
  }
}
