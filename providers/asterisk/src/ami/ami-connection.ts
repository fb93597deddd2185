/// <reference path="./asterisk-manager.d.ts" />
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import manager from 'asterisk-manager';
import { type AmiAction, encodeAction } from './ami-encode';
import { AmiError } from './ami-error';
import { type AmiMessage, normalise } from './ami-message';

/** Where an Asterisk Manager Interface is and who logs in. */
export interface AmiEndpoint {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly secret: string;
}

/** What a connection tells its owner. `lost` comes once. */
export interface AmiConnectionEvents {
  event(message: AmiMessage): void;
  lost(why: string): void;
}

/** A message longer than this is none of Asterisk's: the peer is something else, or it went mad. */
const MAX_MESSAGE_CHARS = 1024 * 1024;
/** Bytes that Asterisk has not taken from us. */
const MAX_UNSENT_BYTES = 4 * 1024 * 1024;
const SOCKET_CHANNEL = 'net.client.socket';

/**
 * One connection of asterisk-manager, used once and thrown away: the library's reader keeps half an event over a
 * reconnect, and then never recognises the login.
 */
export class AmiConnection {
  private readonly client: manager.Client;
  private readonly socket: Socket | undefined;
  private over = false;
  private sinceMessage = 0;

  private constructor(
    endpoint: AmiEndpoint,
    private readonly events: AmiConnectionEvents,
    connected: (self: AmiConnection) => void,
  ) {
    // Port null: the constructor does not connect, so a refused login can reach a callback.
    this.client = manager(null, endpoint.host, endpoint.username, endpoint.secret, true);
    this.client.setMaxListeners(0);
    this.client.on('error', (error: NodeJS.ErrnoException) => this.lose(error.code ?? error.message));
    this.client.on('close', () => this.lose('closed by Asterisk'));
    this.client.on('rawevent', () => {
      this.sinceMessage = 0;
    });
    this.client.on('managerevent', (raw: manager.RawMessage) => {
      if (!this.over) events.event(normalise(raw));
    });
    this.socket = captureSocket(() =>
      this.client.connect(endpoint.port, endpoint.host, () => {
        if (!this.over) connected(this);
      }),
    );
    this.socket?.on('data', (chunk: string | Buffer) => this.bound(chunk.length));
  }

  /** Connects and logs in. Rejects with AmiError `unauthorized` or `down`. */
  static open(endpoint: AmiEndpoint, timeoutMs: number, events: AmiConnectionEvents): Promise<AmiConnection> {
    return new Promise((resolve, reject) => {
      let ready = false;
      const fail = (error: AmiError) => {
        clearTimeout(timer);
        reject(error);
      };
      const connection: AmiConnection = new AmiConnection(
        endpoint,
        {
          event: (message) => events.event(message),
          lost: (why) => (ready ? events.lost(why) : fail(new AmiError(`no AMI link: ${why}`, 'down'))),
        },
        (self) =>
          self.client.login((refusal) => {
            if (self.over) return;
            if (refusal) {
              self.destroy();
              return fail(new AmiError(`AMI login refused: ${normalise(refusal).fields.message}`, 'unauthorized'));
            }
            ready = true;
            clearTimeout(timer);
            resolve(self);
          }),
      );
      const timer = setTimeout(() => connection.lose('no answer to the login'), timeoutMs);
    });
  }

  /**
   * Writes an action. `answer` gets each response under its id until {@link forget} is called.
   *
   * @throws AmiError `invalid` or `busy`: nothing was written
   */
  send(action: AmiAction, id: string, answer: (message: AmiMessage) => void): void {
    const encoded = encodeAction(action, id);
    if ((this.socket?.writableLength ?? 0) > MAX_UNSENT_BYTES) throw new AmiError('Asterisk does not read', 'busy');
    this.client.action(encoded);
    this.client.on(id, (_error: unknown, response: manager.RawMessage) => {
      // An OriginateResponse event carries `Response:` too and comes under the same id.
      if (response && !response.event) answer(normalise(response));
    });
  }

  /** Drops the library's listeners of an action. */
  forget(id: string): void {
    this.client.removeAllListeners(id);
  }

  /** Ends it at once, without `lost`; the library's own disconnect leaves half-open sockets behind. */
  destroy(): void {
    this.over = true;
    this.client.disconnect();
    this.socket?.destroy();
  }

  private lose(why: string): void {
    if (this.over) return;
    this.destroy();
    this.events.lost(why);
  }

  private bound(received: number): void {
    this.sinceMessage += received;
    if (this.sinceMessage > MAX_MESSAGE_CHARS) this.lose('a message without end');
  }
}

/** The socket that `connect` makes: the library hides it, but Node tells of each new client socket synchronously. */
function captureSocket(connect: () => void): Socket | undefined {
  let captured: Socket | undefined;
  const listener = (message: unknown) => {
    captured ??= (message as { socket?: Socket }).socket;
  };
  subscribe(SOCKET_CHANNEL, listener);
  try {
    connect();
  } finally {
    unsubscribe(SOCKET_CHANNEL, listener);
  }
  return captured;
}
