import { hostname } from 'node:os';
import type { DriverContext, DriverSession, Health, ProviderConfig } from '@ictcore/contract';
import { removeStaleMail } from './mail';
import { type DnsResolver, systemResolver } from './smtp-inbound.authentication';
import { type TlsMaterial, tlsMaterial } from './smtp-inbound.certificate';
import { BANNER, Listener } from './smtp-inbound.listener';
import { readGreeting } from './smtp-inbound.probe';
import { INBOUND_PORT, type SmtpInboundSettings } from './smtp-inbound.settings';

const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 30_000;
const OFF = 'off: no domain is configured. Name the domains that mail is taken for in domains';

/** A listener and its life: off without a domain, tried again while its address cannot be had. */
export class SmtpInboundSession implements DriverSession {
  private readonly host: string;
  private readonly port: number;
  private readonly hostName: string;
  private readonly resolver: DnsResolver;
  private listener: Listener | undefined;
  private tls: TlsMaterial | undefined;
  private problem: Error | undefined;
  /** The state last told, so that only changes are. */
  private told = '';
  private timer: NodeJS.Timeout | undefined;
  private starting: Promise<void> | undefined;
  private closing: Promise<void> | undefined;

  constructor(
    private readonly config: ProviderConfig<SmtpInboundSettings>,
    private readonly context: DriverContext,
    resolver?: DnsResolver,
  ) {
    this.host = config.host || '127.0.0.1';
    this.port = config.port || INBOUND_PORT;
    this.hostName = config.settings.name ?? hostname();
    this.resolver = resolver ?? systemResolver(config.settings.dns_timeout_ms);
  }

  /** Begins to listen, or to try. Resolves after the first try, whatever came of it. */
  async start(): Promise<void> {
    if (this.config.settings.domains.length === 0) return;
    await this.try(FIRST_RETRY_MS);
  }

  async check(signal: AbortSignal): Promise<Health> {
    if (this.config.settings.domains.length === 0) return { state: 'unregistered', detail: OFF };
    await this.starting;
    if (!this.listener && !isTaken(this.problem)) return { state: 'error', detail: this.words() };
    const target = { '0.0.0.0': '127.0.0.1', '::': '::1' }[this.host] ?? this.host;
    try {
      const { text, roundTripMs } = await readGreeting(target, this.port, signal);
      if (!text.startsWith(`220 `) || !text.includes(BANNER)) return { state: 'error', detail: this.words() };
      return { state: 'ok', detail: this.working(), roundTripMs };
    } catch (error) {
      const detail = this.listener ? `${this.where()}: ${(error as Error).message}` : this.words();
      return { state: 'error', detail };
    }
  }

  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async end(): Promise<void> {
    clearTimeout(this.timer);
    await this.starting;
    clearTimeout(this.timer);
    await this.listener?.close();
    this.listener = undefined;
  }

  private async try(retryMs: number): Promise<void> {
    this.starting = this.listen().then(
      async () => {
        this.problem = undefined;
        await this.tell({ state: 'ok', detail: this.working() });
      },
      async (error: Error) => {
        this.problem = error;
        if (!this.closing) this.timer = setTimeout(() => void this.try(nextRetry(retryMs)), retryMs);
        // Another process of this server may have the address: one listens, the others stand by.
        if (!isTaken(error)) await this.tell({ state: 'error', detail: this.words() });
      },
    );
    await this.starting;
  }

  private async listen(): Promise<void> {
    if (this.closing) return;
    const listener = new Listener(this.config, this.context, this.resolver, this.hostName);
    this.tls = await tlsMaterial(this.config.settings, this.hostName, () => this.context.scratchDir());
    await listener.listen(this.host, this.port, this.tls);
    this.listener = listener;
    await removeStaleMail(await this.context.scratchDir()).catch(() => undefined);
  }

  private async tell(health: Health): Promise<void> {
    if (this.told === health.detail) return;
    this.told = health.detail;
    this.context.log.info({ state: health.state }, health.detail);
    await this.context.emit({ kind: 'health', ...health }).catch(() => undefined);
  }

  private where(): string {
    return `${this.host}:${this.port}`;
  }

  private working(): string {
    const { settings } = this.config;
    const domains = settings.domains.slice(0, 3).join(', ') + (settings.domains.length > 3 ? ' ...' : '');
    return `${this.where()} takes mail for ${domains}, ${this.tls || settings.self_signed ? 'with' : 'without'} STARTTLS`;
  }

  /** What is wrong, and how to mend it. */
  private words(): string {
    const { code, message } = (this.problem ?? new Error('it does not listen')) as NodeJS.ErrnoException;
    const mending: Record<string, string> = {
      EADDRINUSE: '. Another program has this port: stop it, or choose another port',
      EACCES: '. Ports below 1024 need the right to bind them: choose another, and send port 25 on to it',
      EADDRNOTAVAIL: '. This machine has no such address: give one of its own as host, or 0.0.0.0 for all',
      ENOTFOUND: '. This machine has no such address: give one of its own as host, or 0.0.0.0 for all',
    };
    return `${this.where()}: ${message}${mending[code ?? ''] ?? ''}`;
  }
}

function isTaken(error: Error | undefined): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === 'EADDRINUSE';
}

function nextRetry(retryMs: number): number {
  return Math.min(retryMs * 2, LAST_RETRY_MS);
}
