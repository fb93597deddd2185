import 'reflect-metadata';
import { IctError, type WebhookRequest } from '@ictcore/contract';
import { configSchema } from '../boot/config';
import { createLogger } from '../boot/logger';
import { createApp, type Listening, listen } from '../http/app';
import { ADMIN, FakeLine, InboundDesk, sms } from '../testing/inbound-desk';
import { AccountPrograms } from './account-programs';
import { CallRates } from './webhook-rates';
import { webhookRouter } from './webhooks';

let desk: InboundDesk;
let listening: Listening;
let url: string;
const line = new FakeLine();
const deaf = new FakeLine('deaf');

beforeAll(async () => {
  line.onWebhook = ({ path, body, method }: WebhookRequest) => {
    if (path === 'wrong') throw new IctError('wrong signature', { code: 'FORBIDDEN', status: 403 });
    if (path === 'unsigned') return { events: [], status: 401, body: 'no' };
    if (path === 'bug') throw new Error('a bug with a secret in it');
    if (path === 'lost') return { events: [{ ...sms('+1', '+2', 'x'), body: { files: [{ size: 1e12 } as never] } }] };
    const text = body.toString('latin1');
    return {
      events: text === '' ? [] : [sms('+15550199', '+15550100', text, `w-${text}`)],
      status: 202,
      mediaType: 'text/xml',
      body: `<${method}/>`,
    };
  };
  desk = await InboundDesk.open({ line, plugins: [deaf.plugin()] });
  const { accountId } = await desk.account('+15550100');
  await desk.kernel.kernel.container.resolve(AccountPrograms).install(ADMIN, accountId, 'getsms');
  await start(true);
});
afterAll(async () => {
  await listening.close(100);
  await desk.stop();
});

async function start(delivers: boolean): Promise<void> {
  await listening?.close(100);
  const config = configSchema.parse({ public_url: 'https://sms.example.org/' });
  const log = createLogger('silent', { write: () => undefined });
  const authenticator = { authenticate: () => Promise.reject(new Error('nobody asks')) };
  const extra = [webhookRouter({ pool: desk.kernel.engine().pool, config, log, delivers })];
  const app = createApp({ config, log, routes: [], authenticator, scratch: '/nonexistent', extra });
  listening = await listen(app, '127.0.0.1', 0);
  url = `http://127.0.0.1:${listening.port}/api/providers/${desk.providerId}/webhook`;
}

const call = async (at: string, init: RequestInit = {}) => {
  const response = await fetch(at, init);
  return { status: response.status, text: await response.text(), type: response.headers.get('content-type') };
};

test('the driver gets the call as it came; its events are stored before the answer', async () => {
  const body = Buffer.from([0xff, 0x00, 0x41]);
  const reply = await call(`${url}/a/b%20c?x=1&x=2&y=`, {
    method: 'PUT',
    body,
    headers: { 'X-Signature': 's', 'Content-Type': 'application/json' },
  });
  expect(reply).toEqual({ status: 202, text: '<PUT/>', type: 'text/xml' });
  const got = line.calls.at(-1);
  expect(got).toMatchObject({
    method: 'PUT',
    path: 'a/b c',
    query: { x: '1', y: '' },
    headers: { 'x-signature': 's' },
  });
  expect(got?.url).toBe(`https://sms.example.org/api/providers/${desk.providerId}/webhook/a/b%20c?x=1&x=2&y=`);
  expect(got?.body.equals(body)).toBe(true);
  expect(await desk.received()).toHaveLength(1);
});

test('the same call again is the same message', async () => {
  const before = (await desk.received()).length;
  for (let n = 0; n < 3; n++) expect(await call(url, { method: 'POST', body: 'again' })).toMatchObject({ status: 202 });
  expect(await desk.received()).toHaveLength(before + 1);
});

test('at the root and without a path too', async () => {
  expect(await call(url.replace('/api', ''))).toMatchObject({ status: 202, text: '<GET/>' });
});

test('404 for what is no active provider, or one without webhooks', async () => {
  const [row] = await desk.sql<{ provider_id: number }>(
    `insert into provider (name, type, service_flag) values ('deaf', 'deaf', 4) returning provider_id`,
  );
  desk.kernel.engine().pool.invalidate();
  for (const id of ['999', 'x', '-1', row?.provider_id]) {
    expect(await call(url.replace(/providers\/\d+/, `providers/${id}`))).toMatchObject({ status: 404 });
  }
  await desk.sql('update provider set active = 0 where provider_id = $1', [desk.providerId]);
  desk.kernel.engine().pool.invalidate();
  expect(await call(url)).toMatchObject({ status: 404 });
  await desk.sql('update provider set active = 1 where provider_id = $1', [desk.providerId]);
  desk.kernel.engine().pool.invalidate();
});

test('what the driver refuses is refused, what cannot be stored is not confirmed, a bug shows nothing', async () => {
  expect(await call(`${url}/wrong`)).toMatchObject({ status: 403 });
  expect(await call(`${url}/unsigned`)).toMatchObject({ status: 401, text: 'no' });
  expect(await call(`${url}/lost`, { method: 'POST' })).toMatchObject({ status: 413 });
  const bug = await call(`${url}/bug`);
  expect(bug.status).toBe(500);
  expect(bug.text).not.toContain('secret');
});

test('more than a megabyte is 413', async () => {
  const reply = await call(url, { method: 'POST', body: Buffer.alloc(1024 * 1024 + 1) });
  expect(reply.status).toBe(413);
});

test('guessing ends in 429, for that address and that minute only', () => {
  let now = 0;
  const rates = new CallRates(() => now);
  for (let n = 0; n < 60; n++) {
    rates.count('a');
    rates.countRefused('a');
  }
  expect(() => rates.count('a')).toThrow(expect.objectContaining({ status: 429, headers: { 'Retry-After': '60' } }));
  rates.count('b');
  now = 60_000;
  rates.count('a');
  for (let n = 1; n < 30_000; n++) rates.count('c');
  rates.count('c');
  expect(() => rates.count('c')).toThrow(expect.objectContaining({ status: 429 }));
});

test('wrong signatures count against the address, however they are told', async () => {
  let last = 0;
  for (let n = 0; n < 70 && last !== 429; n++) last = (await call(`${url}/unsigned`)).status;
  expect(last).toBe(429);
});

test('a node that only answers HTTP opens no session of a driver that does not say that it has webhooks', async () => {
  await desk.kernel.engine().pool.close();
  await start(false);
  expect(await call(url)).toMatchObject({ status: 404 });
});
