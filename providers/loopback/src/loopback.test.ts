import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DriverSession, Order, Outcome } from '@ictcore/contract';
import {
  driverContract,
  emailOrder,
  faxOrder,
  pluginContract,
  providerConfig,
  RecordingDriverContext,
  smsOrder,
  voiceOrder,
} from '@ictcore/test-kit';
import { type JournalLine, loopbackDriver, loopbackPlugin, MAGIC_DESTINATIONS } from './index';

const signal = new AbortController().signal;

pluginContract(loopbackPlugin, { packageFolder: join(__dirname, '..') });

driverContract(loopbackDriver, {
  config: {
    password: 'not-used-at-all',
    settings: { max_in_flight: 5, per_second: 100, journal: 'handed-over.jsonl' },
  },
  stalling: { settings: { delay_ms: 60_000 } },
  orders: () => [smsOrder(), emailOrder(), faxOrder(), voiceOrder()],
  peer: {
    handOvers: async (context) => (await journalOf(context)).map((line) => String(line.spool_id)),
  },
});

async function journalOf(context: RecordingDriverContext): Promise<JournalLine[]> {
  const text = await readFile(join(await context.scratchDir(), 'handed-over.jsonl'), 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as JournalLine);
}

/** A session with its context; both end with the test. */
const sessions: { session: DriverSession; context: RecordingDriverContext }[] = [];

async function open(settings: Record<string, unknown> = {}) {
  const context = new RecordingDriverContext();
  const session = await loopbackDriver.open(providerConfig(loopbackDriver, { settings }), context);
  sessions.push({ session, context });
  return {
    session,
    context,
    submit: (order: Order, given = signal) => session.submit?.(order, given) as Promise<Outcome>,
  };
}

afterEach(async () => {
  for (const { session, context } of sessions.splice(0)) {
    await session.close();
    await context.dispose();
  }
});

/** Orders of every channel to one magic destination. */
function ordersTo(name: string): Order[] {
  const magic = MAGIC_DESTINATIONS.find(({ localPart }) => localPart === name);
  const to = { phone: `+1555010${magic?.ending}`, email: `${name}+tag@example.org`, name: '' };
  return [smsOrder({ to }), emailOrder({ to }), faxOrder({ to, pages: 3 }), voiceOrder({ to })];
}

test('endings and local parts are each named once, and the description tells them', () => {
  for (const key of ['ending', 'localPart', 'behaviour'] as const) {
    expect(new Set(MAGIC_DESTINATIONS.map((each) => each[key])).size).toBe(MAGIC_DESTINATIONS.length);
  }
  for (const { ending, localPart } of MAGIC_DESTINATIONS)
    expect(loopbackDriver.description).toContain(`…${ending} or ${localPart}@`);
});

test('the README tells each of them', async () => {
  const readme = await readFile(join(__dirname, '..', 'README.md'), 'utf8');
  for (const { ending, localPart } of MAGIC_DESTINATIONS) expect(readme).toContain(`| ${ending} | \`${localPart}\` |`);
});

test('what is not magic is delivered, and billed as its channel is', async () => {
  const { submit } = await open();
  const amounts = [smsOrder({ segments: 2 }), emailOrder(), faxOrder({ pages: 3 }), voiceOrder()].map(submitted);
  async function submitted(order: Order) {
    const outcome = await submit(order);
    return outcome.kind === 'delivered' ? outcome.amount : outcome.kind;
  }
  expect(await Promise.all(amounts)).toEqual([2, 1, 3, 3]);
  const pages = await submit(faxOrder({ pages: 3 }));
  expect(pages).toMatchObject({ facts: [{ type: 'info', name: 'pages', data: '3' }] });
});

test.each([
  ['busy', { kind: 'failed', reason: 'busy' }],
  ['noanswer', { kind: 'failed', reason: 'no_answer' }],
  ['invalid', { kind: 'refused', reason: 'invalid_destination' }],
  ['throttled', { kind: 'deferred', reason: 'throttled', afterMs: 1234 }],
  ['rejected', { kind: 'refused', reason: 'rejected' }],
  ['down', { kind: 'failed', reason: 'provider_down', notAccepted: true }],
])('%s', async (name, wanted) => {
  const { submit } = await open({ defer_ms: 1234 });
  for (const order of ordersTo(name)) {
    const outcome = await submit(order);
    expect(outcome).toMatchObject(wanted);
    expect((outcome as { detail: string }).detail).toMatch(/^loopback: /);
  }
});

test('unknown: submit throws on every channel', async () => {
  const { submit } = await open();
  for (const order of ordersTo('unknown')) await expect(submit(order)).rejects.toThrow('loopback: the link broke');
});

test.each([
  ['later', 'delivered', 1],
  ['laterfail', 'failed', 1],
  ['twice', 'delivered', 2],
] as const)('%s: accepted, then reported %s', async (name, kind, times) => {
  const { submit, context } = await open({ report_ms: 30 });
  for (const order of ordersTo(name)) {
    const outcome = await submit(order);
    expect(outcome.kind).toBe('accepted');
    expect(context.events).toEqual([]);
    await new Promise((resolve) => setTimeout(resolve, 80));
    const ref = outcome.kind === 'accepted' ? outcome.ref : '';
    const events = context.events.splice(0);
    expect(events).toHaveLength(times);
    for (const event of events) expect(event).toMatchObject({ kind: 'report', ref, outcome: { kind } });
  }
});

test('early: the report is there before the answer', async () => {
  const { submit, context } = await open({ report_ms: 60_000 });
  for (const order of ordersTo('early')) {
    const outcome = await submit(order);
    expect(outcome.kind).toBe('accepted');
    expect(context.events.splice(0)).toMatchObject([{ kind: 'report', outcome: { kind: 'delivered' } }]);
  }
});

test('silent: accepted, and nothing follows', async () => {
  const { submit, context } = await open({ report_ms: 0 });
  for (const order of ordersTo('silent')) expect((await submit(order)).kind).toBe('accepted');
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(context.events).toEqual([]);
});

test('reply: the words come back as a message to the sender', async () => {
  const { submit, context } = await open({ report_ms: 10 });
  const [sms, email] = ordersTo('reply') as [Order, Order];
  expect((await submit(sms)).kind).toBe('delivered');
  expect((await submit(email)).kind).toBe('delivered');
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect(context.events).toMatchObject([
    {
      kind: 'inbound',
      channel: 'sms',
      from: { phone: sms.to.phone },
      to: { phone: sms.from.phone },
      body: { text: 'loopback: hello' },
    },
    { kind: 'inbound', channel: 'email', from: { email: email.to.email }, to: { email: email.from.email } },
  ]);
});

test('hang: no answer until the order is given up', async () => {
  const { submit } = await open();
  for (const order of ordersTo('hang')) {
    const abort = new AbortController();
    const submitted = submit(order, abort.signal);
    setTimeout(() => abort.abort(), 30);
    await expect(submitted).rejects.toThrow('loopback: given up');
  }
});

test('a report can be called off, once', async () => {
  const { submit, session, context } = await open({ report_ms: 50 });
  const outcome = await submit(ordersTo('later')[0] as Order);
  const ref = outcome.kind === 'accepted' ? outcome.ref : '';
  expect(await session.cancel?.(ref)).toBe(true);
  expect(await session.cancel?.(ref)).toBe(false);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(context.events).toEqual([]);
});

test('an event that could not be stored is told again', async () => {
  const { submit, context } = await open({ report_ms: 0 });
  context.emitError = new Error('the database is away');
  await submit(ordersTo('later')[0] as Order);
  await new Promise((resolve) => setTimeout(resolve, 100));
  context.emitError = undefined;
  await new Promise((resolve) => setTimeout(resolve, 1200));
  expect(context.events).toHaveLength(1);
});

test('the journal has one line for each hand-over, in the order they came, from several sessions', async () => {
  const { submit, context } = await open({ journal: 'seen/../handed-over.jsonl' });
  const orders = [smsOrder(), emailOrder(), ...ordersTo('unknown').slice(0, 1), ...ordersTo('down').slice(0, 1)];
  for (const order of orders) await submit(order).catch(() => undefined);
  const second = await loopbackDriver.open(
    providerConfig(loopbackDriver, { settings: { journal: 'handed-over.jsonl' } }),
    context,
  );
  const many = Array.from({ length: 50 }, () => smsOrder());
  await Promise.all(many.map((order, index) => (index % 2 ? submit(order) : second.submit?.(order, signal))));
  await second.close();
  const lines = await journalOf(context);
  expect(lines.slice(0, 4).map((line) => line.spool_id)).toEqual(orders.map((order) => order.spoolId));
  expect(lines[1]).toMatchObject({
    channel: 'email',
    destination: 'recipient@example.org',
    provider_id: 3,
    attempt: 1,
  });
  expect(Math.abs(Date.parse(lines[0]?.time ?? '') - Date.now())).toBeLessThan(10_000);
  const seen = lines
    .slice(4)
    .map((line) => line.spool_id)
    .sort((a, b) => a - b);
  expect(seen).toEqual(many.map((order) => order.spoolId));
});

test.each(['../outside.jsonl', '/tmp/outside.jsonl', '.'])(
  'the journal %s is refused, and nothing is handed over',
  async (journal) => {
    const { submit, session } = await open({ journal });
    const detail = expect.stringContaining('not below the folder of this provider');
    expect(await submit(smsOrder())).toMatchObject({ kind: 'failed', notAccepted: true, detail });
    expect(await session.check(signal)).toMatchObject({ state: 'error', detail });
  },
);

test('the delay of a hand-over ends with its order', async () => {
  const { submit } = await open({ delay_ms: 100 });
  const begin = Date.now();
  expect((await submit(smsOrder())).kind).toBe('delivered');
  expect(Date.now() - begin).toBeGreaterThanOrEqual(95);
});

test('limits are those of the settings, and simulated is told', async () => {
  const { session } = await open({ max_in_flight: 3, per_second: 9 });
  expect(session.limits).toEqual({ maxInFlight: 3, perSecond: 9 });
  expect(loopbackDriver.simulated).toBe(true);
});

test('an order that has no destination or nothing to send is refused', async () => {
  const { submit } = await open();
  const to = { phone: null, email: null, name: '' };
  expect(await submit(smsOrder({ to }))).toMatchObject({ kind: 'refused', reason: 'invalid_destination' });
  expect(await submit(faxOrder({ pages: 0 }))).toMatchObject({ kind: 'refused', reason: 'media_rejected' });
  expect(await submit(voiceOrder({ steps: [] }))).toMatchObject({ kind: 'refused', reason: 'media_rejected' });
});

test('every log line says loopback', async () => {
  const { submit, context } = await open({ report_ms: 0 });
  for (const { localPart } of MAGIC_DESTINATIONS.filter(({ behaviour }) => behaviour !== 'hang')) {
    for (const order of ordersTo(localPart)) await submit(order).catch(() => undefined);
  }
  expect(context.log.lines.length).toBeGreaterThan(10);
  for (const { message } of context.log.lines) expect(message).toMatch(/^loopback: /);
});
