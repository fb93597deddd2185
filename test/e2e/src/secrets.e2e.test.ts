import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describeWithPeer, type PostfixPeer, startPostfix } from '@ictcore/test-peers';
import { databaseDump, filesOf, formsOf, leaks, WatchedClient } from './support/leak-search';
import { MailDesk } from './support/mail-desk';
import { ADMIN_PASSWORD, RunningServer } from './support/running-server';

/** Characters that every encoding writes differently, and enough chance that it stands nowhere else. */
const secretOf = (name: string) => `${name}/+ "&<%>' ${randomBytes(9).toString('base64url')}`;

const dkimKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
  type: 'pkcs8',
  format: 'pem',
}) as string;

/** By name, so that a failure tells what has leaked and not how it reads. */
const secrets = {
  smtpPassword: secretOf('smtp'),
  changedSmtpPassword: secretOf('smtp2'),
  wrongSmtpPassword: secretOf('wrong-smtp'),
  refusedPassword: secretOf('refused'),
  dkimKeyLine: dkimKey.split('\n')[5] as string,
  accountPasswd: secretOf('sip'),
  accountPin: secretOf('pin').slice(0, 32),
  refusedPasswd: secretOf('refused-sip'),
  userPassword: secretOf('user'),
  newUserPassword: secretOf('user2'),
  wrongLogin: secretOf('wrong-login'),
  adminPassword: ADMIN_PASSWORD,
};
type SecretName = keyof typeof secrets | 'token' | 'tokenSignature' | 'masterKey' | 'cancelledToken';

describe('the search itself', () => {
  const { userPassword: secret } = secrets;
  const found = (text: string) => leaks([{ where: 'here', text }], { userPassword: secret });

  test.each([
    ['clear', secret],
    ['JSON', JSON.stringify({ error: `wrong: ${secret}` })],
    ['JSON in JSON', JSON.stringify({ body: JSON.stringify({ password: secret }) })],
    ['Basic', `Authorization: Basic ${Buffer.from(`anna:${secret}`).toString('base64')}`],
    ['AUTH PLAIN', Buffer.from(`\0anna@b\0${secret}`).toString('base64')],
    ['base64url', Buffer.from(`x${secret}yz`).toString('base64url')],
    ['a query', `/x?password=${encodeURIComponent(secret)}&y`],
    ['a form', new URLSearchParams({ password: secret }).toString()],
    ['hexadecimal', Buffer.from(`-${secret}-`).toString('hex')],
  ])('finds a secret in %s', (_form, text) => {
    expect(found(`before ${text} after`)).toEqual(['userPassword in here']);
  });

  test('finds nothing where there is nothing, and no form is short', () => {
    expect(found('{"password":"[removed]"}')).toEqual([]);
    for (const name of Object.keys(secrets) as (keyof typeof secrets)[]) {
      expect(Math.min(...formsOf(secrets[name]).map((form) => form.length))).toBeGreaterThan(20);
    }
  });
});

describeWithPeer('postfix', 'secrets at log level debug', () => {
  let server: RunningServer;
  let postfix: PostfixPeer;
  let admin: WatchedClient;
  let anna: WatchedClient;
  let providerId: number;
  let accountId: number;
  const all: Record<string, string> = { ...secrets };
  const login = { username: 'anna', password: secrets.userPassword };

  const provider = (more: Record<string, unknown> = {}, settings: Record<string, unknown> = {}) => ({
    type: 'smtp',
    host: 'localhost',
    port: postfix.port,
    username: 'mailer',
    password: secrets.smtpPassword,
    ...more,
    settings: {
      encryption: 'starttls',
      ca: postfix.caPem,
      dkim_domain: 'example.org',
      dkim_selector: 'one',
      dkim_private_key: dkimKey,
      ...settings,
    },
  });
  const may = <T>(client: WatchedClient, names: readonly SecretName[], work: () => Promise<T>) =>
    client.allowing(names, work);

  beforeAll(async () => {
    postfix = await startPostfix({
      mode: 'mailbox',
      tls: true,
      auth: { username: 'mailer', password: secrets.smtpPassword },
    });
    server = await RunningServer.start({ env: { ICTCORE_LOG_LEVEL: 'debug' } });
    admin = new WatchedClient(server.url, { username: 'admin', password: ADMIN_PASSWORD });
    anna = new WatchedClient(server.url, login);
    all.masterKey = readFileSync(path.join(server.dataDir, 'keys', 'master.key'), 'utf8').trim();
    all.databasePassword = new URL(server.databaseUrl as string).password || 'there is no database password here';
  }, 60_000);
  afterAll(async () => {
    await server?.dispose();
    await postfix?.stop();
  });

  test('providers: made, changed, read, listed, tested; they show has_password and has_dkim_private_key', async () => {
    providerId = await admin.post('/providers', provider({ name: 'secret' }));
    const shown = { has_password: 1, settings: { has_dkim_private_key: 1, dkim_domain: 'example.org' } };
    const read = await admin.get<Record<string, unknown>>(`/providers/${providerId}`);
    expect(read).toMatchObject(shown);
    expect(read).not.toHaveProperty('password');
    expect(read.settings).not.toHaveProperty('dkim_private_key');
    // What was read may be put back: it changes nothing.
    expect(await admin.put(`/providers/${providerId}`, read)).toMatchObject(shown);
    expect(await admin.post(`/providers/${providerId}/test`)).toMatchObject({ state: 'ok' });
    await admin.get('/providers');
    const created = await admin.request('POST', '/providers', provider({ name: 'shown', active: 0 }), {
      Prefer: 'return=representation',
    });
    expect(created).toMatchObject({ status: 201, body: { has_password: 1 } });

    await admin.put(`/providers/${providerId}`, { password: secrets.wrongSmtpPassword });
    expect(await admin.post(`/providers/${providerId}/test`)).toMatchObject({ state: 'error' });
    await admin.put(`/providers/${providerId}`, { password: secrets.changedSmtpPassword });
    expect(await admin.put(`/providers/${providerId}`, { password: null, username: null })).toMatchObject({
      ...shown,
      has_password: 0,
    });
    const without = { settings: { dkim_private_key: null, dkim_domain: null, dkim_selector: null } };
    const bare = await admin.put<{ settings: object }>(`/providers/${providerId}`, without);
    expect(bare.settings).toMatchObject({ has_dkim_private_key: 0 });
    expect(await admin.put(`/providers/${providerId}`, provider())).toMatchObject(shown);
  });

  test('providers: refused in every way that could echo the input', async () => {
    const refused = (body: unknown, status = 412) =>
      admin
        .request('POST', '/providers', body)
        .then((reply) => expect([reply.status, reply.text]).toEqual([status, reply.text]));
    const { refusedPassword: secret } = secrets;
    await refused(provider({ name: 'secret', password: secret }), 409);
    await refused(provider({ name: 'bad name', password: secret }));
    await refused(provider({ name: 'a', password: { value: secret } }));
    await refused(provider({ name: 'a', password: `${secret}${'x'.repeat(1100)}` }));
    await refused(provider({ name: 'a', port: 'x', password: secret }));
    await refused(provider({ name: 'a' }, { dkim_private_key: secret }));
    await refused(provider({ name: 'a' }, { dkim_private_key: [secret] }));
    await refused(provider({ name: 'a', password: secret }, { dkim_selector: undefined }));
    await refused({ ...provider({ name: 'a' }), settings: secret });
    await refused({ ...provider({ name: 'a', host: '' }), password: secret });
    await refused(`{"type":"smtp","password":${JSON.stringify(secret)},}`, 400);
    await admin.request('GET', `/providers?password=${encodeURIComponent(secret)}&q=x`);
    await admin.request('GET', `/no/such/path?password=${encodeURIComponent(secret)}`);
    await admin.request('POST', '/providers', new URLSearchParams({ type: 'smtp', password: secret }).toString(), {
      'Content-Type': 'application/x-www-form-urlencoded',
    });
  });

  test('users and logins: made, refused, changed, wrong', async () => {
    await admin.post('/users', { ...login, email: 'anna@example.org' });
    const { wrongLogin: wrong, refusedPassword: refused } = secrets;
    await admin.refusal('POST', '/users', { ...login, email: 'anna@example.org' });
    await admin.refusal('POST', '/users', { username: 'b', email: 'no address', password: refused });
    await admin.refusal('POST', '/users', { username: 'b', email: 'b@example.org', password: [refused] });
    await admin.refusal('POST', '/users', { username: 'b\u0000', email: 'b@example.org', passwd: refused });
    await admin.refusal('POST', '/users', {
      username: 'b',
      email: 'b@example.org',
      password: `${refused}${'x'.repeat(2000)}`,
    });
    const nobody = new WatchedClient(server.url, undefined);
    for (const body of [
      { username: 'anna', password: wrong },
      { username: 'nobody', password: wrong },
      { password: wrong },
    ]) {
      expect([401, 412]).toContain((await nobody.request('POST', '/authenticate', body)).status);
    }
    const basic = new WatchedClient(server.url, { username: 'anna', password: wrong });
    expect((await basic.request('GET', '/contacts')).status).toBe(401);
    const { user_id } = await anna.get<{ user_id: number }>('/users/me');
    const at = `/users/${user_id}/password`;
    await anna.refusal('PUT', at, { current_password: wrong, password: secrets.newUserPassword });
    await anna.put(at, { current_password: secrets.userPassword, password: secrets.newUserPassword });
    anna = new WatchedClient(server.url, { ...login, password: secrets.newUserPassword });
    await admin.put(`/users/${user_id}`, { first_name: 'Anna' });
    await admin.refusal('PUT', `/users/${user_id}`, { email: 'no address', password: refused });
  });

  test('tokens: only in the reply of POST authenticate', async () => {
    const nobody = new WatchedClient(server.url, undefined);
    const body = { username: 'anna', password: secrets.newUserPassword };
    const take = async () => {
      const reply = await may(nobody, ['token', 'tokenSignature', 'cancelledToken'], () =>
        nobody.post<{ token: string }>('/authenticate', body),
      );
      return reply.token;
    };
    all.token = await take();
    all.tokenSignature = all.token.split('.')[2] as string;
    all.cancelledToken = await take();
    const bearer = new WatchedClient(server.url, { token: all.token });
    await bearer.get('/users/me');
    await bearer.post('/contacts', { phone: '+15550101' });
    await bearer.refusal('POST', '/contacts', {});
    const cancelled = new WatchedClient(server.url, { token: all.cancelledToken });
    await cancelled.post('/authenticate/cancel');
    expect((await cancelled.request('GET', '/contacts')).status).toBe(401);
    const broken = new WatchedClient(server.url, { token: `x${all.token}` });
    expect((await broken.request('GET', '/contacts')).status).toBe(401);
    expect((await nobody.request('GET', `/contacts?token=${all.token}`)).status).toBe(401);
  });

  test('accounts: passwd and PIN for the owner and account_admin only, in single reads only', async () => {
    const own = ['accountPasswd', 'accountPin'] as const;
    const values = {
      type: 'extension',
      username: '200',
      phone: '200',
      email: 'anna@example.org',
      passwd: secrets.accountPasswd,
      passwd_pin: secrets.accountPin,
    };
    const { user_id } = await anna.get<{ user_id: number }>('/users/me');
    accountId = await admin.post('/accounts', { ...values, user_id });
    const single = `/accounts/${accountId}`;
    const shown = { passwd: secrets.accountPasswd, passwd_pin: secrets.accountPin };
    expect(await may(anna, own, () => anna.get(single))).toMatchObject(shown);
    expect(await may(admin, own, () => admin.get(single))).toMatchObject(shown);
    await may(admin, own, () => admin.put(single, { first_name: 'Anna' }));
    const other = new WatchedClient(server.url, { username: 'other', password: secrets.userPassword });
    await admin.post('/users', { username: 'other', email: 'other@example.org', password: secrets.userPassword });
    expect((await other.request('GET', single)).status).toBe(404);
    for (const client of [anna, admin, other]) {
      await client.get('/accounts');
      await client.get('/accounts?type=extension&q=200');
      // D6: a filter by the secret would tell whether a guess is right.
      await client.request('GET', `/accounts?passwd=${encodeURIComponent(secrets.accountPasswd)}`);
    }
    await admin.refusal('POST', '/accounts', { ...values, passwd: secrets.refusedPasswd });
    await admin.refusal('POST', '/accounts', { ...values, username: '201', passwd: { x: secrets.refusedPasswd } });
    await admin.refusal('POST', '/accounts', {
      ...values,
      username: '202',
      first_name: 'a\u0000b',
      passwd: secrets.refusedPasswd,
    });
    await admin.refusal('PUT', single, { email: 'no address', passwd: secrets.refusedPasswd });
  });

  test('sending, with the right and with a wrong password', async () => {
    const desk = new MailDesk(anna);
    const fails = async () => {
      await admin.put(`/providers/${providerId}`, { password: secrets.wrongSmtpPassword });
      return desk.deliver({ to: 'wrong@example.net' });
    };
    expect((await fails()).transmission).toMatchObject({ status: 'failed', response: expect.stringContaining('535') });
    await admin.put(`/providers/${providerId}`, { password: secrets.smtpPassword });
    const report = await desk.deliver({
      to: 'right@example.net',
      body: '<p>[provider:password] [account:passwd] [account:passwd_pin] [user:password] [config:secret_key]</p>',
    });
    expect(report.transmission.status).toBe('completed');
    const [mail] = await postfix.waitForMessages('right@example.net', 1);
    expect(mail?.data.toString('latin1')).toContain('DKIM-Signature: ');
    expect(leaks([{ where: 'the mail', text: mail?.data.toString('latin1') ?? '' }], all)).toEqual([]);
  });

  test('every GET of the API document, as administrator and as user', async () => {
    const openapi = await admin.get<{ paths: Record<string, { get?: unknown }> }>('/openapi.json');
    const paths = Object.keys(openapi.paths).filter(
      (at) => openapi.paths[at]?.get && !/\/(send|call|dial|retry|clone)$/.test(at),
    );
    expect(paths.length).toBeGreaterThan(30);
    const ids: Record<string, number> = { provider_id: providerId, account_id: accountId };
    for (const at of paths) {
      const filled = at.replace(/\{(\w+)\}/g, (_, name: string) => String(ids[name] ?? 1)).replace(/^\/api(?=\/)/, '');
      const own: SecretName[] = filled === `/accounts/${accountId}` ? ['accountPasswd', 'accountPin'] : [];
      for (const client of [admin, anna]) {
        const reply = await may(client, own, () => client.request('GET', filled));
        expect([filled, reply.status < 500]).toEqual([filled, true]);
      }
    }
    for (const at of ['/health', '/system/plugins', '/docs']) await admin.request('GET', at);
  });

  test('nothing of all that is in a reply', () => {
    expect(WatchedClient.seen).toHaveLength(WatchedClient.replies.length);
    expect(WatchedClient.replies.length).toBeGreaterThan(120);
    // The exceptions are where they are allowed: without them the search would find them.
    const found = leaks(
      WatchedClient.replies.map(({ where, text }) => ({ where, text })),
      all,
    );
    expect(new Set(found.map((leak) => leak.split(' in ')[0]))).toEqual(
      new Set(['token', 'tokenSignature', 'cancelledToken', 'accountPasswd', 'accountPin']),
    );
    expect(leaks(WatchedClient.replies, all)).toEqual([]);
  });

  test('nor in the log or in what the server prints', async () => {
    expect(server.log).toContain('"level":"debug"');
    expect(server.log).toMatch(/failed to authenticate/);
    expect(server.log).toContain('request refused');
    // One key twice in a line would hide what the first one says from those who parse it.
    expect(server.log.split('\n').filter((line) => line.split('"message":').length > 2)).toEqual([]);
    const lines = `${server.log}\n${server.output}`.split('\n');
    expect(
      leaks(
        lines.map((text, index) => ({ where: `line ${index}: ${text.slice(0, 80)}`, text })),
        all,
      ),
    ).toEqual([]);
    expect(server.log).not.toMatch(/BEGIN [A-Z ]*PRIVATE KEY|eyJhbGciOi/);
  });

  test('nor in the database', async () => {
    const dump = await databaseDump(server);
    expect(dump.length).toBeGreaterThan(50);
    expect(leaks(dump, all)).toEqual([]);
    expect(dump.filter(({ text }) => /BEGIN [A-Z ]*PRIVATE KEY|eyJhbGciOi/.test(text))).toEqual([]);
    // They are there, but sealed or hashed.
    const [row] = await server.sql<{ secrets: string }>('select secrets from provider where provider_id = $1', [
      providerId,
    ]);
    expect(row?.secrets).toMatch(/^v1\.[\w-]{1000,}$/);
    const users = await server.sql<{ hash: string }>('select to_jsonb(u)::text as hash from usr u');
    expect(users.every(({ hash }) => hash.includes('$argon2id$'))).toBe(true);
  });

  test('nor in a file but the keys, which only the server may read', () => {
    expect(leaks(filesOf(server.dataDir), all)).toEqual([]);
    expect(statSync(path.join(server.dataDir, 'keys', 'master.key')).mode & 0o077).toBe(0);
    expect(statSync(server.dataDir).mode & 0o077).toBe(0);
  });
});
