import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { TLSSocket } from 'node:tls';
import type { ProviderConfig } from '@ictcore/contract';
import type { KannelSettings } from './kannel.settings';

/** Kannel's usual port for sendsms. */
export const KANNEL_PORT = 13_013;
/** Longest answer that is read; Kannel's are one line. */
const MAX_ANSWER = 10_000;
/** Shorter than Kannel keeps idle connections (60 s), so that none is used that it is just ending. */
const IDLE_MS = 10_000;

/** An answer of the smsbox. */
export interface Answer {
  status: number;
  body: string;
}

/** A request without an answer. */
export class NoAnswer extends Error {
  readonly mark = 'kannel-no-answer';

  constructor(
    /** False is proof that Kannel has not seen the request. */
    readonly sent: boolean,
    message: string,
    readonly code: string | undefined,
  ) {
    super(message);
    this.name = 'NoAnswer';
  }
}

/** True for a {@link NoAnswer}. */
export function isNoAnswer(error: unknown): error is NoAnswer {
  return (error as { mark?: unknown } | null)?.mark === 'kannel-no-answer';
}

/** HTTP to one smsbox. The URL holds the password, as Kannel wants it: it is never told to anybody. */
export class KannelHttp {
  private readonly agent: HttpAgent | HttpsAgent;

  constructor(private readonly config: ProviderConfig<KannelSettings>) {
    const { tls, ca, max_connections: maxSockets } = config.settings;
    const options = { keepAlive: true, maxSockets, maxFreeSockets: maxSockets, timeout: IDLE_MS };
    this.agent = tls ? new HttpsAgent({ ...options, ...(ca !== undefined && { ca }) }) : new HttpAgent(options);
  }

  /** Host and port for people. */
  get where(): string {
    return `${this.config.host}:${this.config.port || KANNEL_PORT}`;
  }

  /** Asks sendsms; rejects with a {@link NoAnswer}. `query` comes without credentials. */
  ask(query: string, signal: AbortSignal): Promise<Answer> {
    const { host, port, username, password, settings } = this.config;
    const login = new URLSearchParams({ username, password });
    const options = {
      host,
      port: port || KANNEL_PORT,
      path: `${settings.path}?${login}${query === '' ? '' : '&'}${query}`,
      agent: this.agent,
      signal: AbortSignal.any([signal, AbortSignal.timeout(settings.timeout_seconds * 1000)]),
    };
    return new Promise((resolve, reject) => {
      let sent = false;
      const fail = (error: NodeJS.ErrnoException) => {
        const late = options.signal.aborted && !signal.aborted;
        const aborted = signal.aborted ? 'given up before the answer' : error.message || String(error.code);
        reject(new NoAnswer(sent, late ? `no answer within ${settings.timeout_seconds} s` : aborted, error.code));
      };
      const request = (settings.tls ? httpsRequest : httpRequest)(options, (response) => {
        readAnswer(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), fail);
      });
      request.on('socket', (socket) => {
        // A request leaves as soon as there is a connection; until then nothing can have been taken.
        if (!socket.connecting) sent = true;
        else
          socket.once(isTls(socket) ? 'secureConnect' : 'connect', () => {
            sent = true;
          });
      });
      request.on('error', fail);
      request.end();
    });
  }

  /** Closes idle connections. */
  close(): void {
    this.agent.destroy();
  }
}

function isTls(socket: unknown): socket is TLSSocket {
  return (socket as { encrypted?: boolean }).encrypted === true;
}

async function readAnswer(response: IncomingMessage): Promise<string> {
  let body = '';
  response.setEncoding('utf8');
  for await (const chunk of response) {
    body += chunk as string;
    if (body.length > MAX_ANSWER) throw new Error('an answer that is no Kannel’s');
  }
  return body.trim();
}
