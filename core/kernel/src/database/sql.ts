import type { SqlRunner } from '@ictcore/contract';
import type { ClientBase, Pool } from 'pg';

/** Named statements kept per connection at most; beyond that (ad-hoc list queries) statements stay unnamed. */
const MAX_NAMED = 500;
const names = new Map<string, string>();

function nameOf(sql: string): string | undefined {
  let name = names.get(sql);
  if (name === undefined && names.size < MAX_NAMED) {
    name = `k${names.size}`;
    names.set(sql, name);
  }
  return name;
}

/**
 * Runs one statement. Constant SQL texts become prepared statements, which PostgreSQL plans once per connection;
 * pass `prepare: false` for SQL that is put together from filters.
 */
export async function runSql<R extends object>(
  client: ClientBase | Pool,
  text: string,
  values: readonly unknown[] = [],
  prepare = true,
): Promise<R[]> {
  const name = prepare ? nameOf(text) : undefined;
  const result = await client.query({ text, values: values as unknown[], ...(name === undefined ? {} : { name }) });
  return result.rows as R[];
}

/** SQL on a connection of one's own or any of the pool. `adHoc` is for SQL put together from filters. */
export interface Sql extends SqlRunner {
  adHoc<R extends object>(sql: string, values?: readonly unknown[]): Promise<R[]>;
}

/** The {@link Sql} of a pool (each statement on any connection) or of one client (a transaction). */
export function sqlOn(client: ClientBase | Pool): Sql {
  return {
    query: <R extends object>(sql: string, values?: readonly unknown[]) => runSql<R>(client, sql, values, true),
    adHoc: <R extends object>(sql: string, values?: readonly unknown[]) => runSql<R>(client, sql, values, false),
  };
}

/** The first row, if there is one. */
export async function firstRow<R extends object>(
  sql: SqlRunner,
  text: string,
  values?: readonly unknown[],
): Promise<R | undefined> {
  return (await sql.query<R>(text, values))[0];
}
