import { Client } from 'pg';
import { createLogger } from '../boot/logger';
import { Recorder } from '../queue/recorder';
import { type TestKernelDatabase, testDatabase } from '../testing/test-database';

/** A real outage of one database: nobody is let in, and who is in is thrown out. */
class Outage {
  private constructor(
    private readonly root: Client,
    private readonly name: string,
  ) {}

  static async begin(db: TestKernelDatabase): Promise<Outage> {
    const url = new URL(db.url);
    const name = url.pathname.slice(1);
    url.pathname = '/postgres';
    const root = new Client({ connectionString: url.href });
    await root.connect();
    await root.query(`alter database "${name}" with allow_connections false`);
    await root.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
    return new Outage(root, name);
  }

  async end(): Promise<void> {
    await this.root.query(`alter database "${this.name}" with allow_connections true`);
    await this.root.end();
  }
}

const delivered = {
  spoolId: 1,
  status: 'completed',
  response: '250 ok',
  reason: null,
  callId: 'm-1',
  amount: 1,
  receipt: null,
  facts: [],
  judgement: {
    spoolStatus: 'completed',
    reason: null,
    response: '250 ok',
    transmissionStatus: 'completed',
    transmissionResponse: '',
    retryIn: null,
  },
} as const;

it('what carriers answered while the database was away for some seconds is recorded when it is back', async () => {
  const db = await testDatabase();
  await db.database.query(
    `with t as (insert into transmission (service_flag, status) values (4, 'processing') returning transmission_id)
     insert into spool (transmission_id, service_flag, attempt, status, lane)
     select transmission_id, 4, 1, 'started', 0 from t`,
  );
  const log = createLogger('error', { write: () => undefined });
  const outage = await Outage.begin(db);
  const recorded = new Recorder(db.database, log).record(delivered);
  await new Promise((resolve) => setTimeout(resolve, 6000));
  await outage.end();
  expect(await recorded).toBe(true);
  expect(await db.database.query('select status, response from spool')).toEqual([
    { status: 'completed', response: '250 ok' },
  ]);
  await db.close();
});
