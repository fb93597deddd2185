import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { PostgresBinaries } from './binaries';
import type { DataDir } from './data-dir';
import { EmbeddedPostgresError } from './errors';
import type { Identity } from './identity';
import { isServerOf, readPidFile } from './running-server';

/** A server that this process started. */
export interface ServerProcess {
  pid: number;
  /** Settles when the process has ended and is reaped: a sentence with its exit status and last words. */
  exited: Promise<string>;
}

/** What a start needs. */
export interface LaunchOptions {
  dir: DataDir;
  binaries: PostgresBinaries;
  identity: Identity;
  port: number;
  settings: Record<string, string>;
  onLog: (line: string) => void;
  signal: AbortSignal;
}

/** Crash recovery of a large database takes minutes; nothing shorter is a reason to give up. */
const READY_TIMEOUT_MS = 600_000;
const FAST_SHUTDOWN_MS = 10_000;
const IMMEDIATE_SHUTDOWN_MS = 5_000;
const POLL_MS = 20;
/** How long a dead server's last words may take to arrive. */
const LAST_WORDS_MS = 500;
const TAIL_LENGTH = 4_000;

/** Settings that the launcher decides. */
const RESERVED = new Set(['port', 'data_directory', 'config_file', 'hba_file', 'ident_file', 'listen_addresses']);

/** @throws EmbeddedPostgresError INVALID_SETTING */
export function assertSettings(settings: Record<string, string>): void {
  for (const [name, value] of Object.entries(settings)) {
    if (/^[a-z_][a-z0-9_.]*$/.test(name) && !RESERVED.has(name) && !value.includes('\0')) continue;
    throw new EmbeddedPostgresError(
      'INVALID_SETTING',
      RESERVED.has(name)
        ? `the setting ${name} is decided by the launcher: remove it (for a networked database set DATABASE_URL)`
        : `"${name}" is not a PostgreSQL setting: write its name in lower case, as in postgresql.conf`,
    );
  }
}

/** No PG* variables (they change where the server looks), English messages. */
export function serverEnvironment(): NodeJS.ProcessEnv {
  const { PATH, HOME, TZ, TMPDIR } = process.env;
  const given = Object.entries({ PATH, HOME, TZ, TMPDIR }).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(given), LC_ALL: 'C' };
}

/**
 * Starts postgres and waits until it accepts sessions.
 *
 * @throws EmbeddedPostgresError PORT_IN_USE, POSTGRES_START_FAILED, ABORTED
 */
export async function launchServer(options: LaunchOptions): Promise<ServerProcess> {
  const { dir, signal } = options;
  const argv = options.identity.command(serverCommand(options), 'INT');
  const [program = '', ...args] = argv;
  // A session of its own: Ctrl-C in a terminal must not reach the database before the server has drained.
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true, env: serverEnvironment() });
  const tail = collectLog(child, options.onLog);
  let ended: string | undefined;
  const exited = new Promise<string>((resolve) => {
    const end = (text: string) => {
      ended = text;
      resolve(text);
    };
    child.once('error', (error) => end(`could not be started: ${error.message}`));
    // Not "close": backends that outlive a killed server for a moment hold its standard error open.
    child.once('exit', (status, by) => end(by ? `killed by ${by}` : `exit status ${String(status)}`));
  });
  const deadline = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    if (ended !== undefined) {
      await Promise.race([finished(child.stderr as Readable).catch(() => undefined), delay(LAST_WORDS_MS)]);
      throw startFailure(ended, tail(), options.port);
    }
    const file = readPidFile(dir.cluster);
    if (file && file.pid === child.pid && file.status === 'ready') return { pid: file.pid, exited };
    const late = Date.now() > deadline;
    if (signal.aborted || late) {
      child.kill('SIGQUIT');
      await Promise.race([exited, delay(IMMEDIATE_SHUTDOWN_MS)]);
      if (ended === undefined) child.kill('SIGKILL');
      throw signal.aborted
        ? new EmbeddedPostgresError('ABORTED', 'the start was aborted')
        : startFailure('not ready in time', tail(), options.port);
    }
    await Promise.race([exited, delay(POLL_MS)]);
  }
}

/**
 * Ends a server: fast (open transactions are rolled back, a checkpoint is written), after 10 s immediate (the next
 * start replays the log), after 5 s more by force. Resolves when the process is gone.
 *
 * @param exited settles when the process ended, for a child of ours; another process is watched by its pid
 */
export async function shutDown(pid: number, cluster: string, exited?: Promise<unknown>): Promise<void> {
  const steps = [
    ['SIGINT', FAST_SHUTDOWN_MS],
    ['SIGQUIT', IMMEDIATE_SHUTDOWN_MS],
    ['SIGKILL', IMMEDIATE_SHUTDOWN_MS],
  ] as const;
  for (const [name, patience] of steps) {
    try {
      process.kill(pid, name);
    } catch {
      // gone between two steps
    }
    if (await isGone(pid, cluster, exited, patience)) return;
  }
}

async function isGone(pid: number, cluster: string, exited: Promise<unknown> | undefined, patience: number) {
  const timer = new AbortController();
  try {
    const timeout = delay(patience, false, { signal: timer.signal }).catch(() => false);
    if (exited) return await Promise.race([exited.then(() => true), timeout]);
    const deadline = Date.now() + patience;
    while (await isServerOf(pid, cluster)) {
      if (Date.now() > deadline) return false;
      await delay(POLL_MS);
    }
    return true;
  } finally {
    timer.abort();
  }
}

function serverCommand({ binaries, dir, port, settings }: LaunchOptions): string[] {
  const all = {
    unix_socket_directories: '', // loopback TCP only: the length of a socket path is limited, our folder's is not
    logging_collector: 'off',
    lc_messages: 'C',
    ...settings,
    listen_addresses: '127.0.0.1',
    port: String(port),
  };
  const flags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return [path.join(binaries.binDir, 'postgres'), '-D', dir.cluster, ...flags];
}

/** Hands the log on line by line and keeps the last words for an error message. */
function collectLog(child: ChildProcess, onLog: (line: string) => void): () => string {
  let tail = '';
  let rest = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-TAIL_LENGTH);
    const lines = (rest + text).split('\n');
    rest = (lines.pop() ?? '').slice(-TAIL_LENGTH);
    for (const line of lines) onLog(line);
  });
  return () => tail.trim();
}

function startFailure(how: string, tail: string, port: number): EmbeddedPostgresError {
  if (/could not bind .*Address already in use/.test(tail)) {
    return new EmbeddedPostgresError('PORT_IN_USE', `port ${port} is taken: name another one, or none`);
  }
  return new EmbeddedPostgresError(
    'POSTGRES_START_FAILED',
    `postgres did not start (${how}). Its last words: ${tail || 'none'}`,
  );
}
