import { type TestKernelDatabase, testDatabase } from '../testing/test-database';
import { fromDatabaseError, isDatabaseAway } from './database-errors';

describe('database', () => {
  let db: TestKernelDatabase;

  beforeAll(async () => {
    db = await testDatabase();
  });
  afterAll(() => db.close());

  it('a connection that is cut while a raw transaction waits for something else fails that transaction alone', async () => {
    const { database } = db;
    const other = db.another();
    const work = database.rawTransaction(async (sql) => {
      const [row] = await sql.query<{ pid: number }>('select pg_backend_pid() as pid');
      await other.query('select pg_terminate_backend($1)', [row?.pid]);
      // Whoever listens to nothing would end the process here.
      await new Promise((resolve) => setTimeout(resolve, 300));
      await sql.query('select 1');
    });
    await expect(work).rejects.toMatchObject({ status: 503 });
    expect(await database.query('select 1 as one')).toEqual([{ one: 1 }]);
  });
});

describe('isDatabaseAway', () => {
  it.each([
    ['08006', true, 'connection failure'],
    ['57P01', true, 'terminated by an administrator'],
    ['57P03', true, 'starting up'],
    ['53300', true, 'too many connections'],
    ['53100', true, 'disk full'],
    ['53200', true, 'out of memory'],
    ['58030', true, 'I/O error'],
    ['25006', true, 'read-only: a standby'],
    ['ECONNREFUSED', true, 'nobody listens'],
    ['57014', false, 'statement cancelled'],
    ['23505', false, 'unique violation'],
    ['22P02', false, 'not a number'],
    ['42P01', false, 'no such table'],
  ])('%s → %s (%s)', (code, away) => {
    expect(isDatabaseAway(Object.assign(new Error('x'), { code }))).toBe(away);
    expect(isDatabaseAway({ original: { code } })).toBe(away);
    // As it comes out of `Database`.
    expect(isDatabaseAway(fromDatabaseError(Object.assign(new Error('x'), { code })))).toBe(away);
  });
});
