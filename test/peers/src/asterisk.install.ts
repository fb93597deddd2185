import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const SCRIPT = join(__dirname, '..', 'assets', 'install-asterisk.sh');
const INSTALL_TIMEOUT_MS = 15 * 60_000;

/** Where the downloaded Asterisk is kept between runs: 121 MB. `ICTCORE_ASTERISK_DIR` moves it. */
export const ASTERISK_DIR =
  process.env.ICTCORE_ASTERISK_DIR ??
  join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'ictcore/asterisk-22');

/** Written last by the installation: holds the version. */
export const ASTERISK_STAMP = join(ASTERISK_DIR, '.complete');

/** An unpacked Asterisk: what a configuration has to name. */
export interface AsteriskFiles {
  /** Starts it; takes Asterisk's own options. */
  readonly binary: string;
  readonly modulesDir: string;
  /** Sounds and documentation (`astdatadir`). */
  readonly dataDir: string;
  /** As it names itself, e.g. `Asterisk 22.10.1`. */
  readonly version: string;
}

/** The files of the downloaded Asterisk. Throws when it has not been downloaded. */
export function asteriskFiles(): AsteriskFiles {
  const root = join(ASTERISK_DIR, 'root/usr');
  return {
    binary: join(ASTERISK_DIR, 'asterisk'),
    modulesDir: join(root, 'lib/x86_64-linux-gnu/asterisk/modules'),
    dataDir: join(root, 'share/asterisk'),
    version: readFileSync(ASTERISK_STAMP, 'utf8').trim(),
  };
}

/**
 * Downloads Debian's Asterisk 22 into {@link ASTERISK_DIR} with apt-get (100 MB, 7 to 18 s); several processes take
 * turns. Neither needs root nor touches the host's packages.
 *
 * @throws Error with the last lines of what apt-get said
 */
export function downloadAsterisk(): void {
  if (existsSync(ASTERISK_STAMP)) return;
  mkdirSync(join(ASTERISK_DIR, '..'), { recursive: true });
  try {
    execFileSync('flock', ['-w', '900', `${ASTERISK_DIR}.lock`, '/bin/sh', SCRIPT, ASTERISK_DIR], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: INSTALL_TIMEOUT_MS,
      maxBuffer: 16 * 1024 * 1024,
      env: { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    });
  } catch (error) {
    const stderr = String((error as { stderr?: Buffer }).stderr ?? error).trim();
    throw new Error(`downloading Asterisk failed: ${stderr.split('\n').slice(-5).join(' | ')}`);
  }
}
