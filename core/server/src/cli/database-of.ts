import { existsSync } from 'node:fs';
import path from 'node:path';
import { IctError } from '@ictcore/contract';
import { loadConfig } from '@ictcore/kernel';
import { startEmbeddedPostgres } from '@ictcore/postgres';

/**
 * Gives `work` the address of the database that `ictcore start` would use with the same configuration. The embedded one
 * is joined if a server runs on it, otherwise started for the time of the work; it is never made.
 *
 * @throws `DATABASE_MISSING` if the data directory has no database
 */
export async function withDatabase<T>(
  environment: NodeJS.ProcessEnv,
  cwd: string,
  work: (url: string) => Promise<T>,
): Promise<T> {
  const config = loadConfig(environment, cwd);
  if (config.database_url) return work(config.database_url);
  const dataDir = path.join(config.data_dir, 'postgres');
  if (!existsSync(path.join(dataDir, 'cluster', 'PG_VERSION'))) {
    throw new IctError(
      `There is no database in ${config.data_dir}; set ICTCORE_DATA_DIR or DATABASE_URL as for ictcore start`,
      { code: 'DATABASE_MISSING' },
    );
  }
  const postgres = await startEmbeddedPostgres({ dataDir });
  try {
    return await work(postgres.url());
  } finally {
    // A server that runs on it keeps it.
    await postgres.stop();
  }
}
