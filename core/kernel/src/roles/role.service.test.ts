import { type TestKernelDatabase, testDatabase } from '../testing/test-database';
import { ADMIN_PASSWORD, IDENTITY_MODELS, type IdentityNode, identityNode } from '../users/identity.test.support';

describe('roles and permissions over HTTP', () => {
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

  const call = (method: string, path: string, body?: unknown) => node.call(method, path, admin, body);

  it('creates, lists, reads, renames and deletes roles', async () => {
    const id = (await call('POST', '/roles', { name: 'operators', description: 'At the desk' })).body;
    expect(id).toEqual(expect.any(Number));
    const role = { role_id: id, name: 'operators', description: 'At the desk', built_in: 0 };
    expect((await call('GET', '/roles')).body).toContainEqual(role);
    expect((await call('GET', '/roles?name=oper')).body).toEqual([role]);
    expect((await call('GET', `/roles/${id}`)).body).toEqual({ ...role, permissions: [] });
    expect((await call('PUT', `/roles/${id}`, { description: '' })).body).toMatchObject({
      name: 'operators',
      description: '',
    });
    expect((await call('PUT', `/roles/${id}`, { name: 'desk' })).body).toMatchObject({ name: 'desk' });
    expect((await call('POST', '/roles', { name: 'desk' })).status).toBe(409);
    expect((await call('PUT', `/roles/${id}`, { name: 'user' })).status).toBe(409);
    for (const name of [undefined, '', '  ', '42', 'x'.repeat(256)]) {
      expect([name, (await call('POST', '/roles', { name })).status]).toEqual([name, 412]);
    }
    expect((await call('DELETE', `/roles/${id}`)).body).toBe(true);
    for (const method of ['GET', 'PUT', 'DELETE']) expect((await call(method, `/roles/${id}`)).status).toBe(404);
    expect((await call('GET', '/roles/desk')).status).toBe(400);
  });

  it('keeps the built-in ones, their names, and what administration itself needs', async () => {
    const roles = (await call('GET', '/roles')).body as { role_id: number; name: string }[];
    for (const name of ['admin', 'user']) {
      const id = roles.find((role) => role.name === name)?.role_id;
      expect((await call('DELETE', `/roles/${id}`)).status).toBe(423);
      expect((await call('PUT', `/roles/${id}`, { name: 'renamed' })).status).toBe(423);
      expect((await call('PUT', `/roles/${id}`, { name, description: 'Other words' })).status).toBe(200);
    }
    expect((await call('DELETE', '/roles/admin/permissions/user')).status).toBe(423);
    expect((await call('DELETE', '/roles/admin/permissions/provider')).body).toBe(true);
    // Lost by his own hand; now nobody may give it.
    expect((await call('PUT', '/roles/admin/permissions/provider')).status).toBe(403);
  });

  it('gives and takes permissions by id or name, at once for tokens already issued', async () => {
    const role = (await call('POST', '/roles', { name: 'lister' })).body;
    const user = await call('POST', '/users', {
      username: 'lisa',
      email: 'lisa@example.com',
      password: 'long enough',
      roles: [role],
    });
    const token = await node.login('lisa', 'long enough');
    const listing = async () => (await node.call('GET', '/roles', token)).status;
    expect(await listing()).toBe(403);
    for (let i = 0; i < 2; i++) expect((await call('PUT', `/roles/${role}/permissions/role_list`)).body).toBe(true);
    expect(await listing()).toBe(200);
    const { permissions } = (await call('GET', `/roles/${role}`)).body;
    expect(permissions).toEqual([{ permission_id: expect.any(Number), name: 'role_list' }]);
    expect((await call('DELETE', `/roles/lister/permissions/${permissions[0].permission_id}`)).body).toBe(true);
    expect(await listing()).toBe(403);
    await call('PUT', '/roles/lister/permissions/role_list');
    expect(await listing()).toBe(200);
    expect((await call('DELETE', `/roles/${role}`)).body).toBe(true);
    expect(await listing()).toBe(403);
    expect((await call('GET', `/users/${user.body}/roles`)).body).toEqual([]);
    expect((await call('PUT', '/roles/lister/permissions/role_list')).status).toBe(404);
    expect((await call('PUT', '/roles/user/permissions/no_such')).status).toBe(404);
  });

  it('creates and lists permissions', async () => {
    const made = await call('POST', '/permissions', { name: 'crm_sync', description: 'Sync' });
    expect(made.body).toEqual(expect.any(Number));
    expect((await call('GET', '/permissions?name=crm')).body).toEqual([
      { permission_id: made.body, name: 'crm_sync', description: 'Sync' },
    ]);
    expect((await call('POST', '/permissions', { name: 'crm_sync' })).status).toBe(409);
    for (const name of [undefined, '', 'With Space', '_x', 'x__y', '1x', 'X']) {
      expect([name, (await call('POST', '/permissions', { name })).status]).toEqual([name, 412]);
    }
    expect((await call('DELETE', `/permissions/${made.body}`)).status).toBe(404);
  });
});
