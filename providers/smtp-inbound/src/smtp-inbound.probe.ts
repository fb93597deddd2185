import { Socket } from 'node:net';

/** What an SMTP server says when somebody connects. */
export interface Greeting {
  readonly text: string;
  readonly roundTripMs: number;
}

const TIMEOUT_MS = 5000;
const MAX_BYTES = 2000;

/** Connects, reads the greeting and says goodbye. Rejects if there is none in time, or after an abort. */
export function readGreeting(host: string, port: number, signal: AbortSignal): Promise<Greeting> {
  const begin = performance.now();
  return new Promise((resolve, reject) => {
    const socket = new Socket();
    let text = '';
    const end = (error?: Error) => {
      signal.removeEventListener('abort', abort);
      clearTimeout(timer);
      if (error) socket.destroy();
      else socket.end('QUIT\r\n', () => socket.destroy());
      if (error) reject(error);
      else
        resolve({ text: text.split('\r\n')[0] ?? '', roundTripMs: Math.round((performance.now() - begin) * 10) / 10 });
    };
    const abort = () => end(new Error('the check was stopped before the server answered'));
    const timer = setTimeout(() => end(new Error('no greeting')), TIMEOUT_MS);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    socket.once('error', end);
    socket.once('close', () => end(new Error('the connection was closed')));
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (text.includes('\n') || text.length > MAX_BYTES) end();
    });
    socket.connect(port, host);
  });
}
