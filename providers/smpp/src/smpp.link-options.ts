import { isIP } from 'node:net';
import type { ProviderConfig } from '@ictcore/contract';
import type { BindMode, Link, LinkOptions } from './link';
import type { SmppSettings } from './smpp.settings';

/** The registered port of SMPP (IANA smpp). */
export const SMPP_PORT = 2775;
const FIRST_RECONNECT_MS = 250;

/** A provider's row and settings as a link wants them. */
export function linkOptions(config: ProviderConfig<SmppSettings>): LinkOptions & ConstructorParameters<typeof Link>[0] {
  const { settings } = config;
  return {
    host: config.host,
    port: config.port || SMPP_PORT,
    tls: settings.tls ? { ca: settings.ca, rejectUnauthorized: settings.reject_unauthorized } : undefined,
    connectTimeoutMs: settings.connect_timeout_seconds * 1000,
    responseTimeoutMs: settings.response_timeout_seconds * 1000,
    enquireLinkMs: settings.enquire_link_seconds * 1000,
    login: {
      systemId: config.username,
      password: config.password,
      systemType: settings.system_type,
      addrTon: 0,
      addrNpi: 0,
      addressRange: settings.address_range,
    },
    firstMs: FIRST_RECONNECT_MS,
    longestMs: settings.reconnect_max_seconds * 1000,
    loginMs: settings.login_retry_seconds * 1000,
    window: settings.window,
    perSecond: settings.per_second,
  };
}

/** The binds that a provider needs: the first one sends. */
export function modesOf({ bind_mode }: SmppSettings): readonly [BindMode, ...BindMode[]] {
  return bind_mode === 'transmitter_receiver' ? ['transmitter', 'receiver'] : [bind_mode];
}

/** Host and port for people. */
export function whereOf({ host, port }: { host: string; port: number }): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}
