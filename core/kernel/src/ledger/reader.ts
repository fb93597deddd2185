import { IctError, type SqlRunner } from '@ictcore/contract';
import { Client } from 'pg';
// Also makes int8 a number, as everywhere in the kernel.
import '../database/database';
import { sqlOn } from '../database/sql';

/** PostgreSQL's code for a table that does not exist. */
const NO_TABLE = '42P01';

/**
 * Looks into the server's database from another process: one connection, one moment (repeatable read), read only.
 *
 * @throws `DATABASE_EMPTY` if no server has ever used this database
 */
export async function readLedger<T>(url: string, work: (sql: SqlRunner) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url, application_name: 'ictcore ledger' });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query('begin isolation level repeatable read read only');
    return await work(sqlOn(client));
  } catch (error) {
    if ((error as { code?: unknown }).code !== NO_TABLE) throw error;
    throw new IctError('This database holds no ledger yet; start the server once', {
      code: 'DATABASE_EMPTY',
      cause: error,
    });
  } finally {
    await client.end().catch(() => undefined);
  }
}
