import { Readable } from 'node:stream';
import type { Outcome } from '@ictcore/contract';
import { emailOrder, memoryFile, providerConfig, RecordingDriverContext } from '@ictcore/test-kit';
import { FaultySmtpServer, type SmtpFault } from '@ictcore/test-peers';
import { smtpDriver } from './index';

/** A mail too large to be on the wire before its first bytes are answered. */
const LARGE = memoryFile('large.bin', 'application/octet-stream', Buffer.alloc(8 * 1024 * 1024, 1));

let server: FaultySmtpServer;

beforeAll(async () => {
  server = await FaultySmtpServer.start({ fault: 'none' });
});
afterAll(() => server?.stop());

async function open(settings: Record<string, unknown> = {}) {
  const row = { host: '127.0.0.1', port: server.port, settings: { answer_timeout_ms: 700, ...settings } };
  return smtpDriver.open(providerConfig(smtpDriver, row), new RecordingDriverContext());
}

async function submit(fault: SmtpFault, order = emailOrder(), signal = new AbortController().signal): Promise<Outcome> {
  server.fault = fault;
  const session = await open();
  try {
    return (await session.submit?.(order, signal)) as Outcome;
  } finally {
    await session.close();
  }
}

const notAccepted = (reason: string) => expect.objectContaining({ kind: 'failed', reason, notAccepted: true });

test('a mail that was answered with 250 is delivered, even if the link ends at once', async () => {
  const order = emailOrder();
  const outcome = await submit('drop_after_accept', order);
  expect(outcome).toEqual({
    kind: 'delivered',
    ref: order.messageId,
    detail: '250 2.0.0 accepted',
    facts: [],
    amount: 1,
  });
  expect(server.transactions.at(-1)).toMatchObject({ accepted: true, from: 'sender@example.com' });
});

test.each(['hang_after_data', 'drop_after_data', 'garbage_after_data'] as const)(
  '%s: nobody knows, so submit throws',
  async (fault) => {
    await expect(submit(fault)).rejects.toThrow();
    expect(server.transactions.at(-1)).toMatchObject({ complete: true, accepted: false });
  },
);

test('a link that breaks while the mail is being sent proves that it was not accepted', async () => {
  expect(await submit('drop_during_data', emailOrder({ attachments: [LARGE] }))).toEqual(notAccepted('provider_down'));
  expect(server.transactions.at(-1)).toMatchObject({ complete: false, accepted: false });
});

test('a server that greets with 421, or with no SMTP, or never, has not accepted', async () => {
  expect(await submit('greeting_421')).toEqual(notAccepted('provider_down'));
  expect(await submit('greeting_421')).toMatchObject({ detail: '421 4.3.2 faulty.test going down' });
  expect(await submit('garbage')).toEqual(notAccepted('provider_down'));
});

test('a server that never greets has not accepted', async () => {
  server.fault = 'hang_after_connect';
  const session = await open({ greeting_timeout_ms: 300 });
  const outcome = await session.submit?.(emailOrder(), new AbortController().signal);
  expect(outcome).toMatchObject({
    kind: 'failed',
    reason: 'provider_down',
    detail: 'Greeting never received',
    notAccepted: true,
  });
  const health = await session.check(new AbortController().signal);
  expect(health.detail).toMatch(/Greeting never received\. No answer: a firewall/);
  await session.close();
});

test('an abort after the final dot leaves it unknown, an abort before it does not', async () => {
  const abort = new AbortController();
  setTimeout(() => abort.abort(), 300);
  await expect(submit('hang_after_data', emailOrder(), abort.signal)).rejects.toThrow('aborted');
  const early = new AbortController();
  setTimeout(() => early.abort(), 200);
  expect(await submit('hang_after_connect', emailOrder(), early.signal)).toEqual(notAccepted('cancelled'));
});

test('an attachment that cannot be read stops the mail before its end', async () => {
  const broken = { ...LARGE, open: async () => Readable.from(failing()) };
  expect(await submit('none', emailOrder({ attachments: [broken] }))).toEqual(notAccepted('media_rejected'));
  const gone = { ...LARGE, open: async () => Promise.reject(new Error('media missing')) };
  expect(await submit('none', emailOrder({ attachments: [gone] }))).toMatchObject({
    detail: expect.stringContaining('media missing'),
  });
  const { complete } = server.transactions.at(-1) ?? {};
  expect(complete).toBe(false);
});

async function* failing(): AsyncGenerator<Buffer> {
  yield Buffer.alloc(100_000, 1);
  throw new Error('the disk is gone');
}

test('a connection that the server ended while idle is replaced, with the attachments read again', async () => {
  server.fault = 'drop_after_accept';
  const session = await open();
  const order = emailOrder({ attachments: [memoryFile('a.txt', 'text/plain', Buffer.from('once more'))] });
  for (let round = 0; round < 3; round += 1) {
    expect(await session.submit?.(order, new AbortController().signal)).toMatchObject({ kind: 'delivered' });
  }
  await session.close();
  const bodies = server.transactions.slice(-3).map((each) => each.data.toString('latin1'));
  expect(bodies.every((body) => body.includes(Buffer.from('once more').toString('base64')))).toBe(true);
});

test('mails on their way may end when the session closes, and what comes later is no try', async () => {
  server.fault = 'none';
  const session = await open();
  const file = memoryFile('some.bin', 'application/octet-stream', Buffer.alloc(1024 * 1024, 1));
  const sending = session.submit?.(emailOrder({ attachments: [file] }), new AbortController().signal);
  await new Promise((resolve) => setTimeout(resolve, 20));
  await session.close();
  expect(await sending).toMatchObject({ kind: 'delivered' });
  expect(await session.submit?.(emailOrder(), new AbortController().signal)).toMatchObject({ kind: 'deferred' });
});

test('an order that cannot be addressed is refused before anything is sent', async () => {
  const before = server.transactions.length;
  const to = { phone: null, name: '', email: 'anna@example.org\r\nRCPT TO:<eve@example.net>' };
  expect(await submit('none', emailOrder({ to }))).toMatchObject({ kind: 'refused', reason: 'invalid_destination' });
  const from = { phone: null, name: '', email: null };
  expect(await submit('none', emailOrder({ from }))).toMatchObject({ kind: 'refused', reason: 'rejected' });
  expect(server.transactions.length).toBe(before);
});

test('limits tell the kernel what the settings allow', async () => {
  const session = await open({ max_connections: 2, max_messages_per_second: 7 });
  expect(session.limits).toEqual({ maxInFlight: 2, perSecond: 7 });
  await session.close();
});
