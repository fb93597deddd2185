import { type TestKernelDatabase, testDatabase } from '../testing/test-database';
import { ADMIN_PASSWORD, IDENTITY_MODELS, type IdentityNode, identityNode } from './identity.test.support';

describe('users over HTTP', () => {
  let db: TestKernelDatabase;
  let node: IdentityNode;
  let admin: string;

  beforeAll(async () => {
    db = await testDatabase(IDENTITY_MODELS);
    node = await identityNode(db.database);
    admin = await node.login('admin', ADMIN_PASSWORD);
  });
  afterAll(async () => {
    await node?.close();
    await db?.close();
  });

  const as = (token: string, method: string, path: string, body?: unknown) => node.call(method, path, token, body);
  let number = 0;
  async function newUser(fields: object = {}): Promise<{ id: number; name: string; token: string }> {
    const name = `user${++number}`;
    const body = { username: name, email: `${name}@example.com`, password: 'long enough', ...fields };
    const made = await as(admin, 'POST', '/users', body);
    expect(made).toMatchObject({ status: 200, body: expect.any(Number) });
    return { id: made.body, name, token: await node.login(name, 'long enough') };
  }
  /** A user without the role `user`, holding just these. */
  async function holderOf(...permissions: string[]) {
    const user = await newUser({ roles: [] });
    for (const name of permissions) {
      expect((await as(admin, 'PUT', `/users/${user.id}/permissions/${name}`)).body).toBe(true);
    }
    return user;
  }

  describe('create', () => {
    it('gives the role user and a default account with secrets of its own', async () => {
      const { id, name } = await newUser({ first_name: 'Ann', phone: '+44 20 7946 0000' });
      const { body } = await as(admin, 'GET', `/users/${id}`);
      expect(body).toMatchObject({
        user_id: id,
        username: name,
        email: `${name}@example.com`,
        first_name: 'Ann',
        active: 1,
        owner_id: 1,
        roles: [{ name: 'user' }],
        direct_permissions: [],
        permissions: expect.arrayContaining(['contact', 'user_read']),
        date_created: expect.any(Number),
      });
      expect(Object.keys(body).filter((key) => /pass|secret/.test(key))).toEqual([]);
      const accounts = await as(admin, 'GET', `/users/${id}/accounts?type=account`);
      expect(accounts.body).toHaveLength(1);
      expect(accounts.body[0]).toMatchObject({
        type: 'account',
        username: name,
        first_name: 'Ann',
        phone: '+44 20 7946 0000',
        email: `${name}@example.com`,
        active: 1,
        user_id: id,
      });
      expect(accounts.body[0]).not.toHaveProperty('passwd');
      const account = await as(admin, 'GET', `/accounts/${accounts.body[0].account_id}`);
      expect(account.body).toMatchObject({
        passwd: expect.stringMatching(/^[\w-]{24}$/),
        passwd_pin: expect.stringMatching(/^\d{4}$/),
      });
      const [row] = await db.database.query<{ phone_normalized: string; passwd: string }>(
        'select a.phone_normalized, u.passwd from account a join usr u on u.user_id = a.created_by where user_id = $1',
        [id],
      );
      expect(row).toEqual({
        phone_normalized: '+442079460000',
        passwd: expect.stringMatching(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/),
      });
    });

    it('refuses what is wrong with 412, what is taken with 409, and stores nothing', async () => {
      const good = { username: 'carol', email: 'carol@example.com', password: 'long enough' };
      for (const wrong of [
        { username: undefined },
        { username: '12345' },
        { username: 'a b' },
        { username: 'a:b' },
        { username: 'x'.repeat(65) },
        { email: undefined },
        { email: 'nowhere' },
        { password: undefined },
        { password: 'short' },
        { password: 'x'.repeat(129) },
        { password: 12345678 },
        { roles: ['no such role'] },
        { timezone_id: 'noon' },
        { active: 2 },
      ]) {
        expect([wrong, (await as(admin, 'POST', '/users', { ...good, ...wrong })).status]).toEqual([wrong, 412]);
      }
      const { name } = await newUser();
      for (const taken of [
        { username: name.toUpperCase() },
        { email: `${name}@EXAMPLE.com` },
        { username: `${name}@example.com` },
      ]) {
        expect([taken, (await as(admin, 'POST', '/users', { ...good, ...taken })).status]).toEqual([taken, 409]);
      }
      const left = `select username from usr where username = 'carol' union select username from account where username = 'carol'`;
      expect(await db.database.query(left)).toEqual([]);
    });

    it('takes passwd for password, roles by id and name, and answers 201 when asked to', async () => {
      const body = { username: 'dave', email: 'dave@example.com', passwd: 'long enough', roles: ['admin', 2, 'user'] };
      const made = await node.call('POST', '/users', admin, body, { Prefer: 'return=representation' });
      expect(made.status).toBe(201);
      expect(made.body).toMatchObject({ username: 'dave', roles: [{ name: 'user' }, { name: 'admin' }] });
      expect(made.headers.get('location')).toBe(`/api/users/${made.body.user_id}`);
      await node.login('dave', 'long enough');
      expect((await as(admin, 'DELETE', `/users/${made.body.user_id}`)).body).toBe(true);
      // His account stays behind, free to assign, and is in nobody's way.
      const again = await as(admin, 'POST', '/users', body);
      expect(again.status).toBe(200);
      const { body: accounts } = await as(admin, 'GET', `/users/${again.body}/accounts`);
      expect(accounts).toMatchObject([{ username: `dave-${again.body}` }]);
      await as(admin, 'DELETE', `/users/${again.body}`);
    });
  });

  it('shows oneself to all, others to user_list only', async () => {
    const one = await newUser();
    const two = await newUser();
    expect((await as(one.token, 'GET', '/users/me')).body.user_id).toBe(one.id);
    expect((await as(one.token, 'GET', `/users/${one.id}`)).body.username).toBe(one.name);
    expect((await as(one.token, 'GET', `/users/${two.id}`)).status).toBe(404);
    expect((await as(one.token, 'GET', `/users/${two.id}/accounts`)).status).toBe(404);
    expect((await as(one.token, 'GET', '/users')).status).toBe(403);
    expect((await as(one.token, 'GET', '/users/me/accounts')).body).toHaveLength(1);
    expect((await as(one.token, 'GET', '/users/abc')).status).toBe(400);
    expect((await as(admin, 'GET', '/users/999999')).status).toBe(404);
    const listed = await as(admin, 'GET', `/users?username=${two.name}`);
    expect(listed.body).toEqual([
      {
        user_id: two.id,
        username: two.name,
        first_name: null,
        last_name: null,
        phone: null,
        email: `${two.name}@example.com`,
        active: 1,
        roles: [{ role_id: expect.any(Number), name: 'user' }],
      },
    ]);
    const all = (await as(admin, 'GET', '/users')).body.map((user: { user_id: number }) => user.user_id);
    expect(all).toEqual([...all].sort((a, b) => a - b));
    const lister = await holderOf('user_list', 'user_read', 'account_list');
    expect((await as(lister.token, 'GET', `/users/${two.id}`)).status).toBe(200);
    expect((await as(lister.token, 'GET', `/users/${two.id}/accounts`)).body).toEqual([]);
  });

  describe('update', () => {
    it('changes what is sent, keeps roles and permissions, and the user name', async () => {
      const user = await newUser({ company: 'Acme' });
      await as(admin, 'PUT', `/users/${user.id}/permissions/provider`);
      const before = (await as(admin, 'GET', `/users/${user.id}`)).body;
      const put = { ...before, username: 'other', first_name: 'New', company: null, owner_id: 77 };
      const { status, body } = await as(admin, 'PUT', `/users/${user.id}`, put);
      expect(status).toBe(200);
      const after = { ...before, first_name: 'New', company: null, last_updated: expect.any(Number) };
      expect(body).toEqual(after);
      expect((await as(admin, 'GET', `/users/${user.id}`)).body).toEqual(after);
      expect((await as(user.token, 'GET', '/users/me')).status).toBe(200);
      expect((await as(admin, 'PUT', `/users/${user.id}`, { email: null })).status).toBe(412);
      expect((await as(admin, 'PUT', `/users/${user.id}`, { email: 'admin@localhost' })).status).toBe(409);
      expect((await as(user.token, 'PUT', '/users/me', { first_name: 'x' })).status).toBe(403);
      expect((await as(admin, 'PUT', '/users/999999', {})).status).toBe(404);
    });

    it('lets the default account follow e-mail and phone while it has the old ones', async () => {
      const user = await newUser();
      const account = async () => (await as(admin, 'GET', `/users/${user.id}/accounts`)).body[0];
      await as(admin, 'PUT', `/users/${user.id}`, { phone: '+1 555 0100', email: 'moved@example.com' });
      const { account_id } = await account();
      expect(await account()).toMatchObject({ phone: '+1 555 0100', email: 'moved@example.com' });
      await as(admin, 'PUT', `/accounts/${account_id}`, { email: 'own@example.com' });
      await as(admin, 'PUT', `/users/${user.id}`, { phone: '+1 555 0200', email: 'again@example.com' });
      expect(await account()).toMatchObject({ phone: '+1 555 0200', email: 'own@example.com' });
      const [row] = await db.database.query('select phone_normalized from account where account_id = $1', [account_id]);
      expect(row).toEqual({ phone_normalized: '+15550200' });
    });
  });

  describe('password', () => {
    it('is one’s own with the current one, others’ with user_update', async () => {
      const user = await newUser();
      const other = await newUser();
      const put = (token: string, id: number | string, body: object) => as(token, 'PUT', `/users/${id}/password`, body);
      expect((await put(user.token, user.id, { password: 'new password' })).status).toBe(412);
      const wrong = { password: 'new password', current_password: 'not this' };
      expect((await put(user.token, user.id, wrong)).status).toBe(412);
      expect((await put(user.token, user.id, { password: 'short', current_password: 'long enough' })).status).toBe(412);
      expect((await put(user.token, other.id, { password: 'new password' })).status).toBe(404);
      const lister = await holderOf('user_password', 'user_list');
      expect((await put(lister.token, other.id, { password: 'new password' })).status).toBe(403);
      expect((await put(admin, other.id, { password: 'new password' })).body).toBe(true);
      expect((await as(other.token, 'GET', '/users/me')).status).toBe(401);
      await node.login(other.name, 'new password');
      expect((await put(admin, 999999, { password: 'new password' })).status).toBe(404);
    });

    it('of somebody who holds more than oneself is not to be had', async () => {
      const manager = await holderOf('user');
      const plain = await newUser();
      expect((await as(manager.token, 'PUT', `/users/${plain.id}/password`, { password: 'by manager' })).body).toBe(
        true,
      );
      for (const body of [
        { password: 'by manager' },
        { passwd: 'by manager' },
        { email: 'mine@example.com' },
        { active: 0 },
      ]) {
        expect([body, (await as(manager.token, 'PUT', '/users/1', body)).status]).toEqual([body, 403]);
      }
      expect((await as(manager.token, 'PUT', '/users/1/password', { password: 'by manager' })).status).toBe(403);
      expect((await as(manager.token, 'DELETE', '/users/1')).status).toBe(403);
      await node.login('admin', ADMIN_PASSWORD);
    });
  });

  describe('delete', () => {
    it('keeps data for administrators, frees accounts, cancels what was planned', async () => {
      const user = await newUser();
      const [{ account_id }] = (await as(admin, 'GET', `/users/${user.id}/accounts`)).body;
      const [contact] = await db.database.query<{ contact_id: number }>(
        `insert into contact (phone, created_by) values ('1', $1) returning contact_id`,
        [user.id],
      );
      await db.database.query(
        `insert into transmission (service_flag, account_id, status, next_run, created_by) values
           (1, $1, 'pending', now() + interval '1 day', $2), (1, $1, 'pending_retry', now(), $2), (1, $1, 'completed', null, $2)`,
        [account_id, user.id],
      );
      expect((await as(admin, 'DELETE', `/users/${user.id}`)).body).toBe(true);
      expect((await as(admin, 'GET', `/users/${user.id}`)).status).toBe(404);
      expect((await as(admin, 'DELETE', `/users/${user.id}`)).status).toBe(404);
      expect((await as(admin, 'GET', `/accounts/${account_id}`)).body).toMatchObject({
        user_id: null,
        username: user.name,
      });
      expect(
        await db.database.query('select created_by from contact where contact_id = $1', [contact?.contact_id]),
      ).toEqual([{ created_by: null }]);
      expect(
        await db.database.query(
          'select status, next_run, response from transmission where account_id = $1 order by transmission_id',
          [account_id],
        ),
      ).toEqual([
        { status: 'pending', next_run: null, response: '' },
        { status: 'failed', next_run: null, response: 'canceled' },
        { status: 'completed', next_run: null, response: '' },
      ]);
    });

    it('is refused for oneself, and the last administrator stays one', async () => {
      expect((await as(admin, 'DELETE', '/users/1')).status).toBe(423);
      const boss = await newUser({ roles: ['user', 'admin'] });
      await as(admin, 'PUT', `/users/${boss.id}`, { active: 0 });
      expect((await as(admin, 'DELETE', '/users/1/roles/admin')).status).toBe(423);
      expect((await as(admin, 'PUT', '/users/1', { active: 0 })).status).toBe(423);
      await as(admin, 'PUT', `/users/${boss.id}`, { active: 1 });
      const bossToken = await node.login(boss.name, 'long enough');
      // Each removes the other at the same time: one of them must stay.
      const removals = await Promise.all([
        as(admin, 'DELETE', `/users/${boss.id}/roles/admin`),
        as(bossToken, 'DELETE', '/users/1/roles/admin'),
      ]);
      const statuses = removals.map((answer) => answer.status);
      expect(statuses.filter((status) => status === 200)).toHaveLength(1);
      // The other has no right any more, or is told that he is the last.
      expect(statuses.filter((status) => status === 403 || status === 423)).toHaveLength(1);
      const admins = await db.database.query<{ user_id: number }>(
        `select user_id from user_role join role using (role_id) where name = 'admin'`,
      );
      expect(admins).toHaveLength(1);
      if (admins[0]?.user_id !== 1) await as(bossToken, 'PUT', '/users/1/roles/admin');
      expect((await as(admin, 'DELETE', `/users/${boss.id}`)).body).toBe(true);
    });
  });

  describe('roles and permissions of users', () => {
    it('are given and taken by id or name, again and again', async () => {
      const user = await newUser();
      const permissions = (await as(admin, 'GET', '/permissions?name=provider')).body;
      const id = permissions.find((row: { name: string }) => row.name === 'provider_list').permission_id;
      for (const named of [id, 'provider_list', id]) {
        expect((await as(admin, 'PUT', `/users/${user.id}/permissions/${named}`)).body).toBe(true);
      }
      expect((await as(admin, 'GET', `/users/${user.id}`)).body.direct_permissions).toEqual(['provider_list']);
      const listed = (await as(admin, 'GET', `/users/${user.id}/permissions`)).body;
      expect(listed).toContainEqual({ permission_id: id, name: 'provider_list', direct: 1 });
      expect(listed).toContainEqual({ permission_id: expect.any(Number), name: 'contact', direct: 0 });
      for (let i = 0; i < 2; i++) {
        expect((await as(admin, 'DELETE', `/users/${user.id}/permissions/provider_list`)).body).toBe(true);
        expect((await as(admin, 'PUT', `/users/${user.id}/roles/admin`)).body).toBe(true);
      }
      expect((await as(admin, 'GET', `/users/${user.id}/roles`)).body).toMatchObject([
        { name: 'user' },
        { name: 'admin' },
      ]);
      expect((await as(admin, 'DELETE', `/users/${user.id}/roles/admin`)).body).toBe(true);
      for (const path of ['permissions/no_such', 'permissions/999999', 'roles/no_such', 'roles/999999']) {
        expect([path, (await as(admin, 'PUT', `/users/${user.id}/${path}`)).status]).toEqual([path, 404]);
      }
      expect((await as(admin, 'PUT', '/users/999999/roles/user')).status).toBe(404);
      expect((await as(user.token, 'PUT', `/users/${user.id}/roles/admin`)).status).toBe(403);
    });

    it('cannot be given by who lacks them', async () => {
      const manager = await holderOf('user', 'role', 'permission');
      const user = await newUser();
      const put = (path: string) => as(manager.token, 'PUT', path).then((answer) => answer.status);
      for (const name of ['provider', 'contact_read', 'user_admin']) {
        expect([name, await put(`/users/${manager.id}/permissions/${name}`)]).toEqual([name, 403]);
        expect([name, await put(`/users/${user.id}/permissions/${name}`)]).toEqual([name, 403]);
        expect([name, await put(`/roles/user/permissions/${name}`)]).toEqual([name, 403]);
      }
      expect(await put(`/users/${manager.id}/roles/admin`)).toBe(403);
      const body = { username: 'henchman', email: 'h@example.com', password: 'long enough', roles: ['admin'] };
      expect((await as(manager.token, 'POST', '/users', body)).status).toBe(403);
      expect(await put(`/users/${user.id}/permissions/role_list`)).toBe(200);
      const plain = await as(manager.token, 'POST', '/users', { ...body, roles: undefined });
      expect(plain.status).toBe(200);
    });
  });
});
