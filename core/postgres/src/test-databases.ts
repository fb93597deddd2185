import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Client, escapeIdentifier } from 'pg';
import { EmbeddedPostgresError } from './errors';
import { newClient } from './login';

/** A database of its own for one test file. */
export interface TestDatabase {
  /** Its address, with the password. */
  url: string;
  name: string;
  /**
   * Removes it. Connections that are still open after 2 s are cut.
   *
   * @throws EmbeddedPostgresError TEST_CONNECTIONS_LEAKED (the database is removed all the same): a test that forgets
   * a connection should fail
   */
  drop(): Promise<void>;
}

/** Templates and databases of a test cluster: the same in the process that started it and in each jest worker. */
export interface TestDatabases {
  /** The superuser's address, to be handed to workers in an environment variable. */
  readonly adminUrl: string;
  /**
   * Makes a template database unless one with this fingerprint exists. Callers in several processes wait for the
   * one that makes it. The last call decides which fingerprint the name stands for.
   *
   * @param name lower-case letters, digits and underscores, at most 30
   * @param prepare gets the address of an empty database and must close its connections
   * @param fingerprint whatever changes when the content must be made anew: a hash of the migrations
   * @returns the name of the template's database
   * @throws EmbeddedPostgresError TEST_CONNECTIONS_LEAKED, and whatever prepare throws
   */
  createTemplate(name: string, prepare: (url: string) => Promise<void>, fingerprint: string): Promise<string>;
  /**
   * A new database, empty or a copy of a template (by the name given to createTemplate).
   *
   * @throws EmbeddedPostgresError TEST_TEMPLATE_UNKNOWN
   */
  createDatabase(options?: { template?: string }): Promise<TestDatabase>;
}

const TEMPLATE_PREFIX = 'tpl_';
const UNFINISHED_PREFIX = 'tplnew_';
const DATABASE_PREFIX = 'test_';
/** First key of the advisory locks, so that they meet no other user of advisory locks. */
const LOCK_CLASS = 0x69637470;
/** Templates of older fingerprints are kept up to this number. */
const TEMPLATES_KEPT = 20;

/**
 * Connects to a test cluster started elsewhere. Holds no connection between calls, so there is nothing to close.
 *
 * @example
 * const cluster = connectTestPostgres(process.env.TEST_POSTGRES_URL ?? '');
 * const database = await cluster.createDatabase({ template: 'kernel' });
 */
export function connectTestPostgres(adminUrl: string): TestDatabases {
  return {
    adminUrl,
    createTemplate: (name, prepare, fingerprint) =>
      withAdmin(adminUrl, (admin) => createTemplate(admin, adminUrl, name, prepare, fingerprint)),
    createDatabase: (options = {}) => withAdmin(adminUrl, (admin) => createDatabase(admin, adminUrl, options.template)),
  };
}

/** Readies a cluster for a run: removes what killed runs left behind, and the oldest templates. */
export async function cleanTestCluster(adminUrl: string): Promise<void> {
  await withAdmin(adminUrl, async (admin) => {
    await admin.query(
      `CREATE TABLE IF NOT EXISTS test_template (
         name text PRIMARY KEY, database text NOT NULL, asked_at timestamptz NOT NULL DEFAULT now())`,
    );
    const { rows } = await admin.query<{ datname: string }>('SELECT datname FROM pg_database ORDER BY oid DESC');
    const names = rows.map((row) => row.datname);
    const old = names.filter((name) => name.startsWith(TEMPLATE_PREFIX)).slice(TEMPLATES_KEPT);
    const left = names.filter((name) => name.startsWith(DATABASE_PREFIX) || name.startsWith(UNFINISHED_PREFIX));
    for (const name of [...left, ...old]) await dropByForce(admin, name);
    await admin.query(
      'DELETE FROM test_template WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = test_template.database)',
    );
  });
}

async function createTemplate(
  admin: Client,
  adminUrl: string,
  name: string,
  prepare: (url: string) => Promise<void>,
  fingerprint: string,
): Promise<string> {
  if (!/^[a-z0-9_]{1,30}$/.test(name))
    throw new RangeError(`template name "${name}": [a-z0-9_], at most 30 characters`);
  const hash = createHash('sha256').update(fingerprint).digest('hex').slice(0, 16);
  const database = `${TEMPLATE_PREFIX}${name}_${hash}`;
  // Ends with the session, so a killed worker lets the next one try.
  await admin.query('SELECT pg_advisory_lock($1, hashtext($2))', [LOCK_CLASS, name]);
  const found = await admin.query('SELECT FROM pg_database WHERE datname = $1', [database]);
  if (found.rowCount === 0)
    await makeTemplate(admin, adminUrl, database, `${UNFINISHED_PREFIX}${name}_${hash}`, prepare);
  await admin.query(
    `INSERT INTO test_template (name, database) VALUES ($1, $2)
     ON CONFLICT (name) DO UPDATE SET database = excluded.database, asked_at = now()`,
    [name, database],
  );
  return database;
}

async function makeTemplate(
  admin: Client,
  adminUrl: string,
  database: string,
  unfinished: string,
  prepare: (url: string) => Promise<void>,
): Promise<void> {
  await dropByForce(admin, unfinished);
  await admin.query(`CREATE DATABASE ${escapeIdentifier(unfinished)}`);
  try {
    await prepare(urlOf(adminUrl, unfinished));
    // Nobody may connect to a template: CREATE DATABASE refuses a source that is in use.
    await admin.query(`ALTER DATABASE ${escapeIdentifier(unfinished)} ALLOW_CONNECTIONS false`);
    const open = await connectionsAfterGrace(admin, unfinished);
    if (open.length > 0) throw leaked(`the preparation of template ${database}`, open);
    // The name is the proof of completeness, so it comes last.
    await admin.query(`ALTER DATABASE ${escapeIdentifier(unfinished)} RENAME TO ${escapeIdentifier(database)}`);
  } catch (error) {
    await dropByForce(admin, unfinished);
    throw error;
  }
}

async function createDatabase(admin: Client, adminUrl: string, template?: string): Promise<TestDatabase> {
  const name = DATABASE_PREFIX + randomBytes(8).toString('hex');
  const source = template === undefined ? 'template0' : await resolveTemplate(admin, template);
  // Half the time of the default strategy: copying files costs nothing without fsync, logging each page does.
  await admin.query(
    `CREATE DATABASE ${escapeIdentifier(name)} TEMPLATE ${escapeIdentifier(source)} STRATEGY FILE_COPY`,
  );
  return {
    url: urlOf(adminUrl, name),
    name,
    drop: () => withAdmin(adminUrl, (client) => dropTestDatabase(client, name)),
  };
}

async function resolveTemplate(admin: Client, template: string): Promise<string> {
  const { rows } = await admin.query<{ database: string }>(
    'SELECT database FROM test_template WHERE name = $1 OR database = $1',
    [template],
  );
  if (rows[0]) return rows[0].database;
  throw new EmbeddedPostgresError('TEST_TEMPLATE_UNKNOWN', `no template "${template}": call createTemplate first`);
}

async function dropTestDatabase(admin: Client, name: string): Promise<void> {
  const open = await connectionsAfterGrace(admin, name);
  await dropByForce(admin, name);
  if (open.length > 0) throw leaked(`database ${name}`, open);
}

async function dropByForce(admin: Client, name: string): Promise<void> {
  await admin.query(`DROP DATABASE IF EXISTS ${escapeIdentifier(name)} WITH (FORCE)`);
}

/** What each connection did last. A backend needs a moment to leave after its client has closed. */
async function connectionsAfterGrace(admin: Client, name: string): Promise<string[]> {
  const deadline = Date.now() + 2_000;
  for (;;) {
    const { rows } = await admin.query<{ what: string }>(
      `SELECT coalesce(nullif(application_name, ''), 'unnamed') || ': ' || left(query, 80) AS what
       FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'`,
      [name],
    );
    if (rows.length === 0 || Date.now() > deadline) return rows.map((row) => row.what);
    await delay(20);
  }
}

function leaked(where: string, open: string[]): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'TEST_CONNECTIONS_LEAKED',
    `${where} left ${open.length} connection(s) open: close every client and pool first. ${open.slice(0, 5).join('; ')}`,
  );
}

function urlOf(adminUrl: string, database: string): string {
  const url = new URL(adminUrl);
  url.pathname = `/${database}`;
  return url.toString();
}

async function withAdmin<T>(adminUrl: string, use: (admin: Client) => Promise<T>): Promise<T> {
  const admin = newClient(adminUrl);
  await admin.connect();
  try {
    return await use(admin);
  } finally {
    await admin.end();
  }
}
