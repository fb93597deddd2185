import { z } from '@ictcore/contract';
import { type TestKernelDatabase, testDatabase } from '../testing/test-database';
import {
  ADMIN_PASSWORD,
  actorWith,
  IDENTITY_MODELS,
  type IdentityNode,
  identityNode,
} from '../users/identity.test.support';
import { AccountService } from './account.service';
import { AccountHooks } from './account-hooks';
import { AccountSettingCatalog } from './account-setting-catalog';

describe('accounts over HTTP', () => {
  let db: TestKernelDatabase;
  let node: IdentityNode;
  let admin: string;

  beforeAll(async () => {
    db = await testDatabase(IDENTITY_MODELS);
    node = await identityNode(db.database, { country: 'GB' });
    admin = await node.login('admin', ADMIN_PASSWORD);
    node.container.resolve(AccountSettingCatalog).fill([
      { key: 'coversheet', description: 'Cover', schema: z.enum(['body', 'none']) },
      { key: 'tries', description: 'Tries', schema: z.coerce.number().int().min(1).max(9).default(3) },
    ]);
  });
  afterAll(async () => {
    await node?.close();
    await db?.close();
  });

  const as = (token: string, method: string, path: string, body?: unknown) => node.call(method, path, token, body);
  let number = 0;
  /** An ordinary user who may also make accounts. */
  async function newUser(): Promise<{ id: number; token: string; account: number }> {
    const name = `holder${++number}`;
    const body = { username: name, email: `${name}@example.com`, password: 'long enough' };
    const id = (await as(admin, 'POST', '/users', body)).body;
    await as(admin, 'PUT', `/users/${id}/permissions/account`);
    const token = await node.login(name, 'long enough');
    return { id, token, account: (await as(token, 'GET', '/accounts')).body[0].account_id };
  }
  async function newAccount(token: string, fields: object = {}): Promise<number> {
    const made = await as(token, 'POST', '/accounts', { type: 'did', phone: `0207946${1000 + ++number}`, ...fields });
    expect(made).toMatchObject({ status: 200, body: expect.any(Number) });
    return made.body;
  }

  it('creates, with names from phone or e-mail, and refuses what is wrong or taken', async () => {
    const { token, id: user } = await newUser();
    const id = await newAccount(token, { phone: '020 7946 0001', first_name: 'Desk', settings: { a: 1 } });
    expect((await as(token, 'GET', `/accounts/${id}`)).body).toEqual({
      account_id: id,
      type: 'did',
      username: '020 7946 0001',
      first_name: 'Desk',
      last_name: null,
      phone: '020 7946 0001',
      email: null,
      address: null,
      settings: { a: 1 },
      active: 1,
      programs: [],
      user_id: user,
      date_created: expect.any(Number),
      last_updated: null,
      passwd: null,
      passwd_pin: null,
    });
    const stored = await db.database.query('select phone_normalized from account where account_id = $1', [id]);
    expect(stored).toEqual([{ phone_normalized: '+442079460001' }]);
    const eaddress = await newAccount(token, { type: 'eaddress', phone: undefined, email: 'fax@example.com' });
    expect((await as(token, 'GET', `/accounts/${eaddress}`)).body.username).toBe('fax@example.com');
    expect((await as(token, 'POST', '/accounts', { type: 'did', phone: '020 7946 0001' })).status).toBe(409);
    for (const wrong of [
      { type: 'trunk', username: 'x' },
      { type: 'did' },
      { username: 'x', settings: 'text' },
      { username: 'x', settings: { 'bad key!': 1 } },
      { username: 'x', settings: { deep: 'a\0b' } },
      { username: 'x', settings: { big: 'x'.repeat(70_000) } },
      { username: 'x', settings: { coversheet: 'sideways' } },
      { username: 'x', email: 'nowhere' },
      { username: 'x'.repeat(65) },
    ]) {
      expect([wrong, (await as(token, 'POST', '/accounts', wrong)).status]).toEqual([wrong, 412]);
    }
  });

  it('answers dids and extensions as accounts of that type', async () => {
    const { token } = await newUser();
    const did = (await as(token, 'POST', '/dids', { phone: '020 7946 0002', type: 'extension' })).body;
    const extension = (await as(token, 'POST', '/extensions', { username: '401', phone: '401' })).body;
    const ids = (rows: { account_id: number }[]) => rows.map((row) => row.account_id);
    expect(ids((await as(token, 'GET', '/dids')).body)).toEqual([did]);
    expect(ids((await as(token, 'GET', '/extensions')).body)).toEqual([extension]);
    expect(ids((await as(token, 'GET', '/accounts?type=did')).body)).toEqual([did]);
    expect((await as(token, 'GET', `/accounts/${did}`)).body.type).toBe('did');
    expect((await as(token, 'GET', '/dids?totalrows=1')).body).toBe(1);
  });

  it('keeps secrets encrypted and shows them in single reads only', async () => {
    const { token } = await newUser();
    const id = await newAccount(token, { passwd: 'sip-s3cret', passwd_pin: '9876' });
    const [row] = await db.database.query<{ all: string; secrets: string }>(
      'select row_to_json(account)::text as all, secrets from account where account_id = $1',
      [id],
    );
    expect(row?.secrets).toMatch(/^v1\./);
    expect(row?.all).not.toMatch(/sip-s3cret|9876"/);
    expect((await as(token, 'GET', `/accounts/${id}`)).body).toMatchObject({
      passwd: 'sip-s3cret',
      passwd_pin: '9876',
    });
    expect((await as(admin, 'GET', `/accounts/${id}`)).body).toMatchObject({ passwd: 'sip-s3cret' });
    for (const path of ['/accounts', '/dids', '/accounts?passwd=sip-s3cret', '/users/me/accounts']) {
      const listed = (await as(token, 'GET', path)).body;
      // A filter by secret is no filter at all: nobody can find out a secret by asking.
      expect(listed.map((account: { account_id: number }) => account.account_id)).toContain(id);
      expect(JSON.stringify(listed)).not.toMatch(/s3cret|passwd|secrets/);
    }
    await as(token, 'PUT', `/accounts/${id}`, { passwd_pin: '' });
    expect((await as(token, 'GET', `/accounts/${id}`)).body).toMatchObject({ passwd: 'sip-s3cret', passwd_pin: null });
    await as(token, 'PUT', `/accounts/${id}`, { passwd: null });
    expect((await as(token, 'GET', `/accounts/${id}`)).body).toMatchObject({ passwd: null, passwd_pin: null });
    expect(node.log.join('')).not.toContain('sip-s3cret');
  });

  it('belongs to its owner: others get 404, account_admin everything', async () => {
    const one = await newUser();
    const two = await newUser();
    for (const [method, path] of [
      ['GET', ''],
      ['PUT', ''],
      ['DELETE', ''],
      ['GET', '/settings/a'],
      ['PUT', '/settings/a'],
      ['DELETE', '/settings/a'],
    ] as const) {
      const body = method === 'PUT' ? { value: 1 } : undefined;
      const { status } = await as(two.token, method, `/accounts/${one.account}${path}`, body);
      expect([method, path, status]).toEqual([method, path, 404]);
    }
    expect((await as(two.token, 'GET', `/accounts?user_id=${one.id}`)).body).toEqual([]);
    const seen = (await as(admin, 'GET', `/accounts?user_id=${one.id}`)).body;
    expect(seen).toMatchObject([{ account_id: one.account }]);
    // Ids of users come as what they are: not to be guessed by making accounts for them.
    expect((await as(two.token, 'POST', '/accounts', { username: 'x', user_id: one.id })).status).toBe(403);
    expect((await as(admin, 'POST', '/accounts', { username: 'x', user_id: 999999 })).status).toBe(412);
    const given = await as(admin, 'POST', '/accounts', { username: 'given', user_id: one.id });
    expect((await as(one.token, 'GET', `/accounts/${given.body}`)).body).toMatchObject({ user_id: one.id });
  });

  it('changes what is sent; type and user name stay; a client may PUT back what it got', async () => {
    const { token } = await newUser();
    const id = await newAccount(token, { passwd: 'kept', settings: { a: 1, b: { c: [true, null] } } });
    const before = (await as(token, 'GET', `/accounts/${id}`)).body;
    const { status, body } = await as(token, 'PUT', `/accounts/${id}`, {
      ...before,
      type: 'extension',
      username: 'other',
      user_id: 1,
      last_name: 'Changed',
      settings: { a: null, d: 'new' },
    });
    expect(status).toBe(200);
    expect(body).toEqual({
      ...before,
      last_name: 'Changed',
      settings: { b: { c: [true, null] }, d: 'new' },
      last_updated: expect.any(Number),
    });
  });

  it('reads, sets and removes single settings, checked by their schema', async () => {
    const { token, account } = await newUser();
    const path = (name: string) => `/accounts/${account}/settings/${name}`;
    expect((await as(token, 'GET', path('coversheet'))).status).toBe(404);
    expect((await as(token, 'PUT', path('coversheet'), { value: 'body' })).body).toBe(true);
    expect((await as(token, 'GET', path('coversheet'))).body).toBe('body');
    expect((await as(token, 'PUT', path('coversheet'), { value: 'sideways' })).status).toBe(412);
    expect((await as(token, 'GET', path('coversheet'))).body).toBe('body');
    expect((await as(token, 'PUT', path('coversheet'), { data: 'none' })).body).toBe(true);
    expect((await as(token, 'PUT', path('free'), 'bare text')).body).toBe(true);
    expect((await as(token, 'PUT', path('number'), 7)).body).toBe(true);
    expect((await as(token, 'PUT', path('tree'), { x: { y: 1 } })).body).toBe(true);
    expect((await as(token, 'PUT', path('tries'), { value: '5' })).body).toBe(true);
    expect((await as(token, 'GET', `/accounts/${account}`)).body.settings).toEqual({
      coversheet: 'none',
      free: 'bare text',
      number: 7,
      tree: { x: { y: 1 } },
      tries: 5,
    });
    for (let i = 0; i < 2; i++) expect((await as(token, 'DELETE', path('free'))).body).toBe(true);
    expect((await as(token, 'GET', path('free'))).status).toBe(404);
    expect((await as(token, 'PUT', path('empty'))).status).toBe(412);
    expect((await as(token, 'GET', path('a%20b'))).status).toBe(400);
    expect((await as(token, 'PUT', '/accounts/-1/settings/mine', { value: 1 })).body).toBe(true);
    expect((await as(token, 'GET', path('mine'))).body).toBe(1);
    const catalog = node.container.resolve(AccountSettingCatalog);
    expect(await catalog.get(account, 'tries')).toBe(5);
    await as(token, 'DELETE', path('tries'));
    expect(await catalog.get(account, 'tries')).toBe(3);
    expect(await catalog.get(account, 'coversheet')).toBe('none');
    expect(await catalog.get(999999, 'coversheet')).toBeUndefined();
    await db.database.query(`update account set settings = '{"tries": "many"}' where account_id = $1`, [account]);
    expect(await catalog.get(account, 'tries')).toBe(3);
  });

  it('the default account is the newest active one, or 412', async () => {
    const { token, id, account } = await newUser();
    expect((await as(token, 'GET', '/accounts/-1')).body.account_id).toBe(account);
    const newer = await newAccount(token);
    expect((await as(token, 'GET', '/accounts/-1')).body.account_id).toBe(newer);
    await as(token, 'PUT', `/accounts/${newer}`, { active: 0 });
    expect((await as(token, 'GET', '/accounts/-1')).body.account_id).toBe(account);
    const service = node.container.resolve(AccountService);
    expect(await service.defaultAccountOf(actorWith(id))).toBe(account);
    await expect(service.defaultAccountOf(actorWith(999_999))).rejects.toMatchObject({ status: 412 });
    expect((await as(token, 'GET', '/accounts/-2')).status).toBe(400);
  });

  it('goes to another user or to nobody, without its programs', async () => {
    const one = await newUser();
    const two = await newUser();
    const id = await newAccount(one.token);
    const install = async () => {
      const [program] = await db.database.query<{ program_id: number }>(
        `insert into program (name, type, created_by) values ('fax', 'receivefax', $1) returning program_id`,
        [one.id],
      );
      await db.database.query(`insert into program_resource values ($1, 'account', $2)`, [program?.program_id, id]);
      return { program_id: program?.program_id, type: 'receivefax', name: 'fax' };
    };
    const program = await install();
    const read = async () => (await as(admin, 'GET', `/accounts/${id}`)).body;
    expect((await read()).programs).toEqual([program]);
    const assign = (user: number, token = admin) => as(token, 'PUT', `/accounts/${id}/users/${user}`);
    expect((await assign(two.id, one.token)).status).toBe(403);
    expect((await assign(999999)).status).toBe(404);
    expect((await assign(one.id)).body).toBe(true);
    expect((await read()).programs).toEqual([program]);
    const [busy] = await db.database.query<{ transmission_id: number }>(
      `insert into transmission (service_flag, program_id, status, created_by) values (2, $1, 'processing', $2)
       returning transmission_id`,
      [program.program_id, one.id],
    );
    expect((await assign(two.id)).status).toBe(423);
    expect((await read()).user_id).toBe(one.id);
    await db.database.query(`update transmission set status = 'pending' where transmission_id = $1`, [
      busy?.transmission_id,
    ]);
    expect((await assign(two.id)).body).toBe(true);
    expect(await read()).toMatchObject({ user_id: two.id, programs: [] });
    expect(await db.database.query('select status from transmission where created_by = $1', [one.id])).toEqual([
      { status: 'invalid' },
    ]);
    expect((await as(one.token, 'GET', `/accounts/${id}`)).status).toBe(404);
    await install();
    for (let i = 0; i < 2; i++) expect((await as(admin, 'DELETE', `/accounts/${id}/users`)).body).toBe(true);
    expect(await read()).toMatchObject({ user_id: null, programs: [] });
    expect((await as(two.token, 'GET', `/accounts/${id}`)).status).toBe(404);
  });

  it('is deleted with its waiting transmissions made invalid; the last one of a user is not', async () => {
    const { token, id: user, account } = await newUser();
    const id = await newAccount(token);
    const transmission = async (status: string) =>
      db.database.query(
        `insert into transmission (service_flag, account_id, status, created_by) values (4, $1, $2, $3)`,
        [id, status, user],
      );
    await transmission('processing');
    expect((await as(token, 'DELETE', `/accounts/${id}`)).status).toBe(423);
    await db.database.query(`update transmission set status = 'completed' where created_by = $1`, [user]);
    await transmission('pending');
    await transmission('pending_retry');
    expect((await as(token, 'DELETE', `/accounts/${id}`)).body).toBe(true);
    expect(
      await db.database.query(
        'select status, response, account_id from transmission where created_by = $1 order by transmission_id',
        [user],
      ),
    ).toEqual([
      { status: 'completed', response: '', account_id: null },
      { status: 'invalid', response: 'account_deleted', account_id: null },
      { status: 'invalid', response: 'account_deleted', account_id: null },
    ]);
    expect((await as(token, 'DELETE', `/accounts/${account}`)).status).toBe(423);
    const second = await newAccount(token);
    // Both at once, and neither done before the other has looked: one of them must stay.
    const hooks = node.container.resolve(AccountHooks);
    const uninstall = hooks.uninstallPrograms;
    hooks.uninstallPrograms = async (...asked) => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      return uninstall(...asked);
    };
    const both = await Promise.all([account, second].map((one) => as(token, 'DELETE', `/accounts/${one}`)));
    hooks.uninstallPrograms = uninstall;
    expect(both.map((answer) => answer.status).sort()).toEqual([200, 423]);
  });

  it('tells others when phone or e-mail change, in the same transaction', async () => {
    const { token } = await newUser();
    const id = await newAccount(token, { phone: '020 7946 0500' });
    const hooks = node.container.resolve(AccountHooks);
    const told: unknown[] = [];
    hooks.addressChanged = async (_actor, address) => {
      told.push(address);
      if (address.phone_normalized === '+442079460502') throw new Error('taken');
    };
    await as(token, 'PUT', `/accounts/${id}`, { phone: '020 7946 0501' });
    await as(token, 'PUT', `/accounts/${id}`, { first_name: 'x' });
    expect(told).toEqual([{ account_id: id, phone_normalized: '+442079460501', email: null }]);
    expect((await as(token, 'PUT', `/accounts/${id}`, { phone: '020 7946 0502' })).status).toBe(500);
    expect((await as(token, 'GET', `/accounts/${id}`)).body.phone).toBe('020 7946 0501');
  });
});
