import {
  type DriverContext,
  type DriverSession,
  deferred,
  failed,
  type Health,
  type Order,
  type Outcome,
  type ProviderConfig,
  type SessionLimits,
} from '@ictcore/contract';
import { type Connection, Link } from './link';
import { buildMessage } from './message';
import type { MessagePdu } from './pdu';
import { checkCentre } from './smpp.check';
import { HandOver } from './smpp.hand-over';
import { Inbox } from './smpp.inbox';
import { linkOptions, modesOf, whereOf } from './smpp.link-options';
import type { SmppSettings } from './smpp.settings';
import { openStores, releaseStores, type Stores } from './state';

const SHUTTING_DOWN_MS = 1000;
/** Longest wait at the end for deliveries that the kernel is still storing, in milliseconds. */
const CLOSE_GRACE_MS = 2000;

/**
 * Pause between opening and binding, in milliseconds, unless there is something to send: a session that is opened for a
 * check alone then makes no second link, which many centres do not allow.
 */
const BIND_AFTER_MS = 250;

/** The links to one SMSC. */
export class SmppSession implements DriverSession {
  readonly limits: SessionLimits;
  private readonly links: Link[];
  private readonly inbox: Inbox;
  private readonly up = new Set<Link>();
  private told = '';
  private starter: NodeJS.Timeout | undefined;
  private started = false;
  private closing: Promise<void> | undefined;

  private constructor(
    private readonly config: ProviderConfig<SmppSettings>,
    private readonly context: DriverContext,
    private readonly stores: Stores,
    private readonly folder: string,
  ) {
    const { window, per_second: perSecond } = config.settings;
    // One window on the wire and one waiting: the link never idles while the kernel fetches more.
    this.limits = { maxInFlight: window * 2, ...(perSecond !== undefined && { perSecond }) };
    this.inbox = new Inbox(config.settings, stores, context);
    this.links = modesOf(config.settings).map((mode) => this.newLink(mode));
  }

  /** Reads what an earlier session left behind; binds a moment later. */
  static async open(config: ProviderConfig<SmppSettings>, context: DriverContext): Promise<SmppSession> {
    const folder = await context.scratchDir();
    const stores = await openStores(folder, config.settings.reassembly_seconds * 1000, context.log);
    const session = new SmppSession(config, context, stores, folder);
    session.startSoon();
    return session;
  }

  async submit(order: Order, signal: AbortSignal): Promise<Outcome> {
    if (order.channel !== 'sms') {
      return failed('rejected', `smpp carries sms, not ${order.channel}`, { notAccepted: true });
    }
    if (this.closing) return deferred(SHUTTING_DOWN_MS, 'provider_down', 'the session is closing');
    if (signal.aborted) return failed('cancelled', 'given up before it began', { notAccepted: true });
    const message = buildMessage(order, this.config.prefix, this.config.settings);
    if ('kind' in message) return message;
    this.start();
    const handOver = new HandOver(this.sender, this.stores.ledger, this.config.settings, order.spoolId);
    return handOver.run(message, signal);
  }

  async check(signal: AbortSignal): Promise<Health> {
    clearTimeout(this.starter);
    const host = {
      onMessage: (pdu: MessagePdu, connection: Connection) => this.inbox.take(pdu, connection),
      onConnectionEnd: (connection: Connection) => this.inbox.ended(connection),
      bound: () => this.stores.bound.size > 0,
    };
    const health = await checkCentre(this.config, host, this.context.log, signal);
    this.startSoon();
    return health;
  }

  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private get sender(): Link {
    return this.links[0] as Link;
  }

  private startSoon(): void {
    clearTimeout(this.starter);
    if (!this.started && !this.closing) this.starter = setTimeout(() => this.start(), BIND_AFTER_MS);
  }

  private start(): void {
    clearTimeout(this.starter);
    if (this.started || this.closing) return;
    this.started = true;
    for (const link of this.links) link.start();
  }

  private async end(): Promise<void> {
    clearTimeout(this.starter);
    this.inbox.close();
    let timer: NodeJS.Timeout | undefined;
    const grace = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_GRACE_MS);
    });
    await Promise.race([this.inbox.idle(), grace]);
    clearTimeout(timer);
    await Promise.all(this.links.map((link) => link.close()));
    this.stores.bound.delete(this);
    await releaseStores(this.folder);
  }

  private newLink(mode: ConstructorParameters<typeof Link>[1]): Link {
    const link: Link = new Link(
      linkOptions(this.config),
      mode,
      {
        onMessage: (pdu, connection) => this.inbox.take(pdu, connection),
        onConnectionEnd: (connection) => this.inbox.ended(connection),
        onUp: (detail) => {
          this.up.add(link);
          if (this.up.size < this.links.length) return;
          this.stores.bound.add(this);
          this.tell({ state: 'ok', detail });
        },
        onDown: (detail) => {
          this.up.delete(link);
          this.stores.bound.delete(this);
          this.tell({ state: 'error', detail });
        },
      },
      this.context.log,
    );
    return link;
  }

  /** Tells the kernel of a change; the same news at each try to reconnect is told once. */
  private tell(health: Health): void {
    const detail = `${whereOf(linkOptions(this.config))}: ${health.detail}`;
    const news = `${health.state} ${detail}`;
    if (news === this.told) return;
    this.told = news;
    this.context.emit({ kind: 'health', state: health.state, detail }).catch((error: unknown) => {
      this.told = '';
      this.context.log.warn({ error }, 'smpp: the state of the link could not be stored');
    });
  }
}
