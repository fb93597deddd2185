import type { Socket } from 'node:net';
import type { Logger } from '@ictcore/contract';
import {
  type BrokenPdu,
  COMMAND,
  commandName,
  decodePdu,
  ESME,
  encodePdu,
  isAnswer,
  isResponse,
  MAX_SEQUENCE,
  type MessagePdu,
  type Pdu,
  PduFramer,
  type PduHeader,
  RESPONSE_BIT,
  responseTo,
} from '../pdu';
import { LinkError } from './link-error';

/** Times of a connection, in milliseconds. */
export interface ConnectionTimes {
  /** Longest wait for an answer. */
  responseTimeoutMs: number;
  /** Silence of the peer after which it is asked whether it is there. */
  enquireLinkMs: number;
}

/** Who is told what comes in. */
export interface ConnectionHandler {
  /** deliver_sm or data_sm: to be answered by {@link Connection.respond}. */
  onMessage(pdu: MessagePdu, connection: Connection): void;
  /** The peer wants to end; it has its answer already. */
  onUnbind(connection: Connection): void;
  /** Called once, after all open requests have been rejected. */
  onClose(reason: string, connection: Connection): void;
}

/** A PDU before it gets its sequence number. */
export type Request = Pdu extends infer P ? (P extends Pdu ? Omit<P, 'sequence' | 'status'> : never) : never;

interface Pending {
  command: number;
  deadline: number;
  resolve: (answer: Pdu) => void;
  reject: (error: LinkError) => void;
}

/** How often deadlines are looked at: one timer for all requests, not one each. */
const TICKS_PER_TIMEOUT = 20;

/** SMPP on one socket: requests and their answers, enquire_link both ways. Owns the socket. */
export class Connection {
  private readonly framer = new PduFramer();
  private readonly pending = new Map<number, Pending>();
  private readonly ticker: NodeJS.Timeout;
  private sequence = 0;
  private heardAt = Date.now();
  private enquiring = false;
  private corked = false;
  private closed = false;

  constructor(
    private readonly socket: Socket,
    private readonly times: ConnectionTimes,
    private readonly handler: ConnectionHandler,
    private readonly log: Logger,
  ) {
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    socket.on('error', (error) => this.close(error.message));
    socket.on('close', () => this.close('the peer closed the connection'));
    const shortest = Math.min(times.responseTimeoutMs, times.enquireLinkMs);
    this.ticker = setInterval(() => this.tick(), Math.min(Math.max(shortest / TICKS_PER_TIMEOUT, 10), 1000));
  }

  /** Requests without an answer yet. */
  get outstanding(): number {
    return this.pending.size;
  }

  /** Asks and resolves with the answer, whatever its status. Rejects with a {@link LinkError}. */
  request(request: Request): Promise<Pdu> {
    if (this.closed) return Promise.reject(new LinkError('closed', false, 'the link is down'));
    this.sequence = this.sequence >= MAX_SEQUENCE ? 1 : this.sequence + 1;
    const sequence = this.sequence;
    let octets: Buffer;
    try {
      octets = encodePdu({ ...request, status: 0, sequence } as Pdu);
    } catch (error) {
      return Promise.reject(new LinkError('unfit', false, (error as Error).message));
    }
    return new Promise((resolve, reject) => {
      const deadline = Date.now() + this.times.responseTimeoutMs;
      this.pending.set(sequence, { command: request.command, deadline, resolve, reject });
      this.write(octets);
    });
  }

  /** Answers a request of the peer; false if the link is down, so that the peer cannot learn it. */
  respond(request: PduHeader, status: number): boolean {
    if (this.closed) return false;
    this.write(encodePdu(responseTo(request, status)));
    return true;
  }

  /** Ends the connection at once; open requests are rejected as written. */
  close(reason: string): void {
    if (this.closed) return;
    this.closed = true;
    clearInterval(this.ticker);
    this.socket.destroy();
    const pending = [...this.pending.values()];
    this.pending.clear();
    for (const { reject } of pending) reject(new LinkError('closed', true, `the link broke: ${reason}`));
    this.handler.onClose(reason, this);
  }

  /** Says goodbye and waits for the answer, at most `timeoutMs`; then the connection is closed. */
  async unbind(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    const answered = this.request({ command: COMMAND.unbind, body: null }).catch(() => undefined);
    await Promise.race([answered, late]);
    clearTimeout(timer);
    this.close('unbound');
  }

  /** PDUs of one turn of the event loop leave in one write. */
  private write(octets: Buffer): void {
    if (!this.corked) {
      this.corked = true;
      this.socket.cork();
      process.nextTick(() => {
        this.corked = false;
        this.socket.uncork();
      });
    }
    this.socket.write(octets);
  }

  private receive(chunk: Buffer): void {
    this.heardAt = Date.now();
    const { frames, fault } = this.framer.push(chunk);
    for (const frame of frames) {
      if (this.closed) return;
      const decoded = decodePdu(frame);
      if (decoded.ok) this.take(decoded.pdu);
      else this.refuse(decoded);
    }
    if (fault === undefined || this.closed) return;
    this.log.warn({ fault }, 'smpp: the peer sends no SMPP; link closed');
    this.close(`the peer sent ${fault}`);
  }

  private take(pdu: Pdu): void {
    if (isResponse(pdu.command)) {
      this.settle(pdu);
      return;
    }
    switch (pdu.command) {
      case COMMAND.deliver_sm:
      case COMMAND.data_sm:
        this.handler.onMessage(pdu, this);
        return;
      case COMMAND.enquire_link:
        this.respond(pdu, ESME.ROK);
        return;
      case COMMAND.unbind:
        this.respond(pdu, ESME.ROK);
        this.handler.onUnbind(this);
        return;
      case COMMAND.alert_notification:
        return; // has no answer (SMPP 3.4 section 4.12)
      default:
        // A client is asked for nothing else. generic_nack, so that the peer need not wait.
        this.write(
          encodePdu({ command: COMMAND.generic_nack, status: ESME.RINVCMDID, sequence: pdu.sequence, body: null }),
        );
    }
  }

  private settle(answer: Pdu): void {
    const pending = this.pending.get(answer.sequence);
    const expected = pending !== undefined && (pending.command | RESPONSE_BIT) >>> 0;
    if (!pending || (answer.command !== expected && answer.command !== COMMAND.generic_nack)) {
      this.log.debug({ command: commandName(answer.command) }, 'smpp: an answer to nothing, or too late');
      return;
    }
    this.pending.delete(answer.sequence);
    pending.resolve(answer);
  }

  private refuse({ header, status, problem }: BrokenPdu): void {
    this.log.warn({ command: commandName(header.command), problem }, 'smpp: a PDU that cannot be read');
    if (!isAnswer(header)) {
      this.write(encodePdu(responseTo(header, status)));
      return;
    }
    const pending = this.pending.get(header.sequence);
    this.pending.delete(header.sequence);
    pending?.reject(new LinkError('garbled', true, `an answer that cannot be read: ${problem}`));
  }

  private tick(): void {
    const now = Date.now();
    for (const [sequence, pending] of this.pending) {
      // In order of asking, and all wait equally long: the first that is in time ends the search.
      if (pending.deadline > now) break;
      this.pending.delete(sequence);
      pending.reject(new LinkError('timeout', true, `no answer within ${this.times.responseTimeoutMs} ms`));
    }
    if (!this.closed && !this.enquiring && now - this.heardAt >= this.times.enquireLinkMs) this.enquire();
  }

  private enquire(): void {
    this.enquiring = true;
    this.request({ command: COMMAND.enquire_link, body: null })
      .catch(() => this.close('no answer to enquire_link'))
      .finally(() => {
        this.enquiring = false;
      });
  }
}
