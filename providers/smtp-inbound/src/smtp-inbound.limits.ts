import { BlockList, isIP } from 'node:net';
import type { SmtpInboundSettings } from './smtp-inbound.settings';

const MINUTE_MS = 60_000;
/** Addresses remembered at most; beyond it those of past minutes are forgotten early. */
const MAX_CLIENTS = 100_000;

interface Client {
  connections: number;
  minute: number;
  messages: number;
}

/** How much one client address may do. Trusted relays may do everything. */
export class ClientLimits {
  private readonly clients = new Map<string, Client>();
  private readonly trusted = new BlockList();

  constructor(
    private readonly settings: Pick<
      SmtpInboundSettings,
      'max_connections_per_client' | 'max_messages_per_minute' | 'trusted_relays'
    >,
    private readonly now: () => number = Date.now,
  ) {
    for (const network of settings.trusted_relays) {
      const [ip = '', bits] = network.split('/');
      const family = isIP(ip) === 6 ? 'ipv6' : 'ipv4';
      if (bits === undefined) this.trusted.addAddress(ip, family);
      else this.trusted.addSubnet(ip, Number(bits), family);
    }
  }

  /** Whether this address is a mail server of ours. */
  isTrusted(ip: string): boolean {
    const family = isIP(ip);
    return family !== 0 && this.trusted.check(ip, family === 6 ? 'ipv6' : 'ipv4');
  }

  /** Counts a connection; false if there are too many already. Every true needs one {@link leave}. */
  enter(ip: string): boolean {
    const client = this.clientOf(ip);
    if (!this.isTrusted(ip) && client.connections >= this.settings.max_connections_per_client) return false;
    client.connections += 1;
    return true;
  }

  leave(ip: string): void {
    const client = this.clients.get(ip);
    if (client) client.connections -= 1;
  }

  /** Counts a mail; false if there were too many in this minute. */
  takeMessage(ip: string): boolean {
    if (this.isTrusted(ip)) return true;
    const client = this.clientOf(ip);
    client.messages += 1;
    return client.messages <= this.settings.max_messages_per_minute;
  }

  private clientOf(ip: string): Client {
    const minute = Math.floor(this.now() / MINUTE_MS);
    const known = this.clients.get(ip);
    if (known) {
      if (known.minute !== minute) Object.assign(known, { minute, messages: 0 });
      return known;
    }
    if (this.clients.size >= MAX_CLIENTS) this.forget();
    const client = { connections: 0, minute, messages: 0 };
    this.clients.set(ip, client);
    return client;
  }

  private forget(): void {
    for (const [ip, { connections }] of this.clients) if (connections === 0) this.clients.delete(ip);
  }
}
