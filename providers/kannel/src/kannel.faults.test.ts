import type { WebhookRequest } from '@ictcore/contract';
import { FaultyKannel } from './testing/faulty-kannel';
import { type Opened, openSession, SECRET, WebhookServer } from './testing/open';

let kannel: FaultyKannel;
let webhooks: WebhookServer;
let opened: Opened;

beforeEach(async () => {
  kannel = await FaultyKannel.start();
  webhooks = await WebhookServer.start();
  opened = await openSession(kannel.port, webhooks, { timeout_seconds: 1 });
});
afterEach(async () => {
  await opened.close();
  await kannel.stop();
  await webhooks.stop();
});

describe('answers', () => {
  test.each([
    [202, '3: Queued for later delivery', { kind: 'accepted', detail: '3: Queued for later delivery' }],
    [403, 'Authorization failed for sendsms', { kind: 'failed', reason: 'unauthorized', notAccepted: true }],
    [403, 'Number(s) has/have been denied by white- and/or black-lists.', { kind: 'refused', reason: 'blocked' }],
    [400, 'Garbage to field, rejected', { kind: 'refused', reason: 'rejected' }],
    [404, 'Not found', { kind: 'failed', reason: 'provider_down', notAccepted: true }],
    [503, 'Temporal failure, try again later.', { kind: 'failed', reason: 'provider_down', notAccepted: true }],
  ])('%d %s', async (status, body, expected) => {
    kannel.answer = (response) => response.writeHead(status).end(body);
    expect(await opened.send('+447')).toMatchObject(expected);
  });

  test('what is no answer of Kannel’s: nobody knows', async () => {
    kannel.answer = (response) => response.writeHead(502).end('Bad Gateway');
    await expect(opened.send('+447')).rejects.toThrow('502 Bad Gateway');
    kannel.answer = (response) => response.destroy();
    await expect(opened.send('+447')).rejects.toThrow('socket hang up');
    kannel.answer = () => undefined;
    await expect(opened.send('+447')).rejects.toThrow('no answer within 1 s');
    kannel.answer = (response) => response.writeHead(202).end('x'.repeat(100_000));
    await expect(opened.send('+447')).rejects.toThrow('no Kannel');
    expect(kannel.queries).toHaveLength(4);
  });

  test('orders that wait for a connection and are given up were not taken', async () => {
    await opened.close();
    opened = await openSession(kannel.port, webhooks, { timeout_seconds: 1, max_connections: 1 });
    kannel.answer = () => undefined;
    const results = await Promise.allSettled([opened.send('+447'), opened.send('+448')]);
    expect(results).toMatchObject([
      { status: 'rejected' },
      { status: 'fulfilled', value: { kind: 'failed', notAccepted: true } },
    ]);
    expect(kannel.queries).toHaveLength(1);
  });

  test('without a public URL no reports are asked for', async () => {
    await opened.close();
    opened = await openSession(kannel.port, undefined);
    expect(await opened.send('+447')).toMatchObject({ kind: 'delivered' });
    expect(kannel.queries[0]?.has('dlr-url')).toBe(false);
    kannel.answer = (response) => response.writeHead(400).end('Missing receiver number, rejected');
    expect((await opened.session.check(AbortSignal.timeout(2000))).detail).toContain('no delivery reports');
  });

  test('a URL for callbacks of its own', async () => {
    await opened.close();
    opened = await openSession(kannel.port, webhooks, {
      callback_url: 'http://10.0.0.5:8080/api/providers/3/webhook/',
    });
    await opened.send('+447');
    expect(kannel.queries[0]?.get('dlr-url')).toMatch(
      /^http:\/\/10\.0\.0\.5:8080\/api\/providers\/3\/webhook\/dlr\?ref=spool-/,
    );
  });

  test('check of what is no Kannel', async () => {
    kannel.answer = (response) => response.writeHead(200).end('<html>');
    expect(await opened.session.check(AbortSignal.timeout(2000))).toMatchObject({
      state: 'error',
      detail: expect.stringContaining('Is this the sendsms-port'),
    });
  });
});

describe('callbacks', () => {
  /** Calls a report's URL as Kannel does: with its escapes filled in. */
  const call = async (url: string, options: RequestInit = {}) => (await fetch(url, options)).status;
  const reportUrl = async (): Promise<string> => {
    await opened.send('+447', 'x', { segments: 2 });
    return kannel.queries.at(-1)?.get('dlr-url') ?? '';
  };

  test.each([
    ['1', 'id:1 stat:DELIVRD err:000', { kind: 'delivered', detail: 'DELIVRD', amount: 2 }],
    ['2', 'id:1 stat:EXPIRED err:3', { kind: 'failed', reason: 'timeout', detail: 'EXPIRED err:3' }],
    ['2', 'id:1 stat:REJECTD err:3', { kind: 'refused', reason: 'rejected' }],
    ['2', '', { kind: 'failed', reason: 'rejected', detail: 'not delivered' }],
    ['4', '', { kind: 'accepted' }],
    ['8', 'ACK/', { kind: 'accepted', detail: 'ACK/' }],
    ['16', 'NACK/0x0000000b/Invalid Destination Address', { kind: 'refused', reason: 'invalid_destination' }],
    ['16', 'NACK/0x00000045/Submit failed', { kind: 'failed', reason: 'rejected' }],
    ['16', '', { kind: 'failed', detail: 'rejected by the carrier' }],
  ])('a report of type %s with "%s"', async (type, reply, expected) => {
    const url = (await reportUrl()).replace('%d', type).replace('%A', encodeURIComponent(reply));
    expect(await call(url)).toBe(200);
    expect(opened.of('report')).toMatchObject([{ outcome: expected }]);
  });

  test('the secret is not in the URL, and a changed URL is refused', async () => {
    const url = (await reportUrl()).replace('%d', '1').replace('%A', '');
    expect(url).not.toContain(SECRET);
    for (const wrong of [
      url.replace(/ref=spool-\d/, 'ref=spool-7'),
      url.replace('n=2', 'n=9'),
      url.replace(/sig=[^&]+/, 'sig=AAAAAAAAAAAAAAAAAAAAAA'),
      url.replace(/sig=[^&]+&/, ''),
    ]) {
      expect(await call(wrong)).toBe(403);
    }
    await opened.close();
    opened = await openSession(kannel.port, webhooks, {}, { providerId: 4 });
    expect(await call(url)).toBe(403); // another provider's
    expect(opened.of('report')).toHaveLength(0);
  });

  test('a report that cannot be stored is not acknowledged', async () => {
    const url = (await reportUrl()).replace('%d', '1').replace('%A', '');
    opened.context.emitError = new Error('the database is away');
    expect(await call(url)).toBe(500);
  });

  test('inbound: charsets, the + of numbers, and what is refused', async () => {
    const post = (query: string, body: string | Buffer, type: string) =>
      call(`${webhooks.url}/mo?${query}`, { method: 'POST', body, headers: { 'Content-Type': type } });
    const good = `token=${SECRET}&from=+447700900001&to=12345&id=1f-2`;
    expect(await post(good, Buffer.from('voil\u00e0', 'latin1'), 'text/plain; charset="ISO-8859-1"')).toBe(200);
    expect(await post(good, Buffer.from('041f0440', 'hex'), 'text/plain; charset=UTF-16BE')).toBe(200);
    expect(await post(good, 'naïve', 'text/plain')).toBe(200);
    expect(opened.of('inbound')).toMatchObject([
      { from: { phone: '+447700900001' }, ref: 'mo-1f-2', body: { text: 'voilà' } },
      { body: { text: 'Пр' } },
      { body: { text: 'naïve' } },
    ]);
    expect(await post(good.replace(SECRET, 'wrong'), 'x', 'text/plain')).toBe(403);
    expect(await post('from=1&to=2&id=3', 'x', 'text/plain')).toBe(403);
    expect(await post(good.replace('&id=1f-2', ''), 'x', 'text/plain')).toBe(400);
    expect(await post(good, 'x', 'text/plain; charset=klingon')).toBe(400);
    expect(await post(good, 'x'.repeat(70_000), 'text/plain')).toBe(400);
    expect(await call(`${webhooks.url}/other`)).toBe(404);
  });

  test('without a secret nothing comes in, and reports are signed all the same', async () => {
    await opened.close();
    opened = await openSession(kannel.port, webhooks, { callback_secret: undefined });
    const url = (await reportUrl()).replace('%d', '1').replace('%A', '');
    expect(await call(url)).toBe(200);
    const request: WebhookRequest = {
      method: 'POST',
      url: '',
      path: 'mo',
      query: { token: '', from: '1', to: '2', id: '3' },
      headers: {},
      body: Buffer.from('x'),
      ip: '127.0.0.1',
    };
    await expect(opened.session.webhook?.(request)).rejects.toMatchObject({ status: 403 });
  });
});
