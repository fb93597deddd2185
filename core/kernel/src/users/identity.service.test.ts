import { createHmac } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { SecretBox } from '../boot/secrets';
import { type TestKernelDatabase, testDatabase } from '../testing/test-database';
import { bootstrapIdentity, sweepIdentity } from '.';
import { ADMIN_PASSWORD, IDENTITY_MODELS, type IdentityNode, identityNode, until } from './identity.test.support';

const from = (address: string) => ({ 'X-Forwarded-For': address });

describe('authentication', () => {
  let db: TestKernelDatabase;
  let node: IdentityNode;
  let other: IdentityNode;

  beforeAll(async () => {
    db = await testDatabase(IDENTITY_MODELS);
    node = await identityNode(db.database);
    other = await identityNode(db.another());
  });
  afterAll(async () => {
    await Promise.all(extra.map((one) => one.close()));
    await node?.close();
    await other?.close();
    await db?.close();
  });

  /** One more node; closed at the end, also if its test fails. */
  const extra: IdentityNode[] = [];
  async function anotherNode(config: object = {}): Promise<IdentityNode> {
    const made = await identityNode(db.another(), config);
    extra.push(made);
    return made;
  }

  let number = 0;
  async function newUser(fields: object = {}): Promise<{ id: number; name: string; password: string }> {
    const name = `person${++number}`;
    const password = `pass:word ${number}`;
    const body = { username: name, email: `${name}@example.com`, password, ...fields };
    const made = await node.call('POST', '/users', `admin:${ADMIN_PASSWORD}`, body);
    expect(made).toMatchObject({ status: 200, body: expect.any(Number) });
    return { id: made.body, name, password };
  }
  const me = async (auth: string, at = node) => (await at.call('GET', '/users/me', auth)).status;

  describe('POST authenticate', () => {
    it('answers the user with a token and its claims', async () => {
      const { status, body } = await node.call('POST', '/authenticate', undefined, {
        username: 'admin',
        password: ADMIN_PASSWORD,
      });
      expect(status).toBe(200);
      expect(body).toMatchObject({
        username: 'admin',
        token_type: 'Bearer',
        expires_in: 86_400,
        scope: 'All',
        access_token: body.token,
        roles: [{ name: 'user' }, { name: 'admin' }],
        permissions: expect.arrayContaining(['contact', 'contact_admin', 'provider']),
      });
      expect(body).not.toHaveProperty('passwd');
      const { header, payload } = jwt.decode(body.token, { complete: true }) as jwt.Jwt;
      expect(header.alg).toBe('RS256');
      expect(payload).toMatchObject({
        iss: 'ictcore',
        user_id: body.user_id,
        username: 'admin',
        is_admin: '1',
        'api-version': '1.0',
        jti: expect.any(String),
        nbf: expect.any(Number),
      });
      const { iat, exp } = payload as jwt.JwtPayload;
      expect((exp ?? 0) - (iat ?? 0)).toBe(86_400);
      expect(await me(body.token)).toBe(200);
    });

    it('takes user name in any case, e-mail, id as user name, email and user_id', async () => {
      const user = await newUser();
      for (const login of [
        { username: user.name.toUpperCase() },
        { username: `${user.name}@example.com` },
        { username: String(user.id) },
        { email: `${user.name}@EXAMPLE.com` },
        { user_id: user.id },
        { user_id: String(user.id) },
      ]) {
        const { status, body } = await node.call('POST', '/authenticate', undefined, {
          ...login,
          password: user.password,
        });
        expect([login, status, body.user_id]).toEqual([login, 200, user.id]);
        expect(jwt.decode(body.token)).toMatchObject({ is_admin: '0' });
      }
      const noEmail = { email: user.name, password: user.password };
      expect((await node.call('POST', '/authenticate', undefined, noEmail)).status).toBe(401);
    });

    it('answers the same, and takes as long, for an unknown user and a wrong password', async () => {
      const user = await newUser();
      const time = async (username: string) => {
        const spent: number[] = [];
        let shown: unknown;
        for (let i = 1; i <= 5; i++) {
          const begin = performance.now();
          const password = `guess ${i}`;
          const { status, body, headers } = await node.call(
            'POST',
            '/authenticate',
            undefined,
            { username, password },
            from(`192.0.2.${i}`),
          );
          spent.push(performance.now() - begin);
          const { request_id, ...error } = body.error;
          expect(request_id).toEqual(expect.any(String));
          shown = { status, error, challenge: headers.get('www-authenticate') };
        }
        return { shown, median: spent.sort((a, b) => a - b)[2] as number };
      };
      const known = await time(user.name);
      const unknown = await time('nobody-at-all');
      expect(unknown.shown).toEqual(known.shown);
      expect(known.shown).toEqual({
        status: 401,
        error: {
          code: 401,
          name: 'UNAUTHENTICATED',
          message: 'Invalid credentials, access is denied to /authenticate.',
        },
        challenge: 'Basic realm="ICTCore :: REST API Server"',
      });
      // Without the hash of nobody, an unknown user would be answered in a tenth of the time.
      expect(unknown.median).toBeGreaterThan(known.median / 3);
    });

    it('refuses what is not a login with 412', async () => {
      for (const body of [{}, { username: 'admin' }, { password: 'x' }, { username: 'a', password: ['x'] }]) {
        expect([body, (await node.call('POST', '/authenticate', undefined, body)).status]).toEqual([body, 412]);
      }
      const odd = { username: 'a\0b', password: 'x' };
      expect((await node.call('POST', '/authenticate', undefined, odd)).status).toBe(412);
    });
  });

  describe('of each request', () => {
    it('takes Basic by name, e-mail and id, with colons in the password', async () => {
      const user = await newUser();
      for (const login of [user.name, `${user.name}@example.com`, String(user.id)]) {
        expect(await me(`${login}:${user.password}`)).toBe(200);
        expect(await me(`${login}:${user.password}`)).toBe(200);
      }
      expect(await me(`${user.name}:pass`)).toBe(401);
      const colon = await newUser({ password: '::begins with one' });
      expect(await me(`${colon.name}:::begins with one`)).toBe(200);
    });

    it('answers 401 with the path and a challenge to everything else', async () => {
      const expected = { error: { code: 401, message: 'Invalid credentials, access is denied to /users/me.' } };
      const { token } = (
        await node.call('POST', '/authenticate', undefined, { username: 'admin', password: ADMIN_PASSWORD })
      ).body;
      const [head, payload, signature] = token.split('.');
      const forged = Buffer.from(JSON.stringify({ ...(jwt.decode(token) as object), user_id: 2 })).toString(
        'base64url',
      );
      const unsigned = Buffer.from('{"alg":"none"}').toString('base64url');
      const hs = Buffer.from('{"alg":"HS256","typ":"JWT"}').toString('base64url');
      const mac = createHmac('sha256', 'x').update(`${hs}.${payload}`).digest('base64url');
      for (const header of [
        '',
        'Bearer',
        'Bearer x',
        'Basic',
        'Basic !!!',
        `Basic ${Buffer.from('nocolon').toString('base64')}`,
        `Basic ${Buffer.from(':nameless').toString('base64')}`,
        `Bearer ${head}.${forged}.${signature}`,
        `Bearer ${unsigned}.${payload}.`,
        `Bearer ${hs}.${payload}.${mac}`,
        `Token ${token}`,
      ]) {
        const answer = await node.call('GET', '/users/me', undefined, undefined, { Authorization: header });
        expect([header, answer.status]).toEqual([header, 401]);
        expect(answer.body).toMatchObject(expected);
        expect(answer.headers.get('www-authenticate')).toBe('Basic realm="ICTCore :: REST API Server"');
      }
    });

    it('can have Basic switched off', async () => {
      const strict = await anotherNode({ basic_auth: false });
      const refused = await strict.call('GET', '/users/me', `admin:${ADMIN_PASSWORD}`);
      expect(refused.status).toBe(401);
      expect(refused.headers.get('www-authenticate')).toBe('Bearer realm="ICTCore :: REST API Server"');
      expect(await me(await strict.login('admin', ADMIN_PASSWORD), strict)).toBe(200);
    });

    it('does not take a token that has expired', async () => {
      const short = await anotherNode({ token_lifetime: 60 });
      const token = await short.login('admin', ADMIN_PASSWORD);
      const clock = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 61_000);
      expect(await me(token, short)).toBe(401);
      clock.mockRestore();
      expect(await me(token, short)).toBe(200);
    });
  });

  describe('end of tokens', () => {
    it('cancel voids the token it came with, on every node, and no other', async () => {
      const user = await newUser();
      const token = await node.login(user.name, user.password);
      const second = await node.login(user.name, user.password);
      expect([await me(token), await me(token, other), await me(second)]).toEqual([200, 200, 200]);
      expect(await node.call('POST', '/authenticate/cancel', token)).toMatchObject({ status: 200, body: true });
      expect(await me(token)).toBe(401);
      await until('the other node knows', async () => (await me(token, other)) === 401);
      expect([await me(second), await me(second, other)]).toEqual([200, 200]);
      expect((await node.call('POST', '/authenticate/cancel', token)).status).toBe(401);
      const basic = await node.call('POST', '/authenticate/cancel', `${user.name}:${user.password}`);
      expect(basic).toMatchObject({ status: 200, body: true });
    });

    it('a new password voids tokens and the old password', async () => {
      const user = await newUser();
      const token = await node.login(user.name, user.password);
      const basic = `${user.name}:${user.password}`;
      expect([await me(token, other), await me(basic), await me(basic, other)]).toEqual([200, 200, 200]);
      const change = { password: 'something new', current_password: user.password };
      expect(await node.call('PUT', '/users/me/password', token, change)).toMatchObject({ status: 200, body: true });
      expect([await me(token), await me(basic)]).toEqual([401, 401]);
      await until('token void there', async () => (await me(token, other)) === 401);
      expect((await other.call('GET', '/users/me', basic, undefined, from('198.51.100.9'))).status).toBe(401);
      expect(await me(await node.login(user.name, 'something new'), other)).toBe(200);
    });

    it('a token never outlives a change of password that happens while it is issued', async () => {
      const user = await newUser();
      const login = { username: user.name, password: user.password };
      const change = { password: user.password, current_password: user.password };
      for (let round = 0; round < 5; round++) {
        const token = await node.login(user.name, user.password);
        const [late] = await Promise.all([
          node.call('POST', '/authenticate', undefined, login),
          node.call('PUT', '/users/me/password', token, change),
        ]);
        if (late.status !== 200) continue;
        const [{ moment, valid }] = (await db.database.query<{ moment: number; valid: number }>(
          `select $2::int8 as moment, floor(extract(epoch from tokens_valid_from) * 1000000)::int8 as valid
             from usr where user_id = $1`,
          [user.id, Number.parseInt((jwt.decode(late.body.token) as { jti: string }).jti, 36)],
        )) as [{ moment: number; valid: number }];
        expect(await me(late.body.token)).toBe(moment > valid ? 200 : 401);
      }
    });

    it('disabling and deleting end access; enabling does not bring old tokens back', async () => {
      const user = await newUser();
      const admin = `admin:${ADMIN_PASSWORD}`;
      const token = await node.login(user.name, user.password);
      const basic = `${user.name}:${user.password}`;
      expect([await me(token, other), await me(basic)]).toEqual([200, 200]);
      await node.call('PUT', `/users/${user.id}`, admin, { active: 0 });
      expect([await me(token), await me(basic)]).toEqual([401, 401]);
      await until('disabled there', async () => (await me(token, other)) === 401);
      const login = { username: user.name, password: user.password };
      expect((await node.call('POST', '/authenticate', undefined, login)).status).toBe(401);
      await node.call('PUT', `/users/${user.id}`, admin, { active: 1 });
      expect(await me(token)).toBe(401);
      const fresh = await node.login(user.name, user.password);
      expect(await me(fresh, other)).toBe(200);
      expect(await node.call('DELETE', `/users/${user.id}`, admin)).toMatchObject({ status: 200, body: true });
      expect(await me(fresh)).toBe(401);
      await until('deleted there', async () => (await me(fresh, other)) === 401);
    });

    it('permissions follow at once here, and on other nodes without waiting for the cache to age', async () => {
      const admin = `admin:${ADMIN_PASSWORD}`;
      const user = await newUser();
      const token = await node.login(user.name, user.password);
      const list = async (at: IdentityNode) => (await at.call('GET', '/users', token)).status;
      expect([await list(node), await list(other)]).toEqual([403, 403]);
      const begin = Date.now();
      await node.call('PUT', `/users/${user.id}/permissions/user_list`, admin);
      expect(await list(node)).toBe(200);
      await until('granted there', async () => (await list(other)) === 200);
      await node.call('DELETE', `/users/${user.id}/permissions/user_list`, admin);
      expect(await list(node)).toBe(403);
      await until('taken there', async () => (await list(other)) === 403);
      expect(Date.now() - begin).toBeLessThan(4000);
    });

    it('drops what it keeps by itself, without having to hear of it', async () => {
      const deaf = await anotherNode();
      const user = await newUser();
      const token = await deaf.login(user.name, user.password);
      await deaf.identity.close();
      const list = async () => (await deaf.call('GET', '/users', token)).status;
      expect(await list()).toBe(403);
      await deaf.call('PUT', `/users/${user.id}/permissions/user_list`, `admin:${ADMIN_PASSWORD}`);
      expect(await list()).toBe(200);
      await deaf.call('POST', '/authenticate/cancel', token);
      expect(await list()).toBe(401);
    });

    it('hears again after its listening connection was lost', async () => {
      const user = await newUser();
      const token = await node.login(user.name, user.password);
      expect(await me(token, other)).toBe(200);
      const listeners = () =>
        db.database.query<{ pid: number }>(
          `select pid from pg_stat_activity
            where application_name = 'ictcore identity' and datname = current_database()`,
        );
      const before = (await listeners()).map(({ pid }) => pid);
      await db.database.query('select pg_terminate_backend(pid) from unnest($1::int[]) pid', [before]);
      await node.call('POST', '/authenticate/cancel', token);
      await until('void there in spite of it', async () => (await me(token, other)) === 401, 2500);
      const isNew = ({ pid }: { pid: number }) => !before.includes(pid);
      await until('all listen again', async () => (await listeners()).filter(isNew).length === before.length, 5000);
      const again = await node.login(user.name, user.password);
      expect(await me(again, other)).toBe(200);
      await node.call('POST', '/authenticate/cancel', again);
      await until('void there', async () => (await me(again, other)) === 401, 900);
    });
  });

  describe('throttling', () => {
    const guess = (username: string, password: string, address: string, at = node) =>
      at.call('POST', '/authenticate', undefined, { username, password }, from(address));

    it('refuses the sixth attempt, however it is made, on any node, and only from that address', async () => {
      const user = await newUser();
      const here = '203.0.113.5';
      expect((await guess(user.name, 'wrong 1', here)).status).toBe(401);
      expect((await guess(`${user.name}@example.com`, 'wrong 2', here)).status).toBe(401);
      expect((await guess(String(user.id), 'wrong 3', here, other)).status).toBe(401);
      for (const password of ['wrong 4', 'wrong 5']) {
        const basic = await node.call('GET', '/users/me', `${user.name}:${password}`, undefined, from(here));
        expect(basic.status).toBe(401);
      }
      const sixth = await guess(user.name, user.password, here, other);
      expect(sixth).toMatchObject({ status: 429, body: { error: { name: 'TOO_MANY_LOGINS' } } });
      const seconds = Number(sixth.headers.get('retry-after'));
      expect(seconds).toBeGreaterThan(880);
      expect(seconds).toBeLessThanOrEqual(900);
      const basic = await node.call('GET', '/users/me', `${user.name}:${user.password}`, undefined, from(here));
      expect(basic.status).toBe(429);
      expect((await guess(user.name, user.password, '203.0.113.6')).status).toBe(200);
      const restarted = await anotherNode();
      expect((await guess(user.name, user.password, here, restarted)).status).toBe(429);
      await db.database.query(`update login_failure set window_start = window_start - interval '15 minutes'`);
      expect((await guess(user.name, user.password, here)).status).toBe(200);
    });

    it('counts unknown users too, and a success clears the count', async () => {
      for (let i = 1; i <= 5; i++) expect((await guess('ghost', `wrong ${i}`, '203.0.113.7')).status).toBe(401);
      expect((await guess('GHOST', 'wrong 6', '203.0.113.7')).status).toBe(429);
      const user = await newUser();
      for (let round = 0; round < 2; round++) {
        for (let i = 1; i <= 4; i++) expect((await guess(user.name, `no ${i}`, '203.0.113.8')).status).toBe(401);
        expect((await guess(user.name, user.password, '203.0.113.8')).status).toBe(200);
      }
    });

    it('cannot be outrun by many attempts at once, and does not hinder one password used many times at once', async () => {
      const user = await newUser();
      const attempts = Array.from({ length: 20 }, (_, i) => guess(user.name, `try ${i}`, '203.0.113.9'));
      const statuses = (await Promise.all(attempts)).map((answer) => answer.status);
      expect(statuses.filter((status) => status === 401)).toHaveLength(5);
      expect(statuses.filter((status) => status === 429)).toHaveLength(15);
      const basic = `${user.name}:${user.password}`;
      const calls = Array.from({ length: 20 }, () =>
        node.call('GET', '/users/me', basic, undefined, from('203.0.113.10')),
      );
      expect((await Promise.all(calls)).every((answer) => answer.status === 200)).toBe(true);
    });

    it('sweeps what has run out', async () => {
      await guess('ghost of old', 'x', '203.0.113.11');
      await db.database.query(`update login_failure set window_start = now() - interval '16 minutes'`);
      await guess('ghost of now', 'x', '203.0.113.11');
      await db.database.query(
        `insert into token_revocation select 'old', user_id, now() - interval '2 hours' from usr limit 1`,
      );
      await sweepIdentity(db.database);
      expect(await db.database.query('select 1 from login_failure')).toHaveLength(1);
      expect(await db.database.query(`select 1 from token_revocation where jti = 'old'`)).toHaveLength(0);
    });
  });

  it('stores the signing key encrypted, and nothing secret in the log', async () => {
    const [row] = await db.database.query<{ value: string }>(
      `select value from system_value where name = 'jwt_private_key'`,
    );
    expect(row?.value).toMatch(/^v1\./);
    const token = await node.login('admin', ADMIN_PASSWORD);
    const logged = node.log.join('');
    expect(logged).toContain('request refused');
    for (const secret of [token, ADMIN_PASSWORD, 'pass:word', 'PRIVATE KEY', '$argon2id$']) {
      expect(logged).not.toContain(secret);
    }
  });
});

describe('bootstrapIdentity', () => {
  let db: TestKernelDatabase;
  const box = new SecretBox(Buffer.alloc(32, 1));

  beforeEach(async () => {
    db = await testDatabase(IDENTITY_MODELS);
  });
  afterEach(() => db.close());

  const grantsOf = async (role: string) =>
    (
      await db.database.query<{ name: string }>(
        `select p.name from role r join role_permission using (role_id) join permission p using (permission_id)
          where r.name = $1`,
        [role],
      )
    ).map((row) => row.name);

  it('makes everything once, however many servers start at once', async () => {
    const servers = [db.database, db.another(), db.another()];
    const results = await Promise.all(servers.map((database) => bootstrapIdentity(database, box, {}, [])));
    const told = results.filter((result) => result.adminPassword !== undefined);
    expect(told).toHaveLength(1);
    expect(told[0]?.adminPassword).toMatch(/^[\w-]{20}$/);
    expect(await db.database.query('select username from usr')).toEqual([{ username: 'admin' }]);
    expect(await db.database.query('select type, username, active, created_by from account')).toEqual([
      { type: 'account', username: 'admin', active: 1, created_by: expect.any(Number) },
    ]);
    expect(await db.database.query('select name, built_in from role order by name')).toEqual([
      { name: 'admin', built_in: 1 },
      { name: 'user', built_in: 1 },
    ]);
    expect(await db.database.query('select 1 from user_role')).toHaveLength(2);
    // The configured password counts at the very first start only.
    expect(await bootstrapIdentity(db.database, box, { admin_password: 'another password' }, [])).toEqual({});
    const [user] = await db.database.query<{ passwd: string }>('select passwd from usr');
    expect(user?.passwd).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  });

  it('does not tell a password that was configured', async () => {
    expect(await bootstrapIdentity(db.database, box, { admin_password: 'configured' }, [])).toEqual({});
  });

  it('gives plugins’ permissions to admin, each once, and never what was taken away', async () => {
    await bootstrapIdentity(db.database, box, {}, [{ name: 'hello_say', description: 'Say hello' }]);
    expect(await grantsOf('admin')).toEqual(
      expect.arrayContaining(['hello_say', 'contact_admin', 'role_admin', 'user']),
    );
    expect(await grantsOf('admin')).not.toContain('contact');
    expect(await grantsOf('user')).toEqual(expect.arrayContaining(['contact', 'user_password', 'account_read']));
    expect((await grantsOf('user')).filter((name) => name.endsWith('_admin') || name === 'hello_say')).toEqual([]);
    await db.database.query(
      `delete from role_permission where permission_id in
         (select permission_id from permission where name in ('hello_say', 'contact_admin'))`,
    );
    await bootstrapIdentity(db.database, box, {}, [
      { name: 'hello_say', description: 'Say hello' },
      { name: 'bye_say', description: 'Say bye' },
    ]);
    const admin = await grantsOf('admin');
    expect(admin).toContain('bye_say');
    expect(admin).not.toContain('hello_say');
    expect(admin).not.toContain('contact_admin');
  });

  it('refuses a server with another master key, and leaves everything as it was', async () => {
    await bootstrapIdentity(db.database, box, {}, []);
    const stranger = new SecretBox(Buffer.alloc(32, 2));
    await expect(
      bootstrapIdentity(db.database, stranger, {}, [{ name: 'evil', description: '' }]),
    ).rejects.toMatchObject({ code: 'MASTER_KEY_MISMATCH', message: expect.stringContaining('ICTCORE_SECRET_KEY') });
    expect(await db.database.query(`select 1 from permission where name = 'evil'`)).toEqual([]);
    expect(await bootstrapIdentity(db.database, box, {}, [])).toEqual({});
  });
});
