import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EmbeddedPostgresError, errorCode } from './errors';
import { programComplaint, runProgram } from './run-program';

/** A data directory that is ours until it is released or this process ends, however it ends. */
export interface DataDirLock {
  /** Lets the next process in. Safe to call twice. */
  release(): Promise<void>;
}

/** Who holds a lock: only for people to read, never to decide anything. */
interface Holder {
  pid: number;
  /** When the holder's process started, ISO 8601. */
  startedAt: string;
  host: string;
}

/** BSD and macOS open(2): take an exclusive flock while opening. Not in Node's constants. */
const O_EXLOCK = 0x20;

/**
 * Makes this process the only server of a data directory. A second one is refused at once.
 *
 * @throws EmbeddedPostgresError DATA_DIR_IN_USE (names the holder's process id and start time), LOCK_UNAVAILABLE
 * @example
 * const lock = await lockDataDir('./data');
 * try { await serve(); } finally { await lock.release(); }
 */
export async function lockDataDir(dir: string): Promise<DataDirLock> {
  const root = path.resolve(dir);
  fs.mkdirSync(root, { recursive: true, mode: 0o700 });
  const file = path.join(root, '.lock');
  const lock = await tryLockFile(file);
  if (lock) return lock;
  const holder = await readHolder(file);
  const who = holder
    ? `process ${holder.pid} on ${holder.host}, running since ${holder.startedAt}`
    : 'a process that cannot be named (it started or ended this very moment)';
  throw new EmbeddedPostgresError(
    'DATA_DIR_IN_USE',
    `${root} is in use by ${who}: stop that server first, or give this one a data directory of its own`,
  );
}

/**
 * Takes an exclusive lock on a file, or answers undefined at once when somebody else has it.
 *
 * Why flock(2): it is the one primitive that the kernel decides alone (two simultaneous starts cannot both win), that
 * ends with its holder (kill -9 leaves nothing stale), that knows no process ids (they are reused, and mean nothing
 * in another container that mounts the same volume; an abstract socket ends at the network namespace likewise).
 * Node.js has no call for it, but the lock belongs to the open file, not to a process: on Linux flock(1) takes it on
 * a descriptor it inherits from us and goes; we keep the file open, and the lock with it. The descriptor is
 * close-on-exec, so no other child of ours prolongs it. macOS has the O_EXLOCK flag of open(2) and needs no helper.
 * The file is never deleted: a lock on a deleted file excludes nobody.
 */
export async function tryLockFile(file: string): Promise<DataDirLock | undefined> {
  for (;;) {
    const fd = await openLocked(file);
    if (fd === undefined) return undefined;
    // Somebody removed the file between open and lock: what we hold is not what the next one will open.
    if (fs.statSync(file, { throwIfNoEntry: false })?.ino !== fs.fstatSync(fd).ino) {
      fs.closeSync(fd);
      continue;
    }
    writeHolder(fd);
    let held = true;
    return {
      release: async () => {
        if (!held) return;
        held = false;
        fs.ftruncateSync(fd);
        fs.closeSync(fd);
      },
    };
  }
}

async function openLocked(file: string): Promise<number | undefined> {
  try {
    return process.platform === 'linux' ? await openLockedLinux(file) : openLockedBsd(file);
  } catch (cause) {
    if (errorCode(cause) !== 'EACCES') throw cause;
    throw new EmbeddedPostgresError(
      'DATA_DIR_NOT_OWNED',
      `user id ${process.getuid?.()} may not open ${file}: start as the user who owns the data directory`,
      { cause },
    );
  }
}

async function openLockedLinux(file: string): Promise<number | undefined> {
  const fd = fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600);
  // Short options: BusyBox knows no others.
  const result = await runProgram(['flock', '-x', '-n', '3'], { inheritFd: fd });
  if (result.status === 0) return fd;
  fs.closeSync(fd);
  if (result.status === 1 && result.stderr === '') return undefined;
  throw new EmbeddedPostgresError(
    'LOCK_UNAVAILABLE',
    `cannot lock ${file} (${programComplaint(result)}): install util-linux, which has the flock program, ` +
      'and keep the data directory on a file system that has locks',
    { cause: result.error },
  );
}

function openLockedBsd(file: string): number | undefined {
  const { O_RDWR, O_CREAT, O_NONBLOCK } = fs.constants;
  try {
    return fs.openSync(file, O_RDWR | O_CREAT | O_NONBLOCK | O_EXLOCK, 0o600);
  } catch (error) {
    if (errorCode(error) === 'EAGAIN' || errorCode(error) === 'EWOULDBLOCK') return undefined;
    throw error;
  }
}

function writeHolder(fd: number): void {
  const startedAt = new Date(Date.now() - process.uptime() * 1000).toISOString();
  const holder: Holder = { pid: process.pid, startedAt, host: os.hostname() };
  fs.ftruncateSync(fd);
  fs.writeSync(fd, `${JSON.stringify(holder)}\n`, 0);
}

/** The holder writes its name just after it got the lock: between the two, an older name or none is read. */
async function readHolder(file: string): Promise<Holder | undefined> {
  for (let attempt = 0; attempt < 20; attempt++) {
    try {
      const holder = JSON.parse(fs.readFileSync(file, 'utf8')) as Holder;
      if (holder.host !== os.hostname() || isAlive(holder.pid)) return holder;
    } catch {
      // empty or half-written
    }
    await delay(25);
  }
  return undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}
