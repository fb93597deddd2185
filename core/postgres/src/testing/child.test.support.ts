import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { runProgram } from '../run-program';

/** What a child is asked to do. */
export interface Request {
  action: 'lock' | 'start' | 'write' | 'testRun' | 'template';
  argument: string;
}

/** What a child says; which fields are there depends on the action. */
export interface Message {
  event: 'ready' | 'failed' | 'acknowledged';
  pid: number;
  port: number;
  url: string;
  adopted: boolean;
  code: string;
  message: string;
  id: number;
  name: string;
  prepared: number;
}

/** Another Node.js process that runs this package. */
export class Child {
  readonly messages: Message[] = [];
  readonly process: ChildProcess;
  private readonly exited: Promise<unknown>;

  constructor(action: Request['action'], argument: string, options: { uid?: number; PATH?: string } = {}) {
    this.process = fork(path.join(__dirname, 'child.test.script.ts'), {
      execArgv: ['--require', path.join(__dirname, 'register.test.hook.cjs')],
      env: { ...process.env, ...(options.PATH ? { PATH: options.PATH } : {}) },
      ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
    });
    this.process.on('message', (message) => this.messages.push(message as Message));
    this.exited = once(this.process, 'exit');
    const request: Request = { action, argument };
    this.process.send(request);
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  /** Its first answer. */
  async answer(): Promise<Message> {
    await until('the child answers', () => this.messages.length > 0 || this.process.exitCode !== null);
    const [first] = this.messages;
    if (!first) throw new Error(`the child ended without an answer: exit status ${this.process.exitCode}`);
    return first;
  }

  async kill9(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.exited;
  }

  async stop(): Promise<void> {
    if (this.process.connected) this.process.send('stop');
    await this.exited;
  }
}

/** Waits for a condition; the limit only ends a test that has failed already. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, pollMs = 10): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`never happened: ${what}`);
    await delay(pollMs);
  }
}

/** A folder for one test file, which others may enter, and the proof that nothing still runs in it. */
export class Workplace {
  readonly root = fs.mkdtempSync(path.join(os.tmpdir(), 'ictcore-pg-'));
  private readonly children: Child[] = [];

  constructor() {
    fs.chmodSync(this.root, 0o755);
  }

  dir(name: string): string {
    return path.join(this.root, name);
  }

  child(...args: ConstructorParameters<typeof Child>): Child {
    const child = new Child(...args);
    this.children.push(child);
    return child;
  }

  /** A PATH with these programs and no others. */
  pathWith(name: string, programs: string[]): string {
    const folder = this.dir(name);
    fs.mkdirSync(folder);
    for (const program of programs) {
      const found = (process.env.PATH ?? '').split(':').map((place) => path.join(place, program));
      fs.symlinkSync(found.find((file) => fs.existsSync(file)) ?? `/missing/${program}`, path.join(folder, program));
    }
    return folder;
  }

  /** Command lines of processes that name this folder. */
  async processes(): Promise<string[]> {
    const { stdout } = await runProgram(['ps', '-axww', '-o', 'pid=,stat=,command=']);
    return stdout.split('\n').filter((line) => line.includes(`${this.root}/`) && !/^\s*\d+\s+Z/.test(line));
  }

  /** Fails when a server or an initdb is left. */
  async close(): Promise<void> {
    for (const child of this.children) if (child.process.exitCode === null) child.process.kill('SIGKILL');
    await until(`no process is left in ${this.root}`, async () => (await this.processes()).length === 0);
    fs.rmSync(this.root, { recursive: true, force: true });
  }
}

/** One query on a connection of its own. */
export async function query<T extends object>(url: string, text: string): Promise<T[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<T>(text)).rows;
  } finally {
    await client.end();
  }
}

/** A process id that means nothing to PostgreSQL, and a way to end it. */
export async function strangePid(kind: 'dead' | 'reused' | 'zombie'): Promise<{ pid: number; end(): void }> {
  if (kind === 'dead') {
    const child = spawn('true');
    await once(child, 'exit');
    return { pid: child.pid ?? 0, end: () => undefined };
  }
  if (kind === 'reused') {
    const child = spawn('sleep', ['60']);
    return { pid: child.pid ?? 0, end: () => void child.kill() };
  }
  // The child of a program that never waits for it stays a zombie (it must outlive the shell, which would).
  const parent = spawn('sh', ['-c', 'sleep 0.3 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [text] = (await once(parent.stdout, 'data')) as [Buffer];
  const pid = Number(String(text).trim());
  await until('a zombie', async () => (await runProgram(['ps', '-o', 'stat=', '-p', `${pid}`])).stdout.startsWith('Z'));
  return { pid, end: () => void parent.kill() };
}
