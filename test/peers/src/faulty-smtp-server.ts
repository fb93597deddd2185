import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { LOOPBACK } from './peer-process';

/**
 * What a {@link FaultySmtpServer} does wrong:
 * - `none`: nothing, it accepts every mail
 * - `hang_after_connect`: accepts the connection and never greets
 * - `greeting_421`: greets with 421 and closes
 * - `garbage`: greets with bytes that are no SMTP
 * - `garbage_after_data`: answers the end of the mail with bytes that are no SMTP
 * - `drop_during_data`: closes after the first bytes of the mail: the mail was surely not accepted
 * - `hang_after_data`: takes the whole mail and never answers: nobody knows whether it was accepted
 * - `drop_after_data`: takes the whole mail and closes without an answer: nobody knows either
 * - `drop_after_accept`: answers 250 to the mail and closes at once: the mail was accepted
 */
export const SMTP_FAULTS = [
  'none',
  'hang_after_connect',
  'greeting_421',
  'garbage',
  'garbage_after_data',
  'drop_during_data',
  'hang_after_data',
  'drop_after_data',
  'drop_after_accept',
] as const;

/** A fault of {@link FaultySmtpServer}. */
export type SmtpFault = (typeof SMTP_FAULTS)[number];

/** A mail that was begun; it is recorded from its MAIL FROM on. */
export interface FaultyTransaction {
  readonly from: string;
  readonly to: string[];
  /** Bytes of the mail so far: dots unstuffed, CRLF line ends; a part of the mail after `drop_during_data`. */
  data: Buffer;
  /** Whether the final dot arrived. */
  complete: boolean;
  /** Whether 250 was sent for the mail: only then may the client believe that it was accepted. */
  accepted: boolean;
}

/** A mail is not kept beyond this; a test that sends more is wrong. */
const MAX_DATA_BYTES = 64 * 1024 * 1024;
const GARBAGE = Buffer.from('\x00\xff\x16\x03HTTP/1.1 400 Bad Request\r\n\r\n', 'latin1');
const END_OF_DATA = '\r\n.\r\n';

/**
 * A FAKE SMTP server for faults that a real one cannot be made to show; everything else is tested against Postfix. It
 * speaks just enough of RFC 5321 (EHLO, MAIL, RCPT, DATA, RSET, NOOP, QUIT; no TLS, no authentication) to reach the
 * point where it fails, and records what it received. Listens on 127.0.0.1 only.
 *
 * @example
 * const server = await FaultySmtpServer.start({ fault: 'hang_after_data' });
 * // ... send to server.port, expect "unknown outcome" ...
 * server.fault = 'none';
 * await server.stop();
 */
export class FaultySmtpServer {
  readonly host = LOOPBACK;
  /** What goes wrong from now on, also on connections that are open. */
  fault: SmtpFault;
  /** Connections accepted so far. */
  connections = 0;
  /** Mails begun, in order. */
  readonly transactions: FaultyTransaction[] = [];
  /** Command lines received, in order, of all connections. */
  readonly commands: string[] = [];

  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    fault: SmtpFault,
  ) {
    this.fault = fault;
    server.on('connection', (socket) => this.accept(socket));
  }

  /** Starts one on a free port, or on `port`. */
  static async start(options: { readonly fault: SmtpFault; readonly port?: number }): Promise<FaultySmtpServer> {
    const server = createServer({ noDelay: true });
    const faulty = new FaultySmtpServer(server, options.fault);
    server.listen(options.port ?? 0, LOOPBACK);
    await once(server, 'listening');
    return faulty;
  }

  /** The port it listens on. */
  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Closes the port and every connection. */
  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    if (this.server.listening) await new Promise((resolve) => this.server.close(resolve));
  }

  private accept(socket: Socket): void {
    this.connections += 1;
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('error', () => undefined); // clients that give up reset the connection: that is expected here
    const session = new FaultySession(this, socket);
    socket.on('data', (chunk) => session.receive(chunk));
    session.greet();
  }
}

/** One connection to the fake. */
class FaultySession {
  private input = Buffer.alloc(0);
  private inData = false;
  private transaction: FaultyTransaction | undefined;

  constructor(
    private readonly server: FaultySmtpServer,
    private readonly socket: Socket,
  ) {}

  greet(): void {
    if (this.server.fault === 'hang_after_connect') return;
    if (this.server.fault === 'greeting_421') this.socket.end('421 4.3.2 faulty.test going down\r\n');
    else if (this.server.fault === 'garbage') this.socket.write(GARBAGE);
    else this.answer('220 faulty.test ESMTP this is a fake');
  }

  receive(chunk: Buffer): void {
    this.input = Buffer.concat([this.input, chunk]);
    if (this.input.length > MAX_DATA_BYTES) this.socket.destroy();
    while (!this.socket.destroyed && (this.inData ? this.takeData() : this.takeCommand()));
  }

  /** Handles one command line; false when there is no whole one. */
  private takeCommand(): boolean {
    const end = this.input.indexOf('\r\n');
    if (end < 0) return false;
    const line = this.input.subarray(0, end).toString('utf8');
    this.input = this.input.subarray(end + 2);
    this.server.commands.push(line);
    if (this.server.fault === 'garbage') this.socket.write(GARBAGE);
    else if (this.server.fault !== 'hang_after_connect') this.command(line);
    return true;
  }

  private command(line: string): void {
    const verb = line.slice(0, 4).toUpperCase();
    const path = /<([^>]*)>/.exec(line)?.[1] ?? '';
    if (verb === 'EHLO') this.answer('250-faulty.test\r\n250-8BITMIME\r\n250-SIZE 50000000\r\n250 ENHANCEDSTATUSCODES');
    else if (verb === 'MAIL') {
      this.transaction = { from: path, to: [], data: Buffer.alloc(0), complete: false, accepted: false };
      this.server.transactions.push(this.transaction);
      this.answer('250 2.1.0 ok');
    } else if (verb === 'RCPT' && this.transaction) {
      this.transaction.to.push(path);
      this.answer('250 2.1.5 ok');
    } else if (verb === 'DATA' && this.transaction?.to.length) {
      this.inData = true;
      this.answer('354 go ahead');
    } else if (verb === 'RSET') {
      this.transaction = undefined;
      this.answer('250 2.0.0 ok');
    } else if (verb === 'HELO' || verb === 'NOOP') this.answer('250 2.0.0 ok');
    else if (verb === 'QUIT') this.socket.end('221 2.0.0 bye\r\n');
    else if (['RCPT', 'DATA'].includes(verb)) this.answer('503 5.5.1 bad sequence of commands');
    else this.answer('502 5.5.2 not implemented');
  }

  /** Handles the bytes of a mail; false when its end has not come. */
  private takeData(): boolean {
    const transaction = this.transaction;
    if (transaction === undefined || this.input.length === 0) return false;
    // A final dot may also be the first line: an empty mail.
    const empty = this.input.subarray(0, 3).toString('latin1') === '.\r\n';
    const end = empty ? 0 : this.input.indexOf(END_OF_DATA);
    transaction.data = unstuff(end < 0 ? this.input : this.input.subarray(0, empty ? 0 : end + 2));
    if (this.server.fault === 'drop_during_data') {
      this.socket.destroy();
      return false;
    }
    if (end < 0) return false;
    this.input = this.input.subarray(empty ? 3 : end + END_OF_DATA.length);
    this.inData = false;
    this.transaction = undefined;
    transaction.complete = true;
    this.endOfData(transaction);
    return true;
  }

  private endOfData(transaction: FaultyTransaction): void {
    switch (this.server.fault) {
      case 'hang_after_data':
        return;
      case 'garbage_after_data':
        this.socket.write(GARBAGE);
        return;
      case 'drop_after_data':
        this.socket.destroy();
        return;
      case 'drop_after_accept':
        transaction.accepted = true;
        this.socket.end('250 2.0.0 accepted\r\n', () => this.socket.destroy());
        return;
      default:
        transaction.accepted = true;
        this.answer('250 2.0.0 accepted');
    }
  }

  private answer(text: string): void {
    this.socket.write(`${text}\r\n`);
  }
}

/** Takes off the dots that RFC 5321 section 4.5.2 puts before lines that begin with one. */
function unstuff(data: Buffer): Buffer {
  return Buffer.from(data.toString('latin1').replace(/(^|\r\n)\.\./g, '$1.'), 'latin1');
}
