import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { IctError, isIctError } from '@ictcore/contract';
import { Client } from 'pg';
import { Umzug } from 'umzug';

/** A component (the kernel or a plugin) and its folder of numbered SQL files. */
export interface MigrationSet {
  component: string;
  folder: string;
}

/** Any constant will do, as long as every version of the server uses the same: "ICT" as ASCII. */
const LOCK_KEY = 0x494354;
const FILE_NAME = /^\d{4}-[a-z0-9-]+\.sql$/;

const BOOKKEEPING = `
create table if not exists migration (
  component  text not null,
  name       text not null,
  checksum   text not null,
  applied_at timestamptz not null default now(),
  primary key (component, name)
)`;

/** The schema knows a migration that this code does not: the server is older than its database. */
export class SchemaNewerError extends IctError {
  constructor(component: string, names: readonly string[]) {
    super(
      `The database schema of ${component} is newer than this server (${names.join(', ')} unknown here). ` +
        'Start the newer version again, or restore a backup made before the upgrade.',
      { code: 'SCHEMA_NEWER' },
    );
  }
}

/**
 * Brings one component's schema up to date. Safe when several servers start at once (advisory lock held on one
 * connection); each file runs in a transaction of its own together with its bookkeeping. Returns what was applied.
 *
 * @throws SchemaNewerError if the schema is newer than the code; `MIGRATION_CHANGED` if an applied file was edited;
 * `MIGRATION_FAILED` with PostgreSQL's words if a file fails (nothing of that file stays).
 */
export async function migrate(url: string, set: MigrationSet): Promise<string[]> {
  const client = new Client({ connectionString: url, application_name: 'ictcore migrate' });
  await client.connect();
  try {
    await client.query('select pg_advisory_lock($1)', [LOCK_KEY]);
    await client.query(BOOKKEEPING);
    const files = (await readdir(set.folder)).filter((name) => name.endsWith('.sql')).sort();
    const bad = files.find((name) => !FILE_NAME.test(name));
    if (bad) throw migrationError(set, `${bad} is not named 0001-what-it-does.sql`);
    const applied = await refuseSurprises(client, set, files);
    const umzug = new Umzug({
      migrations: files.map((name) => ({ name, up: () => applyFile(client, set, name) })),
      // The bookkeeping row is written inside each file's own transaction, so there is nothing left to log here.
      storage: {
        executed: async () => applied,
        logMigration: async () => undefined,
        unlogMigration: async () => undefined,
      },
      logger: undefined,
    });
    const done = await umzug.up().catch((error: unknown) => {
      // umzug wraps what a file threw; ours names the file and PostgreSQL's words already.
      throw isIctError((error as Error).cause) ? (error as Error).cause : error;
    });
    return done.map((migration) => migration.name);
  } finally {
    // Ending the connection gives the lock back, whatever state it is in.
    await client.end().catch(() => undefined);
  }
}

async function refuseSurprises(client: Client, set: MigrationSet, files: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<{ name: string; checksum: string }>(
    'select name, checksum from migration where component = $1 order by name',
    [set.component],
  );
  const unknown = rows.map((row) => row.name).filter((name) => !files.includes(name));
  if (unknown.length > 0) throw new SchemaNewerError(set.component, unknown);
  for (const row of rows) {
    if (checksum(await readFile(path.join(set.folder, row.name), 'utf8')) !== row.checksum) {
      throw migrationError(
        set,
        `${row.name} was edited after it had been applied; add a new file instead`,
        'MIGRATION_CHANGED',
      );
    }
  }
  return rows.map((row) => row.name);
}

async function applyFile(client: Client, set: MigrationSet, name: string): Promise<void> {
  const text = await readFile(path.join(set.folder, name), 'utf8');
  try {
    await client.query('begin');
    await client.query(text);
    await client.query('insert into migration (component, name, checksum) values ($1, $2, $3)', [
      set.component,
      name,
      checksum(text),
    ]);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw migrationError(set, `${name}: ${(error as Error).message}`, 'MIGRATION_FAILED', error);
  }
}

function checksum(text: string): string {
  return createHash('sha256').update(text.replace(/\r\n/g, '\n')).digest('hex');
}

function migrationError(set: MigrationSet, message: string, code = 'MIGRATION_FAILED', cause?: unknown): IctError {
  return new IctError(`Migration of ${set.component}: ${message}`, { code, cause });
}
