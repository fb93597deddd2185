import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PEERS, type PeerName } from './peer-catalogue';

const SCRIPT = join(__dirname, '..', 'assets', 'install-packages.sh');
/** Below /run only root can write, so nobody else can put a link there. */
const LOCK = '/run/ictcore-test-peers.lock';
const LOCK_WAIT_S = 900;
const INSTALL_TIMEOUT_MS = 15 * 60_000;

/** Whether this process may change users and install packages. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Names of the peers among `names` whose Debian packages are not all there. */
export function missingPeers(names: readonly PeerName[]): PeerName[] {
  return names.filter((name) => !PEERS[name].files.every((file) => existsSync(file)));
}

/** The command a person has to run to get these peers. */
export function installCommand(names: readonly PeerName[]): string {
  const packages = [...new Set(names.flatMap((name) => PEERS[name].packages))];
  return `apt-get install --no-install-recommends ${packages.join(' ')}`;
}

/**
 * Installs the Debian packages of the peers that are missing. Synchronous, because jest registers suites
 * synchronously; two jest workers take turns by flock(1), whose lock the kernel drops when its holder dies.
 * Package installation starts no daemon, and removes no other package.
 *
 * @returns the peers that were missing and are installed now
 * @throws Error when not root, not on Debian, or apt-get failed; the message says what to run or what apt-get said
 */
export function installPeers(names: readonly PeerName[]): PeerName[] {
  const missing = missingPeers(names);
  if (missing.length === 0) return [];
  const command = installCommand(missing);
  if (!isRoot()) throw new Error(`not root and ${missing.join(', ')} not installed: ${command}`);
  if (!existsSync('/usr/bin/apt-get'))
    throw new Error(`no apt-get on this system: install ${missing.join(', ')} by hand`);
  const packages = missing.flatMap((name) => PEERS[name].packages);
  try {
    execFileSync('flock', ['-w', String(LOCK_WAIT_S), LOCK, '/bin/sh', SCRIPT, ...new Set(packages)], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: INSTALL_TIMEOUT_MS,
      maxBuffer: 16 * 1024 * 1024,
      env: { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    });
  } catch (error) {
    const stderr = String((error as { stderr?: Buffer }).stderr ?? error).trim();
    throw new Error(`${command} failed: ${stderr.split('\n').slice(-5).join(' | ')}`);
  }
  for (const name of missing) PEERS[name].prepare?.();
  const still = missingPeers(missing);
  if (still.length > 0) throw new Error(`${command} succeeded, yet files of ${still.join(', ')} are missing`);
  return missing;
}
