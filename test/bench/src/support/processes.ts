import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';

/** The repository's root, seen from test/bench/dist/support. */
export const ROOT = path.resolve(__dirname, '../../../..');
/** The built server. */
export const SERVER_MAIN = path.join(ROOT, 'core', 'server', 'dist', 'main.js');
export const ADMIN_PASSWORD = 'correct horse battery staple';

/** A port that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A process of ours whose words are kept for when it fails. */
export class Running {
  private words = '';
  private readonly exited: Promise<void>;

  private constructor(private readonly child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.words = (this.words + text).slice(-4000);
      });
    }
    this.exited = new Promise((resolve) => child.once('exit', () => resolve()));
  }

  static start(command: string, args: readonly string[], options: SpawnOptions = {}): Running {
    // A group of its own, so that `npm start` and what it starts can be told to stop together.
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    return new Running(child);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Polls a URL until it answers 200. */
  async answers(url: string, timeoutMs: number): Promise<void> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      if (await isOk(url)) return;
      if (this.ended) throw new Error(`the process ended: ${this.words}`);
      if (Date.now() > end) throw new Error(`no answer within ${timeoutMs} ms: ${this.words}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** SIGTERM to the process and what it has started; resolves when it has ended. SIGKILL after 30 s. */
  async stop(): Promise<void> {
    if (this.ended) return;
    const timer = setTimeout(() => process.kill(-this.pid, 'SIGKILL'), 30_000);
    process.kill(-this.pid, 'SIGTERM');
    await this.exited;
    clearTimeout(timer);
  }

  /** Resident memory in MiB (Linux). */
  memory(): number {
    if (this.ended)
      throw new Error(`the process ended (${this.child.signalCode ?? this.child.exitCode}): ${this.words}`);
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8')) ?? [];
    return Number(kilobytes) / 1024;
  }

  /** CPU time used so far, in microseconds: clock ticks of 10 ms of all its threads (Linux). */
  cpu(): number {
    const stat = readFileSync(`/proc/${this.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10_000;
  }
}

/** True if the URL answers 200; false for any other answer or none. */
function isOk(url: string): Promise<boolean> {
  return fetch(url, { signal: AbortSignal.timeout(2000) }).then(
    async (response) => {
      await response.arrayBuffer();
      return response.status === 200;
    },
    () => false,
  );
}

/** Environment of a server: nothing of this process's own configuration gets in. */
export function serverEnvironment(more: Record<string, string>): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('ICTCORE_') && name !== 'DATABASE_URL');
  return {
    ...Object.fromEntries(kept),
    ICTCORE_ADMIN_PASSWORD: ADMIN_PASSWORD,
    ICTCORE_LOG_LEVEL: 'warn',
    ...more,
  };
}

/** JSON over HTTP with the administrator's name and password, for setting a benchmark up. */
export async function callAsAdmin<T>(url: string, body: unknown): Promise<T> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      Authorization: `Basic ${Buffer.from(`admin:${ADMIN_PASSWORD}`).toString('base64')}`,
    },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`POST ${url}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}
