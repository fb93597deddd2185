import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { DriverContext, ProviderConfig } from '@ictcore/contract';
import type { SMTPServer, SMTPServerAuthentication, SMTPServerOptions, SMTPServerSession } from 'smtp-server';
import type { DnsResolver } from './smtp-inbound.authentication';
import type { TlsMaterial } from './smtp-inbound.certificate';
import { type IntakeOptions, takeMail } from './smtp-inbound.intake';
import { ClientLimits } from './smtp-inbound.limits';
import { Logins } from './smtp-inbound.logins';
import { Recipients } from './smtp-inbound.recipients';
import { SmtpReply } from './smtp-inbound.reply';
import type { SmtpInboundSettings } from './smtp-inbound.settings';

/** In the greeting: tells a listener of ours from somebody else's. */
export const BANNER = 'ICTCore';
/** Refused recipients of one connection after which it is ended: somebody is guessing addresses. */
const MAX_REFUSED = 10;
const MAX_FAILED_LOGINS = 3;
/** Milliseconds that mails on their way in may take to end when the listener is closed. */
const CLOSE_GRACE_MS = 3000;

/** What a connection has done so far. */
interface Conduct {
  refused: number;
  failedLogins: number;
}

/** An SMTP server that takes mail for the kernel. */
export class Listener {
  private server: SMTPServer | undefined;
  private readonly recipients: Recipients;
  private readonly limits: ClientLimits;
  private readonly logins: Logins;
  private readonly conduct = new Map<string, Conduct>();
  private readonly taking = new Set<Promise<unknown>>();

  constructor(
    private readonly config: ProviderConfig<SmtpInboundSettings>,
    private readonly context: DriverContext,
    private readonly resolver: DnsResolver,
    private readonly hostName: string,
  ) {
    this.recipients = new Recipients(config.settings);
    this.limits = new ClientLimits(config.settings);
    this.logins = new Logins(config);
  }

  /**
   * Begins to listen; rejects if the address cannot be had.
   *
   * @returns the port it listens on
   */
  async listen(host: string, port: number, tls: TlsMaterial | undefined): Promise<number> {
    const { SMTPServer } = await import('smtp-server');
    const server = new SMTPServer(this.options(tls));
    // Errors of single connections come here too.
    server.on('error', (error) => this.context.log.debug({ error: error.message }, 'smtp connection'));
    server.listen(port, host);
    await once(server.server, 'listening');
    this.server = server;
    return (server.server.address() as AddressInfo).port;
  }

  /** Ends it; mails that are being stored get a moment to end. Resolves however badly they do. */
  async close(): Promise<void> {
    const server = this.server;
    this.server = undefined;
    if (!server) return;
    let timer: NodeJS.Timeout | undefined;
    const grace = new Promise((resolve) => {
      timer = setTimeout(resolve, CLOSE_GRACE_MS);
    });
    const closed = new Promise<void>((resolve) => server.close(resolve));
    await Promise.race([Promise.all(this.taking), grace]);
    clearTimeout(timer);
    for (const connection of server.connections) connection.close();
    await closed;
  }

  private options(tls: TlsMaterial | undefined): SMTPServerOptions {
    const { settings } = this.config;
    const withAuth = settings.auth !== 'off' && tls !== undefined && this.logins.size > 0;
    return {
      name: this.hostName,
      banner: BANNER,
      ...tls,
      minVersion: 'TLSv1.2',
      disabledCommands: [...(tls ? [] : ['STARTTLS']), ...(withAuth ? [] : ['AUTH'])],
      authMethods: ['PLAIN', 'LOGIN'],
      authOptional: settings.auth !== 'required',
      size: settings.max_message_bytes,
      rejectOversized: true,
      maxRecipients: settings.max_recipients,
      maxClients: settings.max_connections,
      socketTimeout: settings.idle_timeout_ms,
      closeTimeout: CLOSE_GRACE_MS,
      disableReverseLookup: true,
      onConnect: (session, done) => done(this.connected(session)),
      onClose: (session) => this.closed(session),
      onAuth: (auth, session, done) => this.login(auth, session, done),
      onMailFrom: (_address, session, done) => done(this.mailFrom(session)),
      onRcptTo: ({ address }, session, done) => done(this.recipient(address, session)),
      onData: (stream, session, done) => {
        const taking = takeMail(stream, session, this.intake()).then(
          (words) => done(null, words),
          (error: Error) => done(error),
        );
        this.taking.add(taking);
        void taking.finally(() => this.taking.delete(taking));
      },
    };
  }

  private intake(): IntakeOptions {
    const { context, resolver, hostName } = this;
    return {
      settings: this.config.settings,
      context,
      resolver,
      hostName,
      isTrusted: (ip) => this.limits.isTrusted(ip),
    };
  }

  private connected({ id, remoteAddress }: SMTPServerSession): SmtpReply | null {
    if (!this.limits.enter(remoteAddress)) return new SmtpReply(421, '4.7.0 Too many connections from your address');
    this.conduct.set(id, { refused: 0, failedLogins: 0 });
    return null;
  }

  private closed({ id, remoteAddress }: SMTPServerSession): void {
    if (this.conduct.delete(id)) this.limits.leave(remoteAddress);
  }

  private mailFrom(session: SMTPServerSession): SmtpReply | null {
    if (this.config.settings.require_tls && !session.secure) {
      return new SmtpReply(530, '5.7.0 Must issue a STARTTLS command first');
    }
    if (!this.limits.takeMessage(session.remoteAddress)) {
      return new SmtpReply(451, '4.7.1 Too many mails from your address, please try again in a minute');
    }
    return null;
  }

  private recipient(address: string, { id, remoteAddress }: SMTPServerSession): SmtpReply | null {
    const refusal = this.recipients.refusal(address);
    if (!refusal) return null;
    const conduct = this.conduct.get(id);
    if (conduct) conduct.refused += 1;
    this.context.log.info({ recipient: address, client: remoteAddress, answer: refusal.message }, 'recipient refused');
    if (conduct && conduct.refused > MAX_REFUSED && !this.limits.isTrusted(remoteAddress)) {
      return new SmtpReply(421, '4.7.0 Too many unknown recipients');
    }
    return refusal;
  }

  private login(
    { username = '', password }: SMTPServerAuthentication,
    { id, remoteAddress }: SMTPServerSession,
    done: (error: Error | null, response?: { user: string }) => void,
  ): void {
    if (this.logins.isRight(username, password ?? '')) {
      done(null, { user: username });
      return;
    }
    const conduct = this.conduct.get(id);
    if (conduct) conduct.failedLogins += 1;
    this.context.log.warn({ client: remoteAddress }, 'smtp login refused');
    const isGuessing = (conduct?.failedLogins ?? 0) >= MAX_FAILED_LOGINS;
    const code = isGuessing ? 421 : 535;
    done(new SmtpReply(code, isGuessing ? '4.7.0 Too many failed logins' : '5.7.8 Name or password is wrong'));
  }
}
