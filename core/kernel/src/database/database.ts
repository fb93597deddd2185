import { AsyncLocalStorage } from 'node:async_hooks';
import { Pool, type PoolClient, types } from 'pg';
import type { Transaction } from 'sequelize';
import { type ModelCtor, Sequelize } from 'sequelize-typescript';
import { fromDatabaseError } from './database-errors';
import { type Sql, sqlOn } from './sql';

// int8 (OID 20) as a JavaScript number: our ids and counters stay far below 2^53, and the REST API promises numbers.
types.setTypeParser(20, (text) => {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`int8 ${text} does not fit a JavaScript number`);
  return value;
});

/** One transaction, usable both by raw SQL and by Sequelize models. */
export interface Tx extends Sql {
  /** Pass as `{ transaction: tx.orm }` to model calls. */
  readonly orm: Transaction;
  /** Runs after the commit, not at all after a rollback. */
  afterCommit(work: () => void): void;
}

export interface DatabaseOptions {
  url: string;
  /** Connections for raw SQL; the ORM has half as many of its own. */
  poolSize: number;
  models: ModelCtor[];
  applicationName: string;
}

/**
 * The one way to PostgreSQL: Sequelize models (repository mode) for ordinary writes, named raw SQL for reads and for
 * whatever moves sets. Both meet in one transaction.
 */
export class Database implements Sql {
  readonly pool: Pool;
  readonly sequelize: Sequelize;
  readonly url: string;
  private readonly sql: Sql;
  private closing: Promise<void> | undefined;
  private static readonly inTransaction = new AsyncLocalStorage<boolean>();

  constructor(options: DatabaseOptions) {
    this.url = options.url;
    this.pool = new Pool({
      connectionString: options.url,
      max: options.poolSize,
      application_name: options.applicationName,
      connectionTimeoutMillis: 10_000,
      statement_timeout: 60_000,
      idle_in_transaction_session_timeout: 120_000,
      // A database machine that vanishes says nothing: without probes a statement would wait for a quarter of an hour.
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    });
    // An idle connection that breaks must not end the process; the next query gets a new one or a clear error.
    this.pool.on('error', () => undefined);
    this.sql = sqlOn(this.pool);
    this.sequelize = new Sequelize(options.url, {
      dialect: 'postgres',
      logging: false,
      repositoryMode: true,
      models: options.models,
      pool: { max: Math.max(2, Math.ceil(options.poolSize / 2)), min: 0, acquire: 10_000 },
      dialectOptions: {
        application_name: `${options.applicationName} orm`,
        statement_timeout: 60_000,
        keepAlive: true,
      },
      define: { timestamps: false, freezeTableName: true },
    });
  }

  async query<R extends object>(sql: string, values?: readonly unknown[]): Promise<R[]> {
    try {
      return await this.sql.query<R>(sql, values);
    } catch (error) {
      throw fromDatabaseError(error);
    }
  }

  async adHoc<R extends object>(sql: string, values?: readonly unknown[]): Promise<R[]> {
    try {
      return await this.sql.adHoc<R>(sql, values);
    } catch (error) {
      throw fromDatabaseError(error);
    }
  }

  /**
   * Commits if `work` resolves, rolls back if it rejects. Transactions do not nest: pass the `tx` on instead. A nested
   * call would take a second connection while holding the first, and enough of them at once would wait for ever.
   */
  async transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    if (Database.inTransaction.getStore()) throw new Error('transaction inside a transaction: pass the tx on');
    const after: (() => void)[] = [];
    try {
      const result = await this.sequelize.transaction((orm) =>
        Database.inTransaction.run(true, () => {
          const client = (orm as unknown as { connection: PoolClient }).connection;
          const sql = sqlOn(client);
          return work({ orm, query: sql.query, adHoc: sql.adHoc, afterCommit: (run) => after.push(run) });
        }),
      );
      for (const run of after) run();
      return result;
    } catch (error) {
      throw fromDatabaseError(error);
    }
  }

  /** A transaction for raw SQL alone: cheaper than {@link Database.transaction}, for the delivery engine. */
  async rawTransaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    const client = await this.pool.connect();
    let broken: Error | undefined;
    // A connection that breaks between two statements says so by an event: without a listener it would end the process.
    const onError = (error: Error) => {
      broken = error;
    };
    client.on('error', onError);
    try {
      await client.query('begin');
      const result = await work(sqlOn(client));
      await client.query('commit');
      return result;
    } catch (error) {
      await client.query('rollback').catch((e: Error) => {
        broken = e;
      });
      throw fromDatabaseError(error);
    } finally {
      client.removeListener('error', onError);
      client.release(broken);
    }
  }

  /** Resolves if the database answers within the time (milliseconds), rejects otherwise. */
  async ping(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    });
    try {
      await Promise.race([this.pool.query('select 1'), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  close(): Promise<void> {
    this.closing ??= Promise.all([this.pool.end(), this.sequelize.close()]).then(() => undefined);
    return this.closing;
  }
}
