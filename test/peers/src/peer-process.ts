import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

/** execFile as a promise: argument arrays only, no shell. */
export const run = promisify(execFile);

/** The only address peers listen on. */
export const LOOPBACK = '127.0.0.1';

/** Ports that Linux does not hand out to outgoing connections, so that a restarted peer finds its port still free. */
const PORTS = { first: 20_000, count: 12_000 };

/** A TCP port of the loopback address that is free at this moment; somebody else may take it before it is used. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = PORTS.first + randomInt(PORTS.count);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, LOOPBACK, () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
  throw new Error('no free port on loopback in a hundred attempts');
}

/**
 * Polls until `probe` gives something other than undefined.
 *
 * @param what named in the error when `timeoutMs` is over
 */
export async function waitFor<T>(
  what: string,
  timeoutMs: number,
  probe: () => Promise<T | undefined> | T | undefined,
  intervalMs = 20,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined) return value;
    if (Date.now() >= end) throw new Error(`timed out after ${timeoutMs} ms waiting for ${what}`);
    await sleep(intervalMs);
  }
}

/**
 * Whether something on loopback accepts connections and, when `greeting` is given, begins with it. Waiting for the
 * greeting matters: the kernel accepts on behalf of a process that is not ready to answer yet.
 */
export function answers(port: number, greeting = ''): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = new Socket();
    let seen = '';
    const finish = (result: boolean) => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(2000, () => finish(false));
    socket.once('error', () => finish(false));
    socket.once('close', () => finish(false));
    socket.once('connect', () => {
      if (greeting === '') finish(true);
    });
    socket.on('data', (chunk) => {
      seen += chunk.toString('latin1');
      if (seen.length >= greeting.length) finish(seen.startsWith(greeting));
    });
    socket.connect(port, LOOPBACK);
  });
}

/**
 * A folder for one peer: a new one below the system's temporary folder, or `dir` itself, made if it is not there.
 * Readable for all, because daemons that give up root must reach their files in it.
 */
export async function makePeerFolder(name: string, dir?: string): Promise<string> {
  if (dir !== undefined && !/^\/[\w./-]+$/.test(dir)) throw new Error(`not a plain absolute folder name: ${dir}`);
  const folder = dir ?? (await mkdtemp(join(tmpdir(), `ictcore-${name}-`)));
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0) throw new Error(`${folder} is not empty`);
  await chmod(folder, 0o755);
  return folder;
}

/** Options of {@link spawnPeer}. */
export interface SpawnPeerOptions {
  /** Working folder, in which `console.log` receives standard output and error. */
  readonly dir: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Give the caller pipes for standard input and output; standard error still goes to `console.log`. */
  readonly pipes?: boolean;
}

/** See the comment in the script: it outlives changes of the user, which plain setpriv does not. */
const GUARD = join(__dirname, '..', 'assets', 'guard.sh');

/**
 * Starts a daemon in the foreground. setpriv(1) asks the kernel to signal its guard when this process dies, so that a
 * test run ended by SIGKILL leaves no daemon behind.
 */
export function spawnPeer(command: string, args: readonly string[], options: SpawnPeerOptions): ChildProcess {
  const log = openSync(join(options.dir, 'console.log'), 'a', 0o644);
  try {
    // A shell's background command has no standard input: what needs one (and stays one user) is signalled directly.
    const guard = options.pipes ? ['KILL', '--'] : ['TERM', '--', '/bin/sh', GUARD];
    return spawn('setpriv', ['--pdeathsig', ...guard, command, ...args], {
      cwd: options.dir,
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', TZ: 'UTC', ...options.env },
      stdio: options.pipes ? ['pipe', 'pipe', log] : ['ignore', log, log],
    });
  } finally {
    closeSync(log);
  }
}

/** Process ids whose working folder is `dir` or below it: every process of a peer, its children included. */
export function processesIn(dir: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const cwd = readlinkSync(`/proc/${pid}/cwd`);
        return cwd === dir || cwd.startsWith(`${dir}/`);
      } catch {
        return false; // gone meanwhile, or a kernel thread
      }
    })
    .map(Number);
}

/** A guard gets this long to see its daemon end before it is killed too. */
const GUARD_GRACE_MS = 1000;

/**
 * Kills every process of a peer with SIGKILL and waits until none is left. Guards come last: they reap their daemon,
 * which in a container without an init would otherwise stay a zombie that looks alive to its own pid file.
 */
export async function killProcessesIn(dir: string): Promise<void> {
  const begin = Date.now();
  await waitFor(`the end of all processes in ${dir}`, 10_000, () => {
    const pids = processesIn(dir);
    const daemons = pids.filter((pid) => !isGuard(pid));
    const victims = Date.now() - begin < GUARD_GRACE_MS ? daemons : pids;
    for (const pid of victims) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // already gone
      }
    }
    return pids.length === 0 ? true : undefined;
  });
}

function isGuard(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(`/bin/sh\0${GUARD}\0`);
  } catch {
    return false;
  }
}

/** Ends a peer for good: no process and no folder is left. */
export async function removePeer(dir: string): Promise<void> {
  await killProcessesIn(dir);
  await rm(dir, { recursive: true, force: true, maxRetries: 3 });
}

/** The text of a log file, empty while there is none. */
export async function readLog(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '');
}
