import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { LinkError } from './link-error';

/** Where and how to connect. */
export interface Endpoint {
  host: string;
  port: number;
  /** TLS from the first octet; plain TCP without it. */
  tls: { ca: string | undefined; rejectUnauthorized: boolean } | undefined;
  connectTimeoutMs: number;
}

/**
 * A connected socket, after the TLS handshake where there is one.
 *
 * @throws LinkError (not written) if it cannot be had in time or `signal` is aborted before
 */
export function openSocket(endpoint: Endpoint, signal: AbortSignal): Promise<Socket> {
  const { host, port, tls, connectTimeoutMs } = endpoint;
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(new LinkError('aborted', false, 'given up before it began'));
      return;
    }
    const servername = isIP(host) === 0 ? { servername: host } : {};
    const ca = tls?.ca === undefined ? {} : { ca: tls.ca };
    const socket = tls
      ? connectTls({ host, port, ...servername, ...ca, rejectUnauthorized: tls.rejectUnauthorized })
      : connectTcp({ host, port });
    const connected = tls ? 'secureConnect' : 'connect';
    const timer = setTimeout(() => fail(`no connection within ${connectTimeoutMs} ms`), connectTimeoutMs);
    const abort = () => fail('given up while connecting');
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      socket.removeAllListeners();
    };
    const fail = (message: string) => {
      done();
      // An error may still come while it is being torn down, and would end the process without a listener.
      socket.on('error', () => undefined);
      socket.destroy();
      reject(new LinkError('closed', false, `${host}:${port}: ${message}`));
    };
    signal.addEventListener('abort', abort, { once: true });
    socket.once('error', (error) => fail(error.message || (error as NodeJS.ErrnoException).code || 'no connection'));
    socket.once('close', () => fail('the peer closed the connection'));
    socket.once(connected, () => {
      done();
      // Without it an answer waits for the peer's delayed ACK: a third of the rate with receipts.
      socket.setNoDelay(true);
      socket.setKeepAlive(true, 60_000);
      resolve(socket);
    });
  });
}
