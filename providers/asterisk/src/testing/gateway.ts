import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RecordingLogger } from '@ictcore/test-kit';
import { asteriskFiles, freeUdpPort } from '@ictcore/test-peers';
import type { LocalAsteriskOptions } from '../config/asterisk-instance';

/** Options of a local Asterisk in a temporary folder on 127.0.0.1, which dies with the test run. */
export async function gatewayOptions(
  log = new RecordingLogger(),
): Promise<LocalAsteriskOptions & { log: RecordingLogger }> {
  const files = asteriskFiles();
  const rtp = 32_100 + 300 * randomInt(80);
  return {
    dir: await mkdtemp(join(tmpdir(), 'ictcore-gateway-')),
    binary: files.binary,
    launcher: ['setpriv', '--pdeathsig', 'KILL', '--'],
    modulesDir: files.modulesDir,
    dataDir: files.dataDir,
    sip: { host: '127.0.0.1', port: await freeUdpPort('127.0.0.1') },
    rtp: { first: rtp, last: rtp + 198 },
    udptl: { first: rtp + 200, last: rtp + 299 },
    log,
  };
}

/** Removes a gateway's folder. */
export function removeFolder(dir: string): Promise<void> {
  return rm(dir, { recursive: true, force: true, maxRetries: 3 });
}
