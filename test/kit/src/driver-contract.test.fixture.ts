import {
  type AnyDriver,
  accepted,
  type DriverContext,
  type DriverSession,
  deferred,
  delivered,
  failed,
  type Order,
  type Outcome,
  type ProviderConfig,
  secret,
  z,
} from '@ictcore/contract';
import type { DriverContractOptions } from './driver-contract';
import { smsOrder } from './driver-harness';

/** The FAKE carrier that the drivers of this file hand messages to: a list. */
const carrier: string[] = [];
/** Timers that careless drivers leave behind, to be cleared after the test. */
export const leftovers: NodeJS.Timeout[] = [];

const settings = z.object({ api_key: secret(z.string()).optional() });
type Config = ProviderConfig<z.output<typeof settings>>;

function untilAborted(signal: AbortSignal, ended: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    for (const each of [signal, ended]) {
      if (each.aborted) resolve();
      else each.addEventListener('abort', () => resolve(), { once: true });
    }
  });
}

function carefulSession({ host }: Config, context: DriverContext): DriverSession {
  const end = new AbortController();
  return {
    limits: { maxInFlight: 5 },
    async submit(order, signal): Promise<Outcome> {
      if (signal.aborted) return failed('cancelled', 'given up', { notAccepted: true });
      if (host === 'away') return failed('provider_down', 'ECONNREFUSED', { notAccepted: true });
      if (host === 'silent') {
        await untilAborted(signal, end.signal);
        return end.signal.aborted ? deferred(1000, 'provider_down', 'closing') : failed('cancelled', 'given up');
      }
      carrier.push(`key-${order.spoolId}`);
      await context
        .emit({ kind: 'report', ref: `key-${order.spoolId}`, outcome: delivered('x') })
        .catch(() => undefined);
      context.log.info({ spoolId: order.spoolId }, 'sent');
      return accepted(`key-${order.spoolId}`);
    },
    async check(signal) {
      if (host === 'silent') await untilAborted(signal, end.signal);
      return host === '' ? { state: 'ok', detail: 'here' } : { state: 'error', detail: 'away: check the host' };
    },
    cancel: async () => false,
    close: async () => end.abort(),
  };
}

/** A driver that keeps every promise. */
export const careful: AnyDriver = {
  type: 'careful',
  channels: ['sms'],
  description: 'Sends with care',
  settings,
  open: async (config: Config, context) => carefulSession(config, context),
};

const secrets = { password: 'pass-123456', settings: { api_key: 'key-123456' } };
/** How the suite is run with the drivers of this file. */
export const options: DriverContractOptions = {
  config: secrets,
  unreachable: { host: 'away', ...secrets },
  stalling: { host: 'silent' },
  orders: () => [smsOrder()],
  peer: { handOvers: async () => carrier },
  patienceMs: 400,
};

type SessionChange = (session: DriverSession, config: Config, context: DriverContext) => Partial<DriverSession>;

/** The careful driver with another session. */
function careless(change: SessionChange, driver: Partial<AnyDriver> = {}): AnyDriver {
  const open = async (config: Config, context: DriverContext) => {
    const session = carefulSession(config, context);
    return { ...session, ...change(session, config, context) };
  };
  return { ...careful, ...driver, open };
}

const always = (outcome: unknown) => careless(() => ({ submit: async () => outcome as Outcome }));
const submitOf = (session: DriverSession, order: Order, signal: AbortSignal) =>
  session.submit?.(order, signal) as Promise<Outcome>;
const never = () => new Promise<never>(() => undefined);

const FORM = 'submit gives well-formed outcomes and leaves the order as it is';
const ONE = 'one spool id is one message to the peer, another spool id another';
const AWAY = 'submit to a peer that is away fails as provably not accepted and does not throw';
const SECRETS = 'no secret in logs, outcomes, health or events';
const LIMITS = 'a session serves the channels and names sensible limits';
const CLOSE = 'close resolves twice and leaves no timer or socket';
/** The state that one careless driver shares between its sessions. */
export function forgetSessions(): void {
  openSessions = 0;
}

let openSessions = 0;
let dice = 0;

/** Drivers that each break one promise, and what the suite must say. */
export const CARELESS: readonly { breaks: string; how: string; driver: AnyDriver; says: RegExp }[] = [
  {
    breaks: 'declares its type, channels, description and port',
    how: 'a type with blanks',
    driver: { ...careful, type: 'my driver' },
    says: /type/,
  },
  {
    breaks: 'its settings schema takes its own result again',
    how: 'a schema that changes what it has given',
    driver: {
      ...careful,
      settings: z.looseObject({
        n: z
          .number()
          .default(1)
          .transform((n) => n + 1),
      }),
    },
    says: /parsing twice/,
  },
  {
    breaks: 'marks settings that hold secrets',
    how: 'a key in clear',
    driver: { ...careful, settings: z.object({ api_key: z.string().optional() }) },
    says: /api_key: called like secrets/,
  },
  {
    breaks: LIMITS,
    how: 'neither submit nor call',
    driver: {
      ...careful,
      open: async () => ({ check: async () => ({ state: 'ok', detail: 'x' }), close: async () => undefined }),
    },
    says: /neither/,
  },
  {
    breaks: LIMITS,
    how: 'no order at all',
    driver: careless(() => ({ limits: { maxInFlight: 0 } })),
    says: /maxInFlight is 0/,
  },
  {
    breaks: 'check tells the health of a working peer',
    how: 'a health without words',
    driver: careless(() => ({ check: async () => ({ state: 'ok', detail: '' }) })),
    says: /no detail/,
  },
  {
    breaks: 'check sends nothing',
    how: 'a test message',
    driver: careless((session) => ({
      check: (signal) => {
        carrier.push('test');
        return session.check(signal);
      },
    })),
    says: /messages handed over/,
  },
  {
    breaks: FORM,
    how: 'a reason of its own',
    driver: always({ kind: 'failed', reason: 'bad luck', detail: 'x' }),
    says: /closed list/,
  },
  { breaks: FORM, how: 'no reference', driver: always({ kind: 'accepted', ref: '' }), says: /without a ref/ },
  { breaks: FORM, how: 'no words', driver: always({ kind: 'refused', reason: 'busy', detail: '' }), says: /own words/ },
  {
    breaks: FORM,
    how: 'a fact with a long name',
    driver: always({ kind: 'delivered', ref: 'x', facts: [{ type: 'info', name: 'x'.repeat(81), data: '' }] }),
    says: /fact name/,
  },
  {
    breaks: FORM,
    how: 'a deferral without a time',
    driver: always({ kind: 'deferred', reason: 'throttled', detail: 'x' }),
    says: /deferred by/,
  },
  {
    breaks: FORM,
    how: 'throws what the peer says',
    driver: careless(() => ({ submit: async () => Promise.reject(new Error('550 no')) })),
    says: /550 no/,
  },
  {
    breaks: FORM,
    how: 'changes the order',
    driver: careless((session) => ({
      submit: (order, signal) => submitOf(session, Object.assign(order, { attempt: 9 }), signal),
    })),
    says: /read only/,
  },
  {
    breaks: ONE,
    how: 'a new key each time',
    driver: careless((session) => ({
      submit: (order, signal) => submitOf(session, { ...order, spoolId: ++dice }, signal),
    })),
    says: /two hand-overs of one order/,
  },
  {
    breaks: ONE,
    how: 'the same key for all',
    driver: careless((session) => ({ submit: (order, signal) => submitOf(session, { ...order, spoolId: 1 }, signal) })),
    says: /again/,
  },
  {
    breaks: 'submit with a signal already aborted settles and hands nothing over',
    how: 'sends all the same',
    driver: careless((session) => ({ submit: (order) => submitOf(session, order, new AbortController().signal) })),
    says: /though aborted/,
  },
  {
    breaks: 'cancel of an unknown reference is false',
    how: 'cancels anything',
    driver: careless(() => ({ cancel: async () => true })),
    says: /was cancelled/,
  },
  {
    breaks: 'two sessions are independent of each other',
    how: 'one state for all',
    driver: careless((session) => {
      openSessions += 1;
      return {
        submit: (order, signal) =>
          openSessions < 0 ? Promise.reject(new Error('closed')) : submitOf(session, order, signal),
        close: async () => {
          openSessions = -1000;
        },
      };
    }),
    says: /closed/,
  },
  {
    breaks: 'reports only well-formed events, and an event that cannot be stored does no harm',
    how: 'a message without a reference',
    driver: careless((session, _, context) => ({
      submit: async (order, signal) => {
        await context.emit({ kind: 'inbound', channel: 'sms', from: {}, to: {}, ref: '', body: {} }).catch(() => 0);
        return submitOf(session, order, signal);
      },
    })),
    says: /taken twice/,
  },
  {
    breaks: 'reports only well-formed events, and an event that cannot be stored does no harm',
    how: 'fails with its events',
    driver: careless((session, _, context) => ({
      submit: async (order, signal) => {
        await context.emit({ kind: 'health', state: 'ok', detail: 'x' });
        return submitOf(session, order, signal);
      },
    })),
    says: /the database is away/,
  },
  {
    breaks: SECRETS,
    how: 'logs its configuration',
    driver: careless((session, config, context) => ({
      check: (signal) => {
        context.log.debug({ config }, 'checking');
        return session.check(signal);
      },
    })),
    says: /secrets can be read/,
  },
  {
    breaks: SECRETS,
    how: 'tells its password in base64',
    driver: careless((_, { password }) => ({
      check: async () => ({ state: 'error', detail: `AUTH PLAIN ${Buffer.from(password).toString('base64')}` }),
    })),
    says: /secrets can be read/,
  },
  {
    breaks: CLOSE,
    how: 'closes only once',
    driver: careless((session) => {
      let closed = false;
      return {
        close: async () => {
          if (closed) throw new Error('closed already');
          closed = true;
          await session.close();
        },
      };
    }),
    says: /closed already/,
  },
  {
    breaks: CLOSE,
    how: 'leaves a timer',
    driver: careless(() => {
      leftovers.push(setInterval(() => 0, 1e6));
      return {};
    }),
    says: /left open: Timeout/,
  },
  {
    breaks: 'open does not throw because the peer is away, and close resolves',
    how: 'connects at once',
    driver: { ...careful, open: async () => Promise.reject(new Error('ECONNREFUSED')) },
    says: /ECONNREFUSED/,
  },
  {
    breaks: 'check of a peer that is away tells an error and does not throw',
    how: 'throws',
    driver: careless(() => ({ check: async () => Promise.reject(new Error('ECONNREFUSED')) })),
    says: /ECONNREFUSED/,
  },
  {
    breaks: 'check of a peer that is away tells an error and does not throw',
    how: 'is content',
    driver: careless(() => ({ check: async () => ({ state: 'ok', detail: 'fine' }) })),
    says: /away is ok/,
  },
  {
    breaks: AWAY,
    how: 'does not say what is proven',
    driver: always(failed('provider_down', 'ECONNREFUSED')),
    says: /a peer that is away gives/,
  },
  {
    breaks: AWAY,
    how: 'gives up for good',
    driver: always({ kind: 'refused', reason: 'provider_down', detail: 'x' }),
    says: /a peer that is away gives/,
  },
  {
    breaks: 'submit settles after an abort while the peer is silent',
    how: 'waits on',
    driver: careless(() => ({ submit: never })),
    says: /submit after the abort took more than/,
  },
  {
    breaks: 'check of a silent peer settles after an abort',
    how: 'waits on',
    driver: careless(() => ({ check: never })),
    says: /check after the abort took more than/,
  },
  {
    breaks: 'close resolves while an order is on its way to a silent peer',
    how: 'forgets the order',
    driver: careless(
      (session, { host }) =>
        ({
          submit: host === 'silent' ? never : session.submit,
          close: async () => undefined,
        }) as Partial<DriverSession>,
    ),
    says: /submit after close took more than/,
  },
];
