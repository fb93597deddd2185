import { isIP } from 'node:net';
import type { Logger, ProviderConfig } from '@ictcore/contract';
import type { SMTPConnectionAuth, SMTPConnectionOptions, SMTPPoolOptions } from 'nodemailer';
import { oneLine } from './smtp.address';
import type { SmtpSettings } from './smtp.settings';

/** RFC 8314 section 7.3: submission inside TLS. */
export const TLS_PORT = 465;
/** RFC 5321. */
export const SMTP_PORT = 25;
/** Milliseconds that a closed link may take to end on the other side. */
const CLOSE_MS = 500;

/** Fields that a DKIM signature covers where present: RFC 6376 section 5.4.1, and RFC 8058 section 4 for the last. */
const SIGNED = [
  'From:Sender:Reply-To:Subject:Date:Message-ID:To:Cc:MIME-Version:Content-Type:Content-Transfer-Encoding',
  'In-Reply-To:References:Auto-Submitted:List-Id:List-Help:List-Unsubscribe:List-Unsubscribe-Post',
].join(':');

/** True for a name or address of this host: what goes there leaves no wire. */
export function isLoopback(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith('127.');
  return host === '::1' || /^(?:[a-z0-9-]+\.)*localhost\.?$/i.test(host);
}

/**
 * Why this configuration cannot be used at all: a password that would go over a clear link. Undefined if it can.
 */
export function clearPasswordProblem(config: ProviderConfig<SmtpSettings>): string | undefined {
  if (config.settings.encryption !== 'none' || mayBeClear(config)) return undefined;
  return 'the password would go over a link without TLS: set encryption to starttls or tls, or allow_clear_password to true';
}

function mayBeClear({ username, host, settings }: ProviderConfig<SmtpSettings>): boolean {
  return username === '' || isLoopback(host) || settings.allow_clear_password;
}

/** The user to sign in as; undefined if the provider's row names none. */
export function authOf({ username, password }: ProviderConfig<SmtpSettings>): SMTPConnectionAuth | undefined {
  return username === '' ? undefined : { user: username, pass: password };
}

/** How nodemailer shall connect. */
export function connectionOptions(config: ProviderConfig<SmtpSettings>, log: Logger): SMTPConnectionOptions {
  const { settings } = config;
  const { encryption } = settings;
  return {
    host: config.host,
    port: config.port || (encryption === 'tls' ? TLS_PORT : SMTP_PORT),
    secure: encryption === 'tls',
    ignoreTLS: encryption === 'none',
    // A password is sent only after the upgrade; this also defeats somebody who strips STARTTLS from the greeting.
    requireTLS: (encryption === 'starttls' || encryption === 'opportunistic') && !mayBeClear(config),
    opportunisticTLS: encryption === 'opportunistic' && mayBeClear(config),
    ...(settings.helo_name !== undefined && { name: settings.helo_name }),
    connectionTimeout: settings.connect_timeout_ms,
    dnsTimeout: settings.connect_timeout_ms,
    greetingTimeout: settings.greeting_timeout_ms,
    socketTimeout: settings.answer_timeout_ms,
    socketCloseTimeout: CLOSE_MS,
    maxResponseSize: 65_536,
    tls: {
      rejectUnauthorized: settings.reject_unauthorized,
      ...(settings.ca !== undefined && { ca: settings.ca }),
    },
    logger: nodemailerLogger(log),
  };
}

/** How nodemailer shall keep and use a pool of connections. */
export function poolOptions(config: ProviderConfig<SmtpSettings>, log: Logger): SMTPPoolOptions & { pool: true } {
  const { settings } = config;
  const { dkim_domain: domainName, dkim_selector: keySelector, dkim_private_key: privateKey } = settings;
  const auth = authOf(config);
  const { max_messages_per_second: perSecond } = settings;
  return {
    ...(connectionOptions(config, log) as SMTPPoolOptions),
    pool: true,
    maxConnections: settings.max_connections,
    // A message whose link dies before a byte of it was sent is tried again by the session, with fresh attachments.
    maxRequeues: 0,
    ...(perSecond !== undefined && rateOf(perSecond)),
    ...(auth && { auth, forceAuth: true }),
    ...(domainName &&
      keySelector &&
      privateKey && { dkim: { domainName, keySelector, privateKey, headerFieldNames: SIGNED } }),
    disableFileAccess: true,
    disableUrlAccess: true,
  } as SMTPPoolOptions & { pool: true };
}

/** nodemailer counts whole messages in a window: less than one a second is one in a longer window. */
function rateOf(perSecond: number): { rateLimit: number; rateDelta: number } {
  if (perSecond < 1) return { rateLimit: 1, rateDelta: Math.ceil(1000 / perSecond) };
  return { rateLimit: Math.floor(perSecond), rateDelta: 1000 };
}

/** Passes nodemailer's own lines on at debug level; it never logs secrets, and commands only in its debug mode. */
function nodemailerLogger(log: Logger): NonNullable<SMTPConnectionOptions['logger']> {
  const write = (entry: unknown, message?: unknown, ...values: unknown[]) => {
    const { tnx, err, cid } = (entry ?? {}) as { tnx?: string; err?: Error; cid?: unknown };
    let index = 0;
    const text = String(message ?? '').replace(/%[sdj]/g, () => String(values[index++]));
    const fields = {
      ...(tnx && { tnx }),
      ...(cid !== undefined && { cid }),
      ...(err && { error: oneLine(err.message) }),
    };
    log.debug(fields, oneLine(text));
  };
  return { trace: write, debug: write, info: write, warn: write, error: write, fatal: write };
}
