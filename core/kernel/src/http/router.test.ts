import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { type Actor, AUTHENTICATED, defineRoute, fileReply, IctError, PUBLIC, wrongState, z } from '@ictcore/contract';
import { configSchema } from '../boot/config';
import { createLogger } from '../boot/logger';
import { createApp, type Listening, listen } from './app';
import { createdReply } from './crud-routes';
import { flag, idParam, nullableInt, nullablePhone, nullableText, requiredText } from './fields';

const scratch = mkdtempSync(path.join(tmpdir(), 'ictcore-router-'));
const lines: string[] = [];
let listening: Listening;
let base: string;

const routes = [
  defineRoute({
    method: 'post',
    path: '/things',
    permission: 'thing_create',
    summary: '',
    body: z.object({
      name: requiredText(5),
      size: nullableInt(1, 9).optional(),
      on: flag().optional(),
      note: nullableText(9).optional(),
      phone: nullablePhone(20).optional(),
    }),
    handler: (request) =>
      'size' in request.body && request.body.size === 9
        ? createdReply(request, 9, async () => ({ thing_id: 9 }), '/things/9')
        : (request.body as object),
  }),
  defineRoute({
    method: 'get',
    path: '/things/{thing_id}',
    permission: AUTHENTICATED,
    summary: '',
    params: z.object({ thing_id: idParam() }),
    query: z.object({ limit: z.string().regex(/^\d+$/, 'must be a whole number').optional() }),
    handler: (request) => ({ id: request.params.thing_id, who: request.actor.username }),
  }),
  defineRoute({
    method: 'get',
    path: '/things/sample',
    permission: AUTHENTICATED,
    summary: '',
    handler: () => 'the sample',
  }),
  defineRoute({
    method: 'post',
    path: '/things/{thing_id}/send',
    aliases: [{ method: 'get' }, { path: '/stuff/{thing_id}/send' }],
    permission: AUTHENTICATED,
    summary: '',
    handler: () => 1,
  }),
  defineRoute({
    method: 'get',
    path: '/fails',
    permission: PUBLIC,
    summary: '',
    handler: () => Promise.reject(new Error('inner secret')),
  }),
  defineRoute({
    method: 'get',
    path: '/busy',
    permission: PUBLIC,
    summary: '',
    handler: () => {
      throw wrongState('It is running');
    },
  }),
  defineRoute({
    method: 'put',
    path: '/files',
    permission: AUTHENTICATED,
    summary: '',
    upload: { maxBytes: 1000, maxFiles: 2, raw: true },
    handler: async (request) =>
      Promise.all(request.files.map(async (file) => ({ ...file, path: '', text: await readFile(file.path, 'utf8') }))),
  }),
  defineRoute({
    method: 'get',
    path: '/file',
    permission: PUBLIC,
    summary: '',
    handler: () => fileReply({ stream: Readable.from(['a,b\r\n']), name: 'groß "1".csv', mediaType: 'text/csv' }),
  }),
];

beforeAll(async () => {
  const app = createApp({
    config: configSchema.parse({ max_body: 2000, cors: ['https://ui.example.org'] }),
    log: createLogger('debug', { write: (line) => lines.push(line) }),
    routes,
    authenticator: {
      async authenticate(request): Promise<Actor> {
        const who = request.headers.authorization;
        if (!who) throw new IctError('Invalid credentials', { code: 'UNAUTHENTICATED', status: 401 });
        return { userId: 1, username: who, can: () => who === 'boss' };
      },
    },
    scratch,
    extra: [],
  });
  listening = await listen(app, '127.0.0.1', 0);
  base = `http://127.0.0.1:${listening.port}`;
});

afterAll(async () => {
  await listening.close(1000);
  rmSync(scratch, { recursive: true, force: true });
});

interface Got {
  status: number;
  headers: Headers;
  body: never;
}

async function call(method: string, at: string, body?: unknown, headers: Record<string, string> = {}): Promise<Got> {
  const raw = typeof body === 'string' || body instanceof FormData;
  const response = await fetch(base + at, {
    method,
    headers: {
      Authorization: 'boss',
      ...(body !== undefined && !raw && { 'Content-Type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: (text === '' ? null : JSON.parse(text)) as never };
}

describe('input', () => {
  it('numbers, texts and booleans are taken for each other; empty clears; unknown keys go', async () => {
    const { body } = await call('POST', '/things', { name: 42, size: '7', on: true, note: '', other: 1 });
    expect(body).toEqual({ name: '42', size: 7, on: 1, note: null });
  });

  it.each([
    [{}, 'name', 'required'],
    [{ name: '' }, 'name', 'empty'],
    [{ name: '  ' }, 'name', 'empty'],
    [{ name: 'too long' }, 'name', '5'],
    [{ name: 'a\0b' }, 'name', 'NUL'],
    [{ name: 'a\udfff' }, 'name', 'Unicode'],
    [{ name: 'a', size: 1.5 }, 'size', 'whole number'],
    [{ name: 'a', size: 'x' }, 'size', 'whole number'],
    [{ name: 'a', size: 10 }, 'size', '9'],
    [{ name: 'a', on: 2 }, 'on', '0 or 1'],
    [{ name: ['a'] }, 'name', 'text'],
    [{ name: 'a', phone: 'call;me' }, 'phone', 'digits'],
    [{ name: 'a', phone: '++' }, 'phone', 'digit'],
  ])('%j → 412 naming %s', async (body, field, word) => {
    const refused = await call('POST', '/things', body);
    expect(refused.status).toBe(412);
    const { error } = refused.body as { error: { details: { field: string }[] } };
    expect(error).toMatchObject({ code: 412, name: 'VALIDATION_FAILED' });
    expect(new Set(error.details.map((detail) => detail.field))).toEqual(new Set([field]));
    expect(JSON.stringify(refused.body)).toContain(word);
  });

  it('forms are taken, other types are 415, broken JSON is 400, a long body is 413', async () => {
    const form = await call('POST', '/things', 'name=ab&size=3', {
      'Content-Type': 'application/x-www-form-urlencoded',
    });
    expect(form.body).toEqual({ name: 'ab', size: 3 });
    expect((await call('POST', '/things', '<a/>', { 'Content-Type': 'application/xml' })).status).toBe(415);
    for (const broken of ['{', '{"a":}', 'nonsense']) {
      expect(await call('POST', '/things', broken, { 'Content-Type': 'application/json' })).toMatchObject({
        status: 400,
        body: { error: { code: 400, message: 'The body is not valid JSON' } },
      });
    }
    expect((await call('POST', '/things', { name: 'x'.repeat(3000) })).status).toBe(413);
    for (const other of ['[]', '1', 'null', '"x"']) {
      expect((await call('POST', '/things', other, { 'Content-Type': 'application/json' })).status).toBe(412);
    }
  });

  it('a path id that is no number is 400, a wrong query 412', async () => {
    expect(await call('GET', '/things/abc')).toMatchObject({
      status: 400,
      body: { error: { details: [{ field: 'thing_id' }] } },
    });
    expect((await call('GET', '/things/1e3')).status).toBe(400);
    expect((await call('GET', '/things/99999999999999999999')).status).toBe(400);
    expect(await call('GET', '/things/1?limit=x')).toMatchObject({
      status: 412,
      body: { error: { details: [{ field: 'limit' }] } },
    });
    expect((await call('GET', '/things/1?limit=1&limit=2')).status).toBe(412);
    expect((await call('GET', '/things/%E0%A4%A')).status).toBe(400);
  });
});

describe('routing', () => {
  it('answers below /api and at the root; literal segments go before parameters', async () => {
    expect((await call('GET', '/api/things/7')).body).toEqual({ id: 7, who: 'boss' });
    expect((await call('GET', '/things/7')).body).toEqual({ id: 7, who: 'boss' });
    expect((await call('GET', '/api/things/sample')).body).toBe('the sample');
  });

  it('unknown paths are 404, wrong verbs 405 with Allow, OPTIONS tells', async () => {
    expect(await call('GET', '/nothing')).toMatchObject({
      status: 404,
      body: { error: { code: 404, name: 'NOT_FOUND' } },
    });
    const wrong = await call('PATCH', '/things');
    expect(wrong).toMatchObject({ status: 405, body: { error: { code: 405 } } });
    expect(wrong.headers.get('allow')).toContain('POST');
    expect((await call('OPTIONS', '/things/7')).headers.get('allow')).toContain('GET');
  });

  it('the old guide’s GET that changes something: not cached, marked as old, not for looking ahead', async () => {
    const old = await call('GET', '/things/1/send');
    expect(old).toMatchObject({ status: 200, body: 1 });
    expect(old.headers.get('deprecation')).toBe('true');
    expect(old.headers.get('cache-control')).toBe('no-store');
    expect((await call('HEAD', '/things/1/send')).status).toBe(405);
    expect((await call('GET', '/things/1/send', undefined, { 'Sec-Purpose': 'prefetch' })).status).toBe(405);
    expect((await call('POST', '/stuff/1/send')).body).toBe(1);
  });

  it('Prefer: return=representation turns a create into 201 with the object', async () => {
    const created = await call('POST', '/things', { name: 'a', size: 9 }, { Prefer: 'return=representation' });
    expect(created).toMatchObject({ status: 201, body: { thing_id: 9 } });
    expect(created.headers.get('location')).toBe('/api/things/9');
    expect(await call('POST', '/things', { name: 'a', size: 9 })).toMatchObject({ status: 200, body: 9 });
  });

  it('CORS for the configured origin only', async () => {
    const preflight = await call('OPTIONS', '/things', undefined, {
      Origin: 'https://ui.example.org',
      'Access-Control-Request-Method': 'POST',
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe('https://ui.example.org');
    const other = await call('GET', '/things/7', undefined, { Origin: 'https://evil.example.org' });
    expect(other.headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('errors', () => {
  it('an unexpected one is a bare 500 whose request id is in the log', async () => {
    const { status, body } = await call('GET', '/fails');
    expect(status).toBe(500);
    const text = JSON.stringify(body);
    expect(text).not.toContain('inner secret');
    expect(text).not.toContain('    at ');
    const { request_id } = (body as { error: { request_id: string } }).error;
    expect(lines.some((line) => line.includes(request_id) && line.includes('inner secret'))).toBe(true);
  });

  it('a known one keeps its status and words', async () => {
    expect(await call('GET', '/busy')).toMatchObject({
      status: 423,
      body: { error: { code: 423, message: 'It is running', name: 'WRONG_STATE' } },
    });
  });

  it('credentials and permission come before the body is read', async () => {
    expect((await call('POST', '/things', '{', { Authorization: '' })).status).toBe(401);
    expect((await call('POST', '/things', '{', { Authorization: 'clerk' })).status).toBe(403);
  });
});

describe('files', () => {
  /** The scratch folder is cleared just after the answer. */
  async function expectNothingLeft(): Promise<void> {
    for (let i = 0; i < 100 && readdirSync(scratch).length > 0; i++)
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect(readdirSync(scratch)).toEqual([]);
  }

  it('raw bodies and multipart, with the client’s names as mere labels; nothing stays', async () => {
    const raw = await call('PUT', '/files', 'hello', {
      'Content-Type': 'text/plain; charset=x',
      'Content-Disposition': 'attachment; filename="../../etc/pass wd"',
    });
    expect(raw.body).toEqual([{ fileName: 'pass wd', mediaType: 'text/plain', path: '', size: 5, text: 'hello' }]);
    const form = new FormData();
    form.append('one', new Blob(['1'], { type: 'image/png' }), 'größe.png');
    form.append('two', new Blob(['22']), 'b\\c.txt');
    const multipart = await call('PUT', '/files', form);
    expect(multipart.body).toMatchObject([
      { fileName: 'größe.png', mediaType: 'image/png', size: 1 },
      { size: 2, text: '22' },
    ]);
    await expectNothingLeft();
  });

  it('empty is 411, too large or too many 413; nothing stays', async () => {
    expect((await call('PUT', '/files', '', { 'Content-Type': 'text/plain' })).status).toBe(411);
    expect((await call('PUT', '/files', 'x'.repeat(1001), { 'Content-Type': 'text/plain' })).status).toBe(413);
    const form = new FormData();
    for (let i = 0; i < 3; i++) form.append('f', new Blob(['x']), 'x');
    expect((await call('PUT', '/files', form)).status).toBe(413);
    await expectNothingLeft();
  });

  it('downloads carry a safe name in both spellings (RFC 6266)', async () => {
    const response = await fetch(`${base}/file`);
    expect(response.headers.get('content-disposition')).toBe(
      `attachment; filename="gro_ _1_.csv"; filename*=UTF-8''gro%C3%9F%20%221%22.csv`,
    );
    expect(await response.text()).toBe('a,b\r\n');
  });
});
