import { spawn } from 'node:child_process';

/** How a short-lived program ended. */
export interface ProgramResult {
  /** Exit status; null when it was killed or could not be started. */
  status: number | null;
  /** Everything it wrote, at most 64 KiB of each stream. */
  stdout: string;
  stderr: string;
  /** Why it could not be started (ENOENT and the like). */
  error?: NodeJS.ErrnoException;
}

const OUTPUT_LIMIT = 64 * 1024;

/**
 * Runs a program to its end: no shell, bounded output, bounded time. Never rejects.
 * The program gets its own process group, so that a timeout or an abort takes its children along.
 *
 * @param argv the program and its arguments
 * @param options.timeoutMs default 30,000
 * @param options.inheritFd becomes descriptor 3 of the program
 */
export function runProgram(
  argv: readonly string[],
  options: { timeoutMs?: number; inheritFd?: number; signal?: AbortSignal; env?: NodeJS.ProcessEnv } = {},
): Promise<ProgramResult> {
  return new Promise((resolve) => {
    const result: ProgramResult = { status: null, stdout: '', stderr: '' };
    const [program = '', ...args] = argv;
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe', ...(options.inheritFd === undefined ? [] : [options.inheritFd])],
      detached: true,
      ...(options.env ? { env: options.env } : {}),
    });
    const kill = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // gone already
      }
    };
    const timer = setTimeout(kill, options.timeoutMs ?? 30_000);
    options.signal?.addEventListener('abort', kill, { once: true });
    if (options.signal?.aborted) kill();
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream]?.setEncoding('utf8').on('data', (text: string) => {
        if (result[stream].length < OUTPUT_LIMIT) result[stream] += text;
      });
    }
    child.once('error', (error) => {
      result.error = error;
      finish();
    });
    child.once('close', (status) => {
      result.status = status;
      finish();
    });
    const finish = () => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', kill);
      resolve(result);
    };
  });
}

/** What a failed program said, for an error message. */
export function programComplaint(result: ProgramResult): string {
  const text = result.stderr.trim() || result.stdout.trim();
  return text || result.error?.message || `exit status ${String(result.status)}`;
}
