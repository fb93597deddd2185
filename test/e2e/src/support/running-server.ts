import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connectTestPostgres } from '@ictcore/postgres';
import { Client } from 'pg';
import { ApiClient } from './api-client';

/** The built server: `npm test` builds before it tests. */
export const MAIN = path.resolve(__dirname, '../../../../core/server/dist/main.js');
export const ADMIN_PASSWORD = 'correct horse battery staple';

export interface ServerOptions {
  /** Further environment variables of the server. */
  env?: Record<string, string>;
  /** The embedded PostgreSQL instead of a database of the test cluster: slower, for tests of the embedded one. */
  embedded?: boolean;
  /** Data directory; default: a new one, removed at the end. */
  dataDir?: string;
  /** A database that another server of the same test uses already. */
  databaseUrl?: string;
  uid?: number;
  gid?: number;
  cwd?: string;
}

/** A real server process, spoken to over HTTP. */
export class RunningServer {
  output = '';
  log = '';
  url = '';
  readonly exited: Promise<number | null>;

  private constructor(
    readonly process: ChildProcess,
    readonly dataDir: string,
    readonly databaseUrl: string | undefined,
    private readonly cleanUp: () => Promise<void>,
  ) {
    process.stdout?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    process.stderr?.setEncoding('utf8').on('data', (text: string) => (this.log += text));
    this.exited = new Promise((resolve) => process.once('exit', (code) => resolve(code)));
  }

  /** Starts a server and waits until it is ready. */
  static async start(options: ServerOptions = {}): Promise<RunningServer> {
    const server = await RunningServer.launch(options);
    await server.ready();
    return server;
  }

  /** Starts a server without waiting for it. */
  static async launch(options: ServerOptions = {}): Promise<RunningServer> {
    const dataDir = options.dataDir ?? mkdtempSync(path.join(tmpdir(), 'ictcore-e2e-'));
    const made = options.embedded || options.databaseUrl ? undefined : await testCluster().createDatabase();
    const databaseUrl = options.databaseUrl ?? made?.url;
    const child = spawn(process.execPath, ['--enable-source-maps', MAIN, 'start'], {
      cwd: options.cwd ?? dataDir,
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        ICTCORE_PORT: '0',
        ICTCORE_DATA_DIR: dataDir,
        ICTCORE_ADMIN_PASSWORD: ADMIN_PASSWORD,
        ...(databaseUrl && { DATABASE_URL: databaseUrl }),
        ...options.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.gid ?? options.uid }),
    });
    const cleanUp = async () => {
      await made?.drop().catch(() => undefined);
      if (!options.dataDir) rmSync(dataDir, { recursive: true, force: true });
    };
    return new RunningServer(child, dataDir, databaseUrl, cleanUp);
  }

  /** Waits until the server says that it is ready; rejects with its own words if it ends before. */
  async ready(timeoutMs = 60_000): Promise<this> {
    const end = Date.now() + timeoutMs;
    let code: number | null | undefined;
    void this.exited.then((value) => {
      code = value;
    });
    for (;;) {
      const found = /API:\s+(\S+)\/api\n/.exec(this.output);
      if (found || this.output.includes('is ready (worker)')) {
        this.url = found?.[1] ?? '';
        return this;
      }
      if (code !== undefined) throw new Error(`the server ended (${code}): ${this.log}`);
      if (Date.now() > end) throw new Error(`the server did not become ready: ${this.log}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** A client with the administrator's name and password. */
  admin(password = ADMIN_PASSWORD): ApiClient {
    return new ApiClient(this.url, { username: 'admin', password });
  }

  /** A client of a new user with the given roles, made by the administrator. */
  async user(username: string, roles: readonly string[] = ['user']): Promise<ApiClient> {
    const password = `password of ${username}`;
    await this.admin().post('/users', { username, email: `${username}@example.org`, password, roles });
    return new ApiClient(this.url, { username, password });
  }

  /** Looks into the database, for facts that HTTP does not show. */
  async sql<R extends object>(text: string, values: unknown[] = []): Promise<R[]> {
    const client = new Client({ connectionString: this.databaseUrl });
    await client.connect();
    try {
      return (await client.query(text, values)).rows as R[];
    } finally {
      await client.end();
    }
  }

  /** SIGTERM, and the exit code. */
  async terminate(): Promise<number | null> {
    this.process.kill('SIGTERM');
    return this.exited;
  }

  /** kill -9. */
  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.exited;
  }

  /** Ends the server and removes what was made for it. */
  async dispose(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) await this.terminate();
    await this.cleanUp();
  }
}

/** The PostgreSQL cluster of this test run. */
export function testCluster() {
  return connectTestPostgres(process.env.ICTCORE_TEST_POSTGRES ?? '');
}

/** Polls until the value is what is wanted; fails with the last one seen. */
export async function eventually<T>(
  read: () => Promise<T>,
  wanted: (value: T) => boolean,
  timeoutMs = 15_000,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (wanted(value)) return value;
    if (Date.now() > end) throw new Error(`still ${JSON.stringify(value)} after ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
