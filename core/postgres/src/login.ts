import { Client } from 'pg';
import { EmbeddedPostgresError, errorCode } from './errors';

/** The address of a database of ours. The password is base64url, so nothing needs escaping. */
export function databaseUrl(port: number, password: string, database: string): string {
  return `postgres://postgres:${password}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
}

/** A client that takes nothing from PG* environment variables which could send it elsewhere. */
export function newClient(url: string): Client {
  const client = new Client({
    connectionString: url,
    ssl: false,
    connectionTimeoutMillis: 10_000,
    application_name: 'ictcore-postgres',
  });
  // A connection that breaks while idle is reported by the next query; unheard it would end the process.
  client.on('error', () => undefined);
  return client;
}

/**
 * Whether the server accepts sessions. A listening port alone says nothing: while it starts or shuts down, PostgreSQL
 * answers and refuses (57P03).
 *
 * @throws EmbeddedPostgresError PASSWORD_WRONG
 */
export async function acceptsLogin(port: number, password: string, passwordFile: string): Promise<boolean> {
  const client = newClient(databaseUrl(port, password, 'postgres'));
  try {
    await client.connect();
    return true;
  } catch (error) {
    const code = errorCode(error);
    if (code === '53300') return true; // too many connections: it is up
    if (code !== '28P01' && code !== '28000') return false;
    throw new EmbeddedPostgresError(
      'PASSWORD_WRONG',
      `the server on port ${port} refuses the password in ${passwordFile}: put the right one into that file, ` +
        'or another program listens on that port',
      { cause: error },
    );
  } finally {
    await client.end().catch(() => undefined);
  }
}
