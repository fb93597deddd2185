import {
  type DriverContext,
  type DriverSession,
  deferred,
  delivered,
  type EmailOrder,
  type Fact,
  failed,
  type Health,
  type Order,
  type Outcome,
  type ProviderConfig,
  refused,
  type SessionLimits,
} from '@ictcore/contract';
import { createTransport, type SMTPPoolSentMessageInfo, type Transporter } from 'nodemailer';
import { oneLine } from './smtp.address';
import { checkServer } from './smtp.check';
import { buildMail } from './smtp.message';
import { outcomeOfError, type SmtpError } from './smtp.outcome';
import type { SmtpSettings } from './smtp.settings';
import { clearPasswordProblem, poolOptions } from './smtp.transport';

/** How far a hand-over has come. */
interface HandOver {
  /** Whether all of the mail was given to the connection, whose final dot may be on the wire since. */
  dataEnded: boolean;
}

/** Milliseconds that mails on their way may take to end when the session is closed. */
const CLOSE_GRACE_MS = 3000;
const SHUTTING_DOWN_MS = 1000;

/** A pool of connections to one SMTP server. */
export class SmtpSession implements DriverSession {
  readonly limits: SessionLimits;
  private readonly transporter: Transporter<SMTPPoolSentMessageInfo>;
  private readonly handOvers = new WeakMap<AbortSignal, HandOver>();
  private readonly open = new Set<Promise<unknown>>();
  /** One for each mail on its way. */
  private readonly stops = new Set<AbortController>();
  private closing: Promise<void> | undefined;

  constructor(
    private readonly config: ProviderConfig<SmtpSettings>,
    private readonly context: DriverContext,
  ) {
    const { max_connections: maxInFlight, max_messages_per_second: perSecond } = config.settings;
    this.limits = { maxInFlight, ...(perSecond !== undefined && { perSecond }) };
    this.transporter = createTransport(poolOptions(config, context.log));
    this.transporter.use('stream', (mail, done) => {
      const handOver = mail.data.signal && this.handOvers.get(mail.data.signal);
      if (handOver) {
        // The one place that tells when the connection has all of the mail: it adds the final dot on this event.
        const create = mail.message.createReadStream.bind(mail.message);
        mail.message.createReadStream = (options) => {
          const stream = create(options);
          stream.once('end', () => {
            handOver.dataEnded = true;
          });
          return stream;
        };
      }
      done();
    });
  }

  async submit(order: Order, signal: AbortSignal): Promise<Outcome> {
    if (order.channel !== 'email') {
      return failed('rejected', `smtp carries e-mail, not ${order.channel}`, { notAccepted: true });
    }
    if (this.closing) return shuttingDown();
    const problem = clearPasswordProblem(this.config);
    if (problem !== undefined) return failed('unauthorized', problem, { notAccepted: true });
    const sending = this.send(order, signal);
    const settled = sending.catch(() => undefined);
    this.open.add(settled);
    try {
      return await sending;
    } finally {
      this.open.delete(settled);
    }
  }

  check(signal: AbortSignal): Promise<Health> {
    return checkServer(this.config, this.context.log, signal);
  }

  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async end(): Promise<void> {
    this.transporter.close();
    let timer: NodeJS.Timeout | undefined;
    const grace = new Promise((resolve) => {
      timer = setTimeout(resolve, CLOSE_GRACE_MS);
    });
    await Promise.race([Promise.all(this.open), grace]);
    clearTimeout(timer);
    for (const stop of this.stops) stop.abort();
    this.transporter.close({ force: true });
    await Promise.all(this.open);
  }

  /** A link that the server has ended while it was idle is noticed only now: nothing was sent, so once more. */
  private async send(order: EmailOrder, signal: AbortSignal): Promise<Outcome> {
    const first = await this.handOver(order, signal);
    const outcome = first ?? (await this.handOver(order, signal));
    return outcome ?? failed('provider_down', 'the server ends the connection at once', { notAccepted: true });
  }

  /** Hands the mail over; undefined if the link had died before a byte of the mail was sent. */
  private async handOver(order: EmailOrder, signal: AbortSignal): Promise<Outcome | undefined> {
    const built = buildMail(order, this.config.settings);
    if ('problem' in built) {
      return refused(built.problem === 'recipient' ? 'invalid_destination' : 'rejected', built.detail);
    }
    const handOver: HandOver = { dataEnded: false };
    const stop = new AbortController();
    const abort = () => stop.abort();
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    this.stops.add(stop);
    this.handOvers.set(stop.signal, handOver);
    try {
      const sent = await this.transporter.sendMail({ ...built.mail, signal: stop.signal });
      return delivered(order.messageId, { detail: oneLine(sent.response), facts: factsOf(sent), amount: 1 });
    } catch (caught) {
      const error = caught as SmtpError;
      this.context.log.debug({ spoolId: order.spoolId, error: oneLine(error.message), ...handOver }, 'mail not sent');
      if (!this.closing && isDeadLink(error, handOver)) return undefined;
      if (this.closing && !handOver.dataEnded) return shuttingDown();
      return outcomeOfError(error, handOver.dataEnded);
    } finally {
      signal.removeEventListener('abort', abort);
      this.stops.delete(stop);
    }
  }
}

function shuttingDown(): Outcome {
  return deferred(SHUTTING_DOWN_MS, 'provider_down', 'the session is closing');
}

/** nodemailer's pool gives up a message so when its link ended before the message was begun. */
function isDeadLink(error: SmtpError, { dataEnded }: HandOver): boolean {
  return !dataEnded && error.code === 'ECONNECTION' && error.command === undefined;
}

/** Servers that give the mail another Message-ID name it in their answer. */
function factsOf({ serverMessageId }: SMTPPoolSentMessageInfo): Fact[] {
  return serverMessageId ? [{ type: 'info', name: 'server_message_id', data: serverMessageId }] : [];
}
