import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { connectTestPostgres } from '@ictcore/postgres';
import type { ModelCtor } from 'sequelize-typescript';
import { Database } from '../database/database';
import { migrate } from '../database/migrator';

const MIGRATIONS = path.resolve(__dirname, '../../migrations');

/** A database of one test file, with the kernel's schema. */
export interface TestKernelDatabase {
  database: Database;
  url: string;
  /** Another way to the same database, as a second node has. Closed with the first. */
  another(): Database;
  close(): Promise<void>;
}

/** For tests: a new database with the kernel's tables, copied from a template that is made once per schema. */
export async function testDatabase(models: ModelCtor[] = []): Promise<TestKernelDatabase> {
  const cluster = connectTestPostgres(process.env.ICTCORE_TEST_POSTGRES ?? '');
  const files = readdirSync(MIGRATIONS).sort();
  const fingerprint = files.map((file) => readFileSync(path.join(MIGRATIONS, file), 'utf8')).join('\0');
  const prepare = async (url: string) => {
    await migrate(url, { component: 'kernel', folder: MIGRATIONS });
  };
  await cluster.createTemplate('kernel', prepare, fingerprint);
  const made = await cluster.createDatabase({ template: 'kernel' });
  const open: Database[] = [];
  const another = () => {
    const database = new Database({ url: made.url, poolSize: 4, models, applicationName: 'ictcore test' });
    open.push(database);
    return database;
  };
  return {
    database: another(),
    url: made.url,
    another,
    async close() {
      await Promise.all(open.map((database) => database.close()));
      await made.drop();
    },
  };
}
