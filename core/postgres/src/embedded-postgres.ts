import { dataDirAt } from './data-dir';
import { databaseUrl } from './login';
import { assertSettings } from './server-process';
import { type DownEvent, Supervisor, type UpEvent } from './supervisor';

/** How to start. */
export interface EmbeddedPostgresOptions {
  /** Holds the cluster, its password and its port. Created with mode 0700. */
  dataDir: string;
  /** TCP port on 127.0.0.1. Default: that of last time when free, else a random one. An adopted server keeps its own. */
  port?: number;
  /** PostgreSQL settings by name, for example `{ shared_buffers: '256MB' }`. An adopted server keeps its own. */
  settings?: Record<string, string>;
  /** PostgreSQL's own folder of programs. Default: the npm package, else the operating system's. */
  binDir?: string;
  /** Gets each line that PostgreSQL logs, and what happens to it. */
  onLog?: (line: string) => void;
  /** Aborts the start. A server that has started is not touched by it: call `stop()`. */
  signal?: AbortSignal;
}

/** A PostgreSQL that is kept running. It keeps this process alive until `stop()`. */
export interface EmbeddedPostgres {
  /** The superuser's address of a database, with the password: keep it out of logs. Default database: postgres. */
  url(database?: string): string;
  /** Stays the same over restarts by the supervisor. */
  readonly port: number;
  /** Of the server at this moment. */
  readonly pid: number;
  /** Whether it was running already. */
  readonly adopted: boolean;
  /**
   * Fast shutdown (open transactions roll back), after 10 s an immediate one. A server that was adopted from a living
   * owner keeps running. Safe to call twice.
   */
  stop(): Promise<void>;
  /** Hears each time the database is lost, and each restart that failed. Returns a function that stops listening. */
  onDown(listener: (event: DownEvent) => void): () => void;
  /** Hears each time the database is back. Returns a function that stops listening. */
  onUp(listener: (event: UpEvent) => void): () => void;
}

/**
 * Adopts the PostgreSQL of this directory, or starts it, or makes it first. Two processes that start at once share one
 * server: the one that started it supervises it, the other takes over when that process is gone.
 *
 * Call it from the main thread: Linux tells the server when the starting *thread* has ended.
 *
 * @throws EmbeddedPostgresError every code of EmbeddedPostgresErrorCode but the TEST_ ones
 * @example
 * const postgres = await startEmbeddedPostgres({ dataDir: './data/postgres', onLog: (line) => log.debug(line) });
 * const pool = new Pool({ connectionString: postgres.url('ictcore') });
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  return startCluster(options, true);
}

/** The same with a choice for test clusters: whether initdb waits for the disk. */
export async function startCluster(options: EmbeddedPostgresOptions, syncInit: boolean): Promise<EmbeddedPostgres> {
  const settings = options.settings ?? {};
  assertSettings(settings);
  const supervisor = new Supervisor({
    dir: dataDirAt(options.dataDir),
    binDir: options.binDir,
    port: options.port,
    settings,
    syncInit,
    onLog: options.onLog ?? (() => undefined),
  });
  await supervisor.start(options.signal);
  const listen = <K extends 'down' | 'up'>(name: K, listener: (event: never) => void): (() => void) => {
    const emitter = supervisor.events as NodeJS.EventEmitter;
    emitter.on(name, listener as (event: unknown) => void);
    return () => void emitter.off(name, listener as (event: unknown) => void);
  };
  return {
    url: (database = 'postgres') => databaseUrl(supervisor.current.port, supervisor.password, database),
    get port() {
      return supervisor.current.port;
    },
    get pid() {
      return supervisor.current.pid;
    },
    get adopted() {
      return supervisor.current.adopted;
    },
    stop: () => supervisor.stop(),
    onDown: (listener) => listen('down', listener),
    onUp: (listener) => listen('up', listener),
  };
}
