import { gzipSync } from 'node:zlib';
import type { ApiClient } from './support/api-client';
import { RunningServer } from './support/running-server';

/** Input that once got a 5xx, was stored otherwise than sent, or was refused though the API takes it. */

let server: RunningServer;
let admin: ApiClient;
let text: number;
let program: number;

beforeAll(async () => {
  server = await RunningServer.start({ env: { ICTCORE_ROLE: 'api' } });
  admin = server.admin();
  text = await admin.post('/texts', { name: 'odd', data: 'Hello' });
  program = await admin.post('/programs/sendsms', { text_id: text, name: 'odd' });
}, 60_000);

afterAll(() => server.dispose());

const status = async (method: string, path: string, body?: unknown, headers?: Record<string, string>) =>
  (await admin.request(method, path, body, headers)).status;

it.each([
  ['/transmissions?service_flag=2147483648', 412],
  ['/transmissions?service_flag=2147483647', 200],
  ['/contacts?before=999999999999999', 412],
  ['/contacts?after=-999999999999999', 412],
  ['/contacts?before=9000000000000&after=-210000000000', 200],
])('GET %s → %s', async (path, expected) => {
  expect(await status('GET', path)).toBe(expected);
});

it('a body that is not what its Content-Encoding says is 400, one that is, is read', async () => {
  const encoding = { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' };
  const whole = gzipSync('{"phone":"+15550100"}');
  expect(await status('POST', '/contacts', whole, encoding)).toBe(200);
  expect(await status('POST', '/contacts', whole.subarray(0, 20), encoding)).toBe(400);
  expect(await status('POST', '/contacts', '{"phone":"+15550100"}', encoding)).toBe(400);
});

it.each(['multipart/form-data', 'multipart/form-data; boundary=x'])('a body that is no %s is 400', async (type) => {
  for (const body of ['{}', '--x\r\nno: header', '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\ncut']) {
    expect([body, await status('POST', '/documents', body, { 'Content-Type': type })]).toEqual([body, 400]);
  }
});

it('settings nested without end are 412 and leave the account as it was', async () => {
  const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
  const put = (levels: number) =>
    status('PUT', '/accounts/-1/settings/odd', `{"value":${nested(levels)}}`, { 'Content-Type': 'application/json' });
  expect(await put(20)).toBe(200);
  for (const levels of [50, 3000, 20_000, 100_000]) expect([levels, await put(levels)]).toEqual([levels, 412]);
  expect((await admin.request('GET', '/accounts/-1/settings/odd')).text).toBe(nested(20));
});

it('the name of a program follows the rules of every name', async () => {
  expect(await admin.refusal('POST', '/programs/sendsms', { text_id: text, name: 'a\0b' })).toMatchObject({
    status: 412,
    fields: ['name'],
  });
  const named = await admin.post('/programs/sendsms', { text_id: text, name: '', parent_id: '' });
  expect(await admin.get(`/programs/${named}`)).toMatchObject({ name: 'sendsms', parent_id: null });
});

it('an empty contact_id or account_id counts as none, as forms send it', async () => {
  const id = await admin.post('/transmissions', {
    program_id: program,
    phone: '+15550101',
    contact_id: '',
    account_id: '',
  });
  expect(await admin.get(`/transmissions/${id}`)).toMatchObject({ contact_phone: '+15550101', account_id: 1 });
});

it('a program whose document_id is no number does not spoil the lists of transmissions', async () => {
  const id = await admin.post('/transmissions', { program_id: program, phone: '+15550102' });
  await server.sql(`update program set data = data || '{"document_id": "report.pdf"}' where program_id = $1`, [
    program,
  ]);
  expect(await admin.get(`/transmissions/${id}`)).toMatchObject({ document_id: null });
  expect(await status('GET', '/transmissions')).toBe(200);
});

it('status=pending* finds all states that begin so, beside exact ones', async () => {
  const ids = await Promise.all(
    ['pending', 'pending_retry', 'failed', 'completed'].map(async (state) => {
      const id = await admin.post('/transmissions', { program_id: program, phone: '+15550103', title: 'starred' });
      await server.sql('update transmission set status = $2 where transmission_id = $1', [id, state]);
      return id;
    }),
  );
  const found = async (states: string) =>
    (await admin.get<{ transmission_id: number }[]>(`/transmissions?title=starred&status=${states}`))
      .map((row) => ids.indexOf(row.transmission_id))
      .sort();
  expect(await found('pending')).toEqual([0]);
  expect(await found('pending*')).toEqual([0, 1]);
  expect(await found('pending*,failed')).toEqual([0, 1, 2]);
  expect(await found('p%25*')).toEqual([]);
});

it('users are found by user name and e-mail as they log in: in any case', async () => {
  await admin.post('/users', { username: 'Odette', email: 'Odette@Example.org', password: 'long enough' });
  expect(await admin.get('/users?username=odette')).toHaveLength(1);
  expect(await admin.get('/users?email=ODETTE@example.org')).toHaveLength(1);
});

it('a database that cannot be used is named by its key, without the password', async () => {
  const given = new URL(server.databaseUrl as string);
  const wrong = [
    Object.assign(new URL(given.href), { port: '1' }),
    Object.assign(new URL(given.href), { hostname: 'localhost', port: '1' }),
    Object.assign(new URL(given.href), { pathname: '/there_is_none' }),
    Object.assign(new URL(given.href), { username: 'stranger', password: 'told to nobody' }),
  ];
  for (const url of wrong) {
    const refused = await RunningServer.launch({ databaseUrl: url.href });
    expect(await refused.exited).toBe(1);
    expect(refused.log).toMatch(/^ictcore: DATABASE_URL: \S+ cannot be used as \w+: \S.*\n$/);
    expect(refused.log).not.toContain(url.password);
    await refused.dispose();
  }
}, 60_000);
