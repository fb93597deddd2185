import { type ChildProcess, spawn } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import { builtFile } from './built-file';
import { MediaError } from './media-error';
import type { WorkerMessage, WorkerOrder } from './worker/protocol';

/** How a worker process is bounded and watched. */
export interface WorkerRun {
  readonly order: WorkerOrder;
  /** The job's scratch directory: the process's working directory, home and place for temporary files. */
  readonly directory: string;
  /** Milliseconds for the whole job. */
  readonly timeMs: number;
  /** Milliseconds without a page or a second of sound. */
  readonly stallMs: number;
  /** Path of util-linux's `prlimit`, which lets the kernel enforce the limits; undefined where there is none. */
  readonly prlimit: string | undefined;
  readonly signal: AbortSignal;
}

/** Heap of the worker's own JavaScript, megabytes. */
const HEAP_MB = 256;
/** The kernel's limit stands this far above the worker's own, which ends in better words. */
const HARD_MEMORY_FACTOR = 1.5;
const STDERR_BYTES = 4096;

/**
 * Runs one job in a process of its own and waits until that process is gone, however it ends.
 * @throws MediaError, or `signal.reason` when aborted
 */
export async function runWorker(run: WorkerRun): Promise<unknown> {
  run.signal.throwIfAborted();
  const child = start(run);
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  try {
    return await watch(child, run);
  } finally {
    child.kill('SIGKILL');
    await gone; // it must not write into a directory that is being removed
  }
}

function start({ order, directory, timeMs, prlimit }: WorkerRun): ChildProcess {
  const { memoryBytes, outputBytes } = order.limits;
  const node = [`--max-old-space-size=${HEAP_MB}`, '--no-warnings', builtFile('worker/main.js')];
  const limits = [
    // Data, not address space: WebAssembly reserves gigabytes of addresses that it never uses.
    `--data=${Math.round(memoryBytes * HARD_MEMORY_FACTOR)}`,
    `--cpu=${Math.ceil(timeMs / 1000) * 2 + 1}`, // several threads count together; this is for a server that died
    `--fsize=${outputBytes}`,
    '--core=0',
    '--nofile=256',
  ];
  const [command, args] = prlimit ? [prlimit, [...limits, '--', process.execPath, ...node]] : [process.execPath, node];
  const child = spawn(command, args, {
    cwd: directory,
    // Nothing of the server's environment: it holds secrets.
    env: { HOME: directory, TMPDIR: directory, XDG_CACHE_HOME: directory, LANG: 'C.UTF-8' },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  if (child.pid !== undefined) lowerPriority(child.pid);
  return child;
}

/** The server answers requests before it converts files. */
function lowerPriority(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // It has ended already, or the system does not allow it: it is only a courtesy.
  }
}

function watch(child: ChildProcess, { order, timeMs, stallMs, signal }: WorkerRun): Promise<unknown> {
  let stderr = '';
  child.stderr?.on('data', (data: Buffer) => {
    stderr = (stderr + data.toString('latin1')).slice(-STDERR_BYTES);
  });
  return new Promise((resolve, reject) => {
    const timeUp = (): void => reject(timedOut(timeMs));
    const clock = setTimeout(timeUp, timeMs);
    const stall = setTimeout(() => reject(timedOut(stallMs)), stallMs);
    const aborted = (): void => reject(signal.reason);
    const end = (settle: () => void): void => {
      clearTimeout(clock);
      clearTimeout(stall);
      signal.removeEventListener('abort', aborted);
      settle();
    };
    signal.addEventListener('abort', aborted, { once: true });
    child.on('message', (message: WorkerMessage) => {
      if (message.type === 'progress') stall.refresh();
      else if (message.type === 'done') end(() => resolve(message.result));
      else end(() => reject(new MediaError(message.code, message.message, message.detail)));
    });
    child.once('error', (error) => end(() => reject(error)));
    child.once('exit', (code, killedBy) => end(() => reject(diedOf(code, killedBy, stderr))));
    child.send(order, (error) => {
      if (error) end(() => reject(diedOf(null, null, `${stderr} ${error.message}`)));
    });
  });
}

function timedOut(limitMs: number): MediaError {
  const message = `The conversion was given up after ${Math.round(limitMs / 1000)} seconds. Make the file simpler, or split it.`;
  return new MediaError('MEDIA_TIMEOUT', message);
}

/** A worker that ended without a word. */
function diedOf(code: number | null, signal: NodeJS.Signals | null, stderr: string): MediaError {
  const detail = `worker ended with ${signal ?? code}: ${stderr.trim().slice(-400)}`;
  if (signal === 'SIGXCPU') return new MediaError('MEDIA_TIMEOUT', 'The conversion took too long.', detail);
  if (signal === 'SIGXFSZ') return new MediaError('MEDIA_TOO_LARGE', 'The result would be too large.', detail);
  // V8 and malloc say so on their way out; the kernel's last resort is SIGKILL, and we sent none.
  if (signal === 'SIGKILL' || /out of memory|allocation failed|bad_alloc|cannot allocate/i.test(stderr)) {
    const message = 'The file needs too much memory to convert. Make it simpler, or split it.';
    return new MediaError('MEDIA_MEMORY', message, detail);
  }
  return new MediaError('MEDIA_NOT_CONVERTIBLE', 'The file is damaged: it made the decoder fail.', detail);
}
