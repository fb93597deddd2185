import { readFileSync } from 'node:fs';
import path from 'node:path';
import { IctError, type Logger } from '@ictcore/contract';
import { type Config, createLogger, Kernel, loadConfig } from '@ictcore/kernel';
import { type EmbeddedPostgres, lockDataDir, startEmbeddedPostgres } from '@ictcore/postgres';
import { bundledPlugins } from './bundled-plugins';
import { prepareDataDir } from './data-dir';

/** A server that runs. */
export interface RunningServer {
  url: string | null;
  adminPassword: string | undefined;
  config: Config;
  stop(): Promise<void>;
}

/** This package's version. */
export function serverVersion(): string {
  const manifest = readFileSync(path.join(__dirname, '..', 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

/** Starts the server: data directory, database, kernel. What began is ended again if a later step fails. */
export async function startServer(environment: NodeJS.ProcessEnv, cwd: string): Promise<RunningServer> {
  const config = loadConfig(environment, cwd);
  const log = createLogger(config.log_level, process.stderr);
  surviveStrayErrors(log);
  const instance = prepareDataDir(config.data_dir);
  const lock = await lockDataDir(config.data_dir);
  let postgres: EmbeddedPostgres | undefined;
  try {
    if (!config.database_url) postgres = await startPostgres(config, log);
    const kernel = new Kernel({
      config,
      log,
      databaseUrl: config.database_url ?? (postgres as EmbeddedPostgres).url(),
      version: serverVersion(),
      instance,
      bundled: bundledPlugins,
      searchFolders: [cwd, path.join(config.data_dir, 'plugins'), __dirname],
    });
    const { url, adminPassword } = await kernel.boot();
    log.info({ url, role: config.role, data_dir: config.data_dir }, 'ready');
    const stop = async () => {
      await kernel.stop();
      await postgres?.stop();
      await lock.release();
      log.info({}, 'stopped');
    };
    return { url, adminPassword, config, stop };
  } catch (error) {
    await postgres?.stop();
    await lock.release();
    throw config.database_url ? explained(error, config.database_url) : error;
  }
}

/** What says that the database itself cannot be reached or used: Node's network errors, wrong login, no such database. */
const UNUSABLE = /^(ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|08...|28...|3D000)$/;

/** Such an error with the key and the database that it is about, which the driver's own words leave out. */
function explained(error: unknown, databaseUrl: string): unknown {
  const cause = (error as { cause?: unknown })?.cause ?? error;
  const { code, message } = cause as { code?: string; message?: string };
  if (code === undefined || !UNUSABLE.test(code)) return error;
  const { username, host, pathname } = new URL(databaseUrl);
  const why = `${message || code}`;
  return new IctError(`DATABASE_URL: ${host}${pathname} cannot be used as ${username || 'this user'}: ${why}`, {
    code: 'DATABASE_UNUSABLE',
    cause: error,
  });
}

async function startPostgres(config: Config, log: Logger): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres({
    dataDir: path.join(config.data_dir, 'postgres'),
    onLog: (line) => log.debug({ postgres: line.trim() }, 'postgres'),
  });
  postgres.onDown(({ reason, retryInMs }) =>
    log.error({ reason, retry_in_ms: retryInMs }, 'the embedded PostgreSQL went down'),
  );
  postgres.onUp(({ pid }) => log.info({ pid }, 'the embedded PostgreSQL is up again'));
  return postgres;
}

/**
 * A promise that a plugin rejects and nobody looks at must not take the server with it: it is logged, and what is
 * committed stands whatever becomes of the rest. An exception that nobody catches may have left anything behind, so
 * that one still ends the process; the next start takes over.
 */
function surviveStrayErrors(log: Logger): void {
  process.on('unhandledRejection', (reason) => {
    log.error({ error: reason }, 'a promise was rejected and nobody looked; the server goes on');
  });
  process.on('uncaughtExceptionMonitor', (error) =>
    log.error({ error }, 'an exception that nobody caught ends the server'),
  );
}
