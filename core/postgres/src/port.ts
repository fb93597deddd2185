import { randomInt } from 'node:crypto';
import net from 'node:net';
import { EmbeddedPostgresError } from './errors';

/** Below what Linux (32768) and macOS (49152) hand out for outgoing connections: those would take it between starts. */
const FIRST_PORT = 15_000;
const LAST_PORT = 29_999;

/** Whether nobody listens on this loopback port. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = net.createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

/** A random port that is free now. */
export async function randomFreePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(FIRST_PORT, LAST_PORT + 1);
    if (await isPortFree(port)) return port;
  }
  throw new EmbeddedPostgresError('PORT_IN_USE', `no free port found from ${FIRST_PORT} to ${LAST_PORT}: name one`);
}
