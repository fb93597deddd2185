import type { ApiClient } from './support/api-client';
import { eventually, RunningServer } from './support/running-server';

/**
 * Every route that the server says it has, called without credentials, without the permission and with another user's
 * row. The list comes from the server's own OpenAPI document, so a new route is in the test by itself, and one that
 * needs a fixture it does not have here fails until it gets one.
 */

interface Endpoint {
  method: string;
  path: string;
  permission: string[];
  isPublic: boolean;
}

interface Operation {
  security?: unknown[];
  'x-permission'?: string[];
  'x-aliases'?: string[];
}

let server: RunningServer;
let ann: ApiClient;
let bob: ApiClient;
let carl: ApiClient;
let powerless: ApiClient;
let endpoints: Endpoint[];
/** Rows of Ann's, by the name of the path parameter. */
let annOwns: Record<string, number>;

/** Rows that nobody owns: whoever has the permission may see them. And parts of paths that name no row. */
const NOBODYS = ['provider_id', 'role_id', 'permission_id', 'n', 'name', 'action', 'program_name', 'unmatched_id'];

beforeAll(async () => {
  server = await RunningServer.start();
  const admin = server.admin();
  endpoints = await readEndpoints(admin);
  const names = (await admin.get<{ name: string }[]>('/permissions')).map((permission) => permission.name);
  const everything = names.filter((name) => !name.endsWith('_admin') && name.includes('_'));
  await roleOf(admin, 'everything', everything);
  await roleOf(
    admin,
    'everything but users',
    everything.filter((name) => name !== 'user_list'),
  );
  ann = await server.user('ann');
  bob = await server.user('bob', ['everything']);
  carl = await server.user('carl', ['everything but users']);
  powerless = await server.user('powerless', []);
  annOwns = await fixtures();
}, 120_000);

afterAll(() => server.dispose());

async function roleOf(admin: ApiClient, name: string, permissions: readonly string[]): Promise<void> {
  const role = await admin.post('/roles', { name });
  for (const permission of permissions) await admin.put(`/roles/${role}/permissions/${permission}`);
}

async function readEndpoints(client: ApiClient): Promise<Endpoint[]> {
  const document = await client.get<{ paths: Record<string, Record<string, Operation>> }>('/openapi.json');
  return Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, operation]) => {
      const rest = { permission: operation['x-permission'] ?? [], isPublic: operation.security?.length === 0 };
      const aliases = (operation['x-aliases'] ?? []).map((alias) => alias.split(' ') as [string, string]);
      return [[method.toUpperCase(), path] as const, ...aliases].map(([verb, at]) => ({
        method: verb,
        path: at,
        ...rest,
      }));
    }),
  );
}

/** One row of each noun, Ann's; nouns whose routes are not there are left out. */
async function fixtures(): Promise<Record<string, number>> {
  const has = (path: string) => endpoints.some((endpoint) => endpoint.path === path && endpoint.method === 'POST');
  const me = await ann.get<{ user_id: number }>('/users/me');
  const [account] = await ann.get<{ account_id: number }[]>('/accounts');
  const contact_id = await ann.post('/contacts', { first_name: 'Zoe', phone: '+15550100', email: 'zoe@example.org' });
  const text_id = await ann.post('/messages/texts', { name: 'text', data: 'hello' });
  const template_id = await ann.post('/messages/templates', { name: 'mail', subject: 'hello', body: '<p>hello</p>' });
  const program_id = await ann.post('/programs/sendsms', { text_id });
  const transmission_id = await ann.post('/transmissions', { program_id, contact_id });
  const spool_id = await ann.post(`/transmissions/${transmission_id}/send`);
  await eventually(
    () => ann.get(`/transmissions/${transmission_id}/status`),
    (status) => status === 'completed',
  );
  const rows: Record<string, number> = {
    user_id: me.user_id,
    account_id: account?.account_id as number,
    contact_id,
    text_id,
    template_id,
    program_id,
    transmission_id,
    spool_id,
  };
  if (has('/groups')) rows.group_id = await ann.post('/groups', { name: 'group' });
  if (has('/messages/documents')) rows.document_id = await ann.post('/messages/documents', { name: 'document' });
  if (has('/messages/recordings')) rows.recording_id = await ann.post('/messages/recordings', { name: 'recording' });
  if (has('/contact_dncs')) {
    rows.contact_dnc_id = await ann.post('/contact_dncs', { channel: 'sms', phone: '+15550177' });
  }
  if (endpoints.some(({ path }) => path === '/tasks/{task_id}')) {
    const later = await ann.post('/transmissions', { program_id, contact_id });
    rows.task_id = await ann.put<number>(`/transmissions/${later}/schedule`, { delay: 86_400 });
  }
  if (has('/campaigns')) rows.campaign_id = await ann.post('/campaigns', { program_id, group_id: rows.group_id });
  return rows;
}

/** The path with its parameters filled in. */
function fill(path: string, values: Readonly<Record<string, number | string>>): string {
  const words: Record<string, string> = { action: 'start' };
  return path.replace(/\{(\w+)\}/g, (_all, name: string) => encodeURIComponent(values[name] ?? words[name] ?? 1));
}

/** A body that the route takes, so that the refusal is about the row. */
function bodyFor({ method, path }: Endpoint): unknown {
  if (method === 'GET' || method === 'DELETE') return undefined;
  if (path.endsWith('/password')) return { password: 'another password', current_password: 'whatever it was' };
  if (path.includes('/settings/')) return { value: 'body' };
  if (/\/csv$|\/import\//.test(path)) return '15550100';
  if (/\/media$/.test(path)) return new Uint8Array([1, 2, 3]);
  if (path.endsWith('/schedule')) return { delay: 3600 };
  if (path.endsWith('/transmissions')) return { phone: '+15550199' };
  return {};
}

const headersFor = ({ path }: Endpoint): Record<string, string> =>
  /\/csv$|\/import\//.test(path) ? { 'Content-Type': 'text/csv' } : {};

function parametersOf(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] as string);
}

test('the document lists the routes, each with a permission or openly public', () => {
  expect(endpoints.length).toBeGreaterThan(150);
  const open = endpoints.filter((endpoint) => endpoint.isPublic).map(({ method, path }) => `${method} ${path}`);
  expect(open.sort()).toEqual(['GET /health', 'POST /authenticate']);
});

test('without credentials every route answers 401 and how to log in', async () => {
  const wrong: string[] = [];
  for (const endpoint of endpoints.filter(({ isPublic }) => !isPublic)) {
    const path = fill(endpoint.path, annOwns);
    const reply = await ann.anonymous().request(endpoint.method, path, bodyFor(endpoint), headersFor(endpoint));
    const error = (reply.body as { error?: { code: number; message: string } }).error;
    const good =
      reply.status === 401 && error?.code === 401 && reply.headers.get('www-authenticate')?.startsWith('Basic');
    if (!good) wrong.push(`${endpoint.method} ${path} → ${reply.status} ${reply.text.slice(0, 100)}`);
  }
  expect(wrong).toEqual([]);
});

test('without the permission every route answers 403 naming it, whatever the row or the body', async () => {
  const wrong: string[] = [];
  for (const endpoint of endpoints.filter(({ permission }) => permission.length > 0)) {
    for (const values of [annOwns, {}]) {
      const path = fill(endpoint.path, values);
      const reply = await powerless.request(endpoint.method, path, bodyFor(endpoint), headersFor(endpoint));
      const named = endpoint.permission.some((name) => reply.text.includes(name));
      if (reply.status !== 403 || !named)
        wrong.push(`${endpoint.method} ${path} → ${reply.status} ${reply.text.slice(0, 100)}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('another user’s row reads as 404 on every route, and nothing of it changes', async () => {
  const before = await annsData();
  const wrong: string[] = [];
  let tried = 0;
  for (const endpoint of endpoints) {
    const owned = parametersOf(endpoint.path).filter((name) => !NOBODYS.includes(name));
    if (owned.length === 0 || endpoint.isPublic) continue;
    const unknown = owned.filter((name) => annOwns[name] === undefined);
    if (unknown.length > 0) wrong.push(`${endpoint.path}: no fixture for ${unknown.join(', ')}`);
    // Whoever may list users may see them; the rule is tried with one who may not.
    const onlyUser = owned.every((name) => name === 'user_id');
    if (onlyUser && endpoint.permission.includes('user_list')) continue;
    const reply = await (onlyUser ? carl : bob).request(
      endpoint.method,
      fill(endpoint.path, annOwns),
      bodyFor(endpoint),
      headersFor(endpoint),
    );
    tried++;
    if (reply.status !== 404)
      wrong.push(`${endpoint.method} ${endpoint.path} → ${reply.status} ${reply.text.slice(0, 160)}`);
  }
  expect(wrong).toEqual([]);
  expect(tried).toBeGreaterThan(100);
  expect(await annsData()).toEqual(before);
});

test('lists show nobody else’s rows', async () => {
  const lists = endpoints.filter(({ method, path }) => method === 'GET' && !path.includes('{'));
  for (const { path } of lists) {
    const reply = await bob.request('GET', path);
    if (!Array.isArray(reply.body)) continue;
    const foreign = (reply.body as { user_id?: number; username?: string }[]).filter(
      (row) => row.user_id === annOwns.user_id && !path.startsWith('/users'),
    );
    expect({ path, foreign }).toEqual({ path, foreign: [] });
  }
});

test('another user’s id inside a body is refused with 412 naming the field', async () => {
  const own = await bob.post('/contacts', { phone: '+15550123' });
  const text = await bob.post('/messages/texts', { name: 'own', data: 'own' });
  const program = await bob.post('/programs/sendsms', { text_id: text });
  const cases: [string, string, Record<string, unknown>, string][] = [
    ['POST', '/programs/sendsms', { text_id: annOwns.text_id }, 'text_id'],
    ['POST', '/programs/sendemail', { template_id: annOwns.template_id }, 'template_id'],
    ['POST', '/transmissions', { program_id: annOwns.program_id, contact_id: own }, 'program_id'],
    ['POST', '/transmissions', { program_id: program, contact_id: annOwns.contact_id }, 'contact_id'],
    ['POST', '/transmissions', { program_id: program, contact_id: own, account_id: annOwns.account_id }, 'account_id'],
    ['PUT', `/programs/${program}`, { text_id: annOwns.text_id }, 'text_id'],
    ['POST', `/messages/texts/${text}/preview`, { contact_id: annOwns.contact_id }, 'contact_id'],
  ];
  for (const [method, path, body, field] of cases) {
    const refusal = await bob.refusal(method, path, body);
    expect({ path, body, ...refusal }).toMatchObject({ status: 412, fields: [field] });
    expect(refusal.message).toContain('not found');
  }
});

test('an administrator sees what is others’, because of the *_admin permissions', async () => {
  expect(await server.admin().get(`/contacts/${annOwns.contact_id}`)).toMatchObject({ first_name: 'Zoe' });
  expect(await server.admin().get<unknown[]>(`/contacts?user_id=${annOwns.user_id}`)).toHaveLength(1);
});

/** All rows that are Ann's, as the database has them. */
async function annsData(): Promise<unknown> {
  const tables = await server.sql<{ name: string }>(
    `select table_name as name from information_schema.columns where column_name = 'created_by' and table_schema = 'public' order by 1`,
  );
  const data: Record<string, unknown> = {};
  for (const { name } of tables) {
    data[name] = await server.sql(`select * from "${name}" where created_by = $1 order by 1`, [annOwns.user_id]);
  }
  return data;
}
