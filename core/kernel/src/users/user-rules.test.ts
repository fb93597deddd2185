import { type TestKernelDatabase, testDatabase } from '../testing/test-database';
import { ADMIN_PASSWORD, IDENTITY_MODELS, type IdentityNode, identityNode } from './identity.test.support';
import { requireAnotherAdmin } from './user-rules';

describe('requireAnotherAdmin', () => {
  let db: TestKernelDatabase;
  let node: IdentityNode;

  beforeAll(async () => {
    db = await testDatabase(IDENTITY_MODELS);
    node = await identityNode(db.database);
  });
  afterAll(async () => {
    await node?.close();
    await db?.close();
  });

  it('makes the second of two who remove each other wait for the first, and then refuses him', async () => {
    const body = { username: 'boss', email: 'boss@example.com', password: 'long enough', roles: ['admin'] };
    const boss = (await node.call('POST', '/users', `admin:${ADMIN_PASSWORD}`, body)).body as number;
    const { database } = db;
    let looked: () => void = () => undefined;
    const firstHasLooked = new Promise<void>((resolve) => {
      looked = resolve;
    });
    const first = database.transaction(async (tx) => {
      await requireAnotherAdmin(boss, tx);
      looked();
      await new Promise((resolve) => setTimeout(resolve, 200));
      await tx.query('delete from user_role where user_id = $1', [boss]);
    });
    await firstHasLooked;
    await expect(database.transaction((tx) => requireAnotherAdmin(1, tx))).rejects.toMatchObject({ status: 423 });
    await first;
    // Whoever is no administrator does not count, and is no loss.
    await database.transaction((tx) => requireAnotherAdmin(boss, tx));
  });
});
