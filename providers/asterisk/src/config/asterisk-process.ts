import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { paths } from './layout';

const run = promisify(execFile);

/** How the daemon is started. */
export interface AsteriskBinary {
  /** Asterisk itself, or a script that becomes it. */
  readonly binary: string;
  /** A command and its arguments that run it, e.g. to bind its life to ours in tests. */
  readonly launcher?: readonly string[];
}

/** The process id of the Asterisk that runs on this folder, undefined when none does. */
export function runningAsterisk(dir: string): number | undefined {
  try {
    const pid = Number(readFileSync(paths.pid(dir), 'utf8').trim());
    // The number may have been given to another process since: only one with our configuration is ours.
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    const state = /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return command.split('\0').includes(paths.config(dir)) && state !== 'Z' ? pid : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Starts the daemon in a session of its own: calls outlive us, and the next start of the server finds them again.
 */
export function spawnAsterisk(dir: string, { binary, launcher = [] }: AsteriskBinary): ChildProcess {
  const log = openSync(join(dir, 'log/console'), 'a', 0o600);
  try {
    const [command = binary, ...args] = [...launcher, binary, '-C', paths.config(dir), '-f'];
    const child = spawn(command, args, {
      cwd: dir,
      detached: true,
      stdio: ['ignore', log, log],
      env: {
        PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin',
        LC_ALL: 'C.UTF-8',
        TZ: process.env.TZ ?? 'UTC',
      },
    });
    child.unref();
    return child;
  } finally {
    closeSync(log);
  }
}

/** Runs one command of its command line interface over its control socket. Rejects when it is not there. */
export async function asteriskCommand(dir: string, { binary }: AsteriskBinary, command: string): Promise<string> {
  const { stdout } = await run(binary, ['-C', paths.config(dir), '-rx', command], {
    timeout: 15_000,
    maxBuffer: 16 * 1024 * 1024,
  });
  return stdout;
}
