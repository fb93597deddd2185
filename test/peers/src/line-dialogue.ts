import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { LOOPBACK } from './peer-process';

const TIMEOUT_MS = 10_000;

/** A hand-held client for line protocols (SMTP, IMAP): this package's tests trust no client library. */
export class LineDialogue {
  private buffer = '';
  private ended = false;
  private wake: () => void = () => undefined;

  private constructor(private socket: Socket) {
    this.listen();
  }

  /** Connects to a port of loopback, inside TLS when a certificate to trust is given. */
  static async connect(port: number, caPem?: string): Promise<LineDialogue> {
    if (caPem === undefined) {
      const socket = connect(port, LOOPBACK);
      await once(socket, 'connect');
      return new LineDialogue(socket);
    }
    const socket = connectTls({ host: LOOPBACK, port, ca: caPem, servername: 'localhost' });
    await once(socket, 'secureConnect');
    return new LineDialogue(socket);
  }

  private listen(): void {
    this.socket.on('data', (chunk: Buffer) => {
      this.buffer += chunk.toString('latin1');
      this.wake();
    });
    this.socket.on('close', () => {
      this.ended = true;
      this.wake();
    });
    this.socket.on('error', () => undefined);
  }

  /** Sends a line and waits for an answer that `pattern` matches; returns everything up to the end of that match. */
  async ask(line: string, pattern: RegExp): Promise<string> {
    this.send(`${line}\r\n`);
    return this.expect(pattern);
  }

  /** Sends bytes as they are. */
  send(bytes: string): void {
    this.socket.write(Buffer.from(bytes, 'latin1'));
  }

  /** Waits for input that matches. Rejects when something else ends the connection or ten seconds pass. */
  async expect(pattern: RegExp): Promise<string> {
    const end = Date.now() + TIMEOUT_MS;
    for (;;) {
      const match = pattern.exec(this.buffer);
      if (match) {
        const upTo = match.index + match[0].length;
        const taken = this.buffer.slice(0, upTo);
        this.buffer = this.buffer.slice(upTo);
        return taken;
      }
      if (this.ended || Date.now() > end) throw new Error(`no ${pattern} but ${JSON.stringify(this.buffer)}`);
      await this.input(end - Date.now());
    }
  }

  /** Everything received until the other side closes the connection. */
  async untilClosed(): Promise<string> {
    const end = Date.now() + TIMEOUT_MS;
    while (!this.ended) {
      if (Date.now() > end) throw new Error('the connection stays open');
      await this.input(end - Date.now());
    }
    return this.buffer;
  }

  private input(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(timeoutMs, 0));
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Continues the dialogue inside TLS (after STARTTLS was answered). */
  async startTls(caPem: string): Promise<void> {
    this.socket.removeAllListeners('data');
    this.socket.removeAllListeners('close');
    const socket = connectTls({ socket: this.socket, ca: caPem, servername: 'localhost' });
    await once(socket, 'secureConnect');
    this.socket = socket;
    this.listen();
  }

  /** Drops the connection. */
  close(): void {
    this.socket.destroy();
  }
}
