import { isIP } from 'node:net';
import type { ProviderConfig } from '@ictcore/contract';
import type { ImapFlow, ImapFlowOptions } from 'imapflow';
import type { ImapSettings } from './imap.settings';

/** IDLE is begun anew after this many milliseconds: servers may end it after 30 minutes (RFC 2177), routers sooner. */
const MAX_IDLE_MS = 240_000;

/** The port where the row names none. */
export function portOf({ port, settings }: Pick<ProviderConfig<ImapSettings>, 'port' | 'settings'>): number {
  return port || (settings.encryption === 'tls' ? 993 : 143);
}

/** Why the password may not be sent; undefined if it may. */
export function clearPasswordProblem({ host, settings }: ProviderConfig<ImapSettings>): string | undefined {
  if (settings.encryption !== 'none' || settings.allow_clear_password) return undefined;
  if (host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))) return undefined;
  return 'the password is not sent without TLS: set encryption to tls or starttls, or allow_clear_password';
}

/** A client that is not connected yet. The library is loaded with the first: it takes 20 MB. */
export async function createClient(config: ProviderConfig<ImapSettings>): Promise<ImapFlow> {
  const { ImapFlow } = await import('imapflow');
  const client = new ImapFlow(optionsOf(config));
  // Without a listener an error would end the process; what it means is seen by the command that fails.
  client.on('error', () => undefined);
  return client;
}

function optionsOf(config: ProviderConfig<ImapSettings>): ImapFlowOptions {
  const { host, username, password, settings } = config;
  const { encryption, ca, reject_unauthorized } = settings;
  return {
    host,
    port: portOf(config),
    secure: encryption === 'tls',
    ...(encryption !== 'tls' && { doSTARTTLS: encryption === 'starttls' }),
    auth: { user: username, pass: password },
    tls: { rejectUnauthorized: reject_unauthorized, ...(ca !== undefined && { ca }), minVersion: 'TLSv1.2' },
    logger: false,
    clientInfo: { name: 'ICTCore' },
    disableAutoIdle: true,
    maxIdleTime: MAX_IDLE_MS,
    connectionTimeout: settings.connect_timeout_ms,
    greetingTimeout: settings.connect_timeout_ms,
    // The watchdog also runs while the server idles: it must outlast an IDLE.
    socketTimeout: Math.max(settings.answer_timeout_ms, MAX_IDLE_MS + 60_000),
    // Lines of a mailbox with many mails are long; literals come in pieces of 64 KB.
    maxLineLength: 16 * 1024 * 1024,
    maxLiteralSize: 16 * 1024 * 1024,
  };
}

/** What went wrong, with the server's own words, and how to mend it. Holds no password. */
export function wordsOf(error: unknown, config: ProviderConfig<ImapSettings>): string {
  const { message, code, responseText, authenticationFailed } = error as {
    message: string;
    code?: string;
    responseText?: string;
    authenticationFailed?: boolean;
  };
  const where = `${config.host}:${portOf(config)}`;
  const said = (responseText || message || String(error)).replace(/\p{Cc}+/gu, ' ').slice(0, 300);
  return `${where}: ${said}${mendingOf(code ?? '', message ?? '', authenticationFailed === true, config.settings)}`;
}

function mendingOf(code: string, message: string, isLogin: boolean, { encryption }: ImapSettings): string {
  if (isLogin) return '. Check username and password, and whether the server lets this user in by IMAP';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return '. Check the name in host, and the name server';
  if (code === 'ECONNREFUSED') return '. Nothing listens there: check host and port (993 for tls, 143 for starttls)';
  if (/certificate|self-signed|altnames/i.test(message)) return ". Give its authority's certificate as ca";
  if (/wrong version number|packet length/i.test(message)) return '. That port does not begin with TLS: try starttls';
  if (code.endsWith('_TIMEOUT') || code === 'ETIMEDOUT') {
    const other = encryption === 'tls' ? 'starttls' : 'tls';
    return `. No answer: check host and port, a firewall, or whether the port wants encryption ${other}`;
  }
  return '';
}
