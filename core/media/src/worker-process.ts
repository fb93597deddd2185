import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { constants, setPriority } from 'node:os';
import { builtFile } from './built-file';
import { MediaError } from './media-error';
import type { WorkerJob, WorkerLimits, WorkerMessage, WorkerOrder } from './worker/protocol';

/** How worker processes are bounded. */
export interface WorkerSettings {
  readonly limits: WorkerLimits;
  /** Milliseconds for a whole job. */
  readonly timeMs: number;
  /** Milliseconds without a page or a second of sound. */
  readonly stallMs: number;
  /** Keep one process started and loaded for the next job: it saves a tenth of a second of each. */
  readonly keepWarm: boolean;
}

/** One job. */
export interface WorkerRun {
  readonly job: WorkerJob;
  /** The job's scratch directory: the process's working directory, home and place for temporary files. */
  readonly directory: string;
  /** Milliseconds that are left for it. */
  readonly timeMs: number;
  readonly signal: AbortSignal;
}

/** Heap of the worker's own JavaScript, megabytes. */
const HEAP_MB = 256;
/** The kernel's limit stands this far above the worker's own, which ends in better words. */
const HARD_MEMORY_FACTOR = 1.5;
const STDERR_BYTES = 4096;

/** A waiting process died before it took the job: no fault of the file. */
class NeverStarted extends Error {
  constructor(readonly reason: MediaError) {
    super(reason.detail);
  }
}

/** Starts a process for each job. A process never sees a second job. */
export class WorkerProcesses {
  private spare: ChildProcess | undefined;
  private closed = false;

  constructor(private readonly settings: WorkerSettings) {}

  /**
   * Runs one job in a process of its own and waits until that process is gone, however it ends.
   * @param prlimit path of util-linux's `prlimit`, which lets the kernel enforce the limits; undefined where there is none
   * @throws MediaError, or `signal.reason` when aborted
   */
  async run(run: WorkerRun, prlimit: string | undefined): Promise<unknown> {
    run.signal.throwIfAborted();
    const spare = this.takeSpare();
    if (spare) {
      try {
        return await this.runIn(spare, run, prlimit);
      } catch (error) {
        if (!(error instanceof NeverStarted)) throw error;
      }
    }
    return this.runIn(start(this.settings, prlimit, 'job'), run, prlimit).catch((error: unknown) => {
      throw error instanceof NeverStarted ? error.reason : error;
    });
  }

  /** Ends the process that waits. */
  close(): void {
    this.closed = true;
    this.spare?.kill('SIGKILL');
    this.spare = undefined;
  }

  private async runIn(child: ChildProcess, run: WorkerRun, prlimit: string | undefined): Promise<unknown> {
    const gone = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', () => resolve());
    });
    try {
      return await watch(child, run, this.settings.stallMs);
    } finally {
      child.kill('SIGKILL');
      await gone; // it must not write into a directory that is being removed
      this.prepare(prlimit);
    }
  }

  private takeSpare(): ChildProcess | undefined {
    const { spare } = this;
    this.spare = undefined;
    if (!spare?.connected || spare.exitCode !== null || spare.signalCode !== null) return undefined;
    hold(spare, true);
    return spare;
  }

  private prepare(prlimit: string | undefined): void {
    if (this.closed || this.spare || !this.settings.keepWarm) return;
    const spare = start(this.settings, prlimit, 'spare');
    spare.on('error', () => {
      if (this.spare === spare) this.spare = undefined; // the next job starts its own, and says why it cannot
    });
    hold(spare, false);
    this.spare = spare;
  }
}

/** Whether a child keeps this process alive: one that only waits does not. */
function hold(child: ChildProcess, on: boolean): void {
  const stderr = child.stderr as Socket | null;
  for (const handle of [child, child.channel, stderr]) {
    if (on) handle?.ref();
    else handle?.unref();
  }
}

function start({ limits, timeMs }: WorkerSettings, prlimit: string | undefined, use: 'job' | 'spare'): ChildProcess {
  const script = [builtFile('worker/main.js'), JSON.stringify(limits), use];
  const node = [`--max-old-space-size=${HEAP_MB}`, '--no-warnings', ...script];
  const bounds = [
    // Data, not address space: WebAssembly reserves gigabytes of addresses that it never uses.
    `--data=${Math.round(limits.memoryBytes * HARD_MEMORY_FACTOR)}`,
    `--cpu=${Math.ceil(timeMs / 1000) * 2 + 1}`, // several threads count together; this is for a server that died
    `--fsize=${limits.outputBytes}`,
    '--core=0',
    '--nofile=256',
  ];
  const [command, args] = prlimit ? [prlimit, [...bounds, '--', process.execPath, ...node]] : [process.execPath, node];
  const child = spawn(command, args, {
    cwd: '/',
    env: { LANG: 'C.UTF-8' }, // nothing of the server's environment: it holds secrets
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

function watch(child: ChildProcess, run: WorkerRun, stallMs: number): Promise<unknown> {
  const { job, directory, timeMs, signal } = run;
  const order: WorkerOrder = { job, directory };
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
    let started = false;
    const died = (error: MediaError): void => end(() => reject(started ? error : new NeverStarted(error)));
    child.on('message', (message: WorkerMessage) => {
      started = true;
      if (message.type === 'progress') stall.refresh();
      else if (message.type === 'done') end(() => resolve(message.result));
      else end(() => reject(new MediaError(message.code, message.message, message.detail)));
    });
    child.once('error', (error) => end(() => reject(error)));
    child.once('exit', (code, killedBy) => died(diedOf(code, killedBy, stderr)));
    child.send(order, (error) => {
      if (error) died(diedOf(null, null, `${stderr} ${error.message}`));
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
