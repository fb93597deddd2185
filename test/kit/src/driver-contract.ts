import { type AnyDriver, CHANNELS, type Order, type Schema, secretFields } from '@ictcore/contract';
import { type Check, registerChecks } from './check';
import { type ConfigOverrides, nextAttempt, providerConfig, type RecordingDriverContext } from './driver-harness';
import { DriverRun, secretsOf, withSession } from './driver-run';
import { activeResources } from './io-guard';
import { eventProblems, healthProblems, outcomeProblems } from './outcome-problems';
import { deepFreeze, must, mustBeJson, mustEqual, pause, refuseProblems, within } from './problems';

/** The other side of a driver under test, for promises that only it can witness. */
export interface DriverPeer {
  /**
   * The keys (Message-ID, reference number, spool id) of all messages handed over so far, in order.
   *
   * @param context of the session that handed them over
   */
  handOvers(context: RecordingDriverContext): Promise<readonly string[]>;
}

/** Options of {@link driverContract}. */
export interface DriverContractOptions {
  /** A provider that works: row and settings. Give it a password and secrets, so that the logs are searched for them. */
  readonly config: ConfigOverrides | (() => ConfigOverrides);
  /** Makes orders that the peer takes, of every channel that `submit` serves; with new spool ids each time. */
  readonly orders: () => readonly Order[];
  /** The same provider while its peer is away (a port where nobody listens). */
  readonly unreachable?: ConfigOverrides | (() => ConfigOverrides);
  /** The same provider while its peer takes the connection, or the message, and never answers. */
  readonly stalling?: ConfigOverrides | (() => ConfigOverrides);
  readonly peer?: DriverPeer;
  /** True for a driver that only takes messages in: it has neither `submit` nor `call`, and `orders` makes none. */
  readonly receivesOnly?: boolean;
  /** String settings that are called like secrets and are none. */
  readonly notSecret?: readonly string[];
  /** Most milliseconds between the abort of a call and its result; 5000 by default. */
  readonly patienceMs?: number;
}

/** Registers the promises of a driver as jest tests. `config` and the like may be functions: they run in the tests. */
export function driverContract(driver: AnyDriver, options: DriverContractOptions): void {
  registerChecks(`driver ${driver.type} keeps the contract`, driverChecks(driver, options));
}

const SECRET_NAME = /pass(word|phrase|wd)?|secret|token|credential|(^|_)(api|auth|private|access|signing)_?key|_key$/i;
/** Default of {@link DriverContractOptions.patienceMs}. */
const PATIENCE_MS = 5000;

/** The promises of a driver (contract `provider.ts`). A simulated one has no peer that could be away. */
export function driverChecks(driver: AnyDriver, options: DriverContractOptions): Check[] {
  return [...declarationChecks(driver, options), ...sessionChecks(driver, options), ...awayChecks(driver, options)];
}

function rowOf<T extends object>(value: T | (() => T)): T {
  return typeof value === 'function' ? (value as () => T)() : value;
}

function declarationChecks(driver: AnyDriver, options: DriverContractOptions): Check[] {
  return [
    { name: 'declares its type, channels, description and port', run: async () => checkIdentity(driver) },
    {
      name: 'its settings schema takes its own result again',
      run: async () => {
        const { settings } = providerConfig(driver, rowOf(options.config));
        mustBeJson(settings, 'the settings');
        mustEqual(driver.settings.parse(JSON.parse(JSON.stringify(settings))), settings, 'parsing twice changes them');
      },
    },
    {
      name: 'marks settings that hold secrets',
      run: async () => {
        const marked = secretFields(driver.settings);
        const shape = (driver.settings as { shape?: Record<string, Schema<unknown>> }).shape ?? {};
        const isText = (field: string) => ![true, 1].some((value) => shape[field]?.safeParse(value).success);
        const named = Object.keys(shape).filter((field) => SECRET_NAME.test(field) && isText(field));
        const bare = named.filter((field) => !marked.includes(field) && !options.notSecret?.includes(field));
        must(bare.length === 0, `${bare.join(', ')}: called like secrets, but not marked with secret()`);
      },
    },
  ];
}

function checkIdentity(driver: AnyDriver): void {
  must(/^[a-z][a-z0-9-]*$/.test(driver.type), `type ${JSON.stringify(driver.type)}`);
  must(driver.channels.length > 0, 'serves no channel');
  must(new Set(driver.channels).size === driver.channels.length, 'names a channel twice');
  for (const channel of driver.channels) must(CHANNELS.includes(channel), `channel ${channel}`);
  must(driver.description.trim() !== '', 'no description');
  const port = driver.defaultPort;
  must(port === undefined || (Number.isInteger(port) && port > 0 && port < 65_536), `default port ${port}`);
  for (const [channel, policy] of Object.entries(driver.receipts ?? {})) {
    must(
      driver.channels.some((each) => each === channel),
      `a receipt policy for ${channel}, which it does not serve`,
    );
    must(policy.timeoutMs > 0, `a receipt time of ${policy.timeoutMs} ms`);
  }
}

function sessionChecks(driver: AnyDriver, options: DriverContractOptions): Check[] {
  const { peer, patienceMs: patience = PATIENCE_MS } = options;
  const session = <T>(work: (run: DriverRun) => Promise<T>) =>
    withSession(driver, rowOf(options.config), activeResources(), work);
  const eachOrder = (work: (order: Order, run: DriverRun) => Promise<void>) =>
    session(async (run) => {
      for (const order of options.orders()) await work(order, run);
    });
  const needsPeer = peer === undefined ? { skip: 'no `peer` is given' } : {};
  return [
    {
      name: 'a session serves the channels and names sensible limits',
      run: () =>
        session(async ({ session: { submit, call, limits } }) => {
          const sends = submit !== undefined || call !== undefined;
          must(sends || options.receivesOnly === true, 'neither submit nor call');
          must(!sends || options.receivesOnly !== true, 'submit or call of a driver that only receives');
          must(call === undefined || driver.channels.includes('voice'), 'call without the channel voice');
          for (const [name, limit] of Object.entries(limits ?? {})) must(Number(limit) > 0, `${name} is ${limit}`);
        }),
    },
    {
      name: 'check tells the health of a working peer',
      run: () =>
        session(async (run) => {
          const health = await run.check();
          refuseProblems(healthProblems(health));
          must(health.state !== 'error', `a working peer has the state error: ${health.detail}`);
        }),
    },
    {
      name: 'check sends nothing',
      ...needsPeer,
      run: () =>
        session(async (run) => {
          const before = (await peer?.handOvers(run.context))?.length;
          await run.check();
          mustEqual((await peer?.handOvers(run.context))?.length, before, 'messages handed over');
        }),
    },
    {
      name: 'submit gives well-formed outcomes and leaves the order as it is',
      run: () => eachOrder(async (order, run) => refuseProblems(outcomeProblems(await run.submit(deepFreeze(order))))),
    },
    {
      name: 'one spool id is one message to the peer, another spool id another',
      ...needsPeer,
      run: () =>
        eachOrder(async (order, run) => {
          for (const each of [order, order, nextAttempt(order)]) await run.submit(each);
          const [first, second, third] = (await peer?.handOvers(run.context))?.slice(-3) ?? [];
          must(first !== undefined && first === second, `two hand-overs of one order are ${first} and ${second}`);
          must(third !== first, `the next attempt is ${third} again`);
        }),
    },
    {
      name: 'submit with a signal already aborted settles and hands nothing over',
      run: () =>
        eachOrder(async (order, run) => {
          const before = (await peer?.handOvers(run.context))?.length;
          const submitted = run.submit(order, AbortSignal.abort()).catch(() => undefined);
          const outcome = await within(patience, 'submit after the abort', submitted);
          must(outcome?.kind !== 'delivered' && outcome?.kind !== 'accepted', `${outcome?.kind} though aborted before`);
          mustEqual((await peer?.handOvers(run.context))?.length, before, 'messages handed over');
        }),
    },
    {
      name: 'cancel of an unknown reference is false',
      run: () =>
        session(async (run) => {
          if (!run.session.cancel) return;
          must((await run.session.cancel('kit-no-such-ref')) === false, 'an unknown reference was cancelled');
        }),
    },
    {
      name: 'two sessions are independent of each other',
      run: () =>
        session(async (first) => {
          const other = { ...rowOf(options.config), providerId: 4, name: 'kit-other' };
          await withSession(driver, other, new Map(activeResources()), async (second) => void (await second.check()));
          for (const order of options.orders().slice(0, 1)) {
            refuseProblems(outcomeProblems(await first.submit(order)));
          }
        }),
    },
    {
      name: 'reports only well-formed events, and an event that cannot be stored does no harm',
      run: async () => {
        for (const emitError of [undefined, new Error('the database is away')]) {
          await session(async (run) => {
            run.context.emitError = emitError;
            for (const order of options.orders()) await run.submit(order);
            await pause(100);
            refuseProblems(run.context.events.flatMap(eventProblems));
          });
        }
      },
    },
    {
      name: 'no secret in logs, outcomes, health or events',
      run: async () => {
        const rows = [options.config, options.unreachable].filter((row) => row !== undefined).map(rowOf);
        for (const row of rows) await searchForSecrets(driver, row, options.orders());
      },
    },
    {
      name: 'close resolves twice and leaves no timer or socket',
      run: () =>
        session(async (run) => {
          await run.check();
          await run.session.close();
        }),
    },
  ];
}

async function searchForSecrets(driver: AnyDriver, row: ConfigOverrides, orders: readonly Order[]): Promise<void> {
  await withSession(driver, row, activeResources(), async (run) => {
    await run.check();
    for (const order of orders) if (run.session.submit) await run.submit(order);
    const text = run.readable();
    const told = secretsOf(driver, row).filter((secret) => text.includes(secret) || text.includes(base64(secret)));
    must(told.length === 0, `${told.length} secrets can be read in logs, outcomes, health or events`);
  });
}

function base64(secret: string): string {
  return Buffer.from(secret).toString('base64').replace(/=+$/, '');
}

function awayChecks(driver: AnyDriver, options: DriverContractOptions): Check[] {
  const { unreachable, stalling, patienceMs: patience = PATIENCE_MS } = options;
  const away = <T>(row: ConfigOverrides | (() => ConfigOverrides) | undefined, work: (run: DriverRun) => Promise<T>) =>
    withSession(driver, rowOf(row ?? {}), activeResources(), work);
  const needsAway = unreachable === undefined ? { skip: 'no `unreachable` is given' } : {};
  const needsStalling = stalling === undefined ? { skip: 'no `stalling` is given' } : {};
  const checks: Check[] = [
    {
      name: 'open does not throw because the peer is away, and close resolves',
      ...needsAway,
      run: () => away(unreachable, async () => undefined),
    },
    {
      name: 'check of a peer that is away tells an error and does not throw',
      ...needsAway,
      run: () =>
        away(unreachable, async (run) => {
          const health = await run.check();
          refuseProblems(healthProblems(health));
          must(!['ok', 'registered'].includes(health.state), `a peer that is away is ${health.state}`);
        }),
    },
    {
      name: 'submit to a peer that is away fails as provably not accepted and does not throw',
      ...needsAway,
      run: () =>
        away(unreachable, async (run) => {
          for (const order of options.orders()) {
            const outcome = await run.submit(order);
            refuseProblems(outcomeProblems(outcome));
            const proven = outcome.kind === 'deferred' || (outcome.kind === 'failed' && outcome.notAccepted === true);
            must(proven, `a peer that is away gives ${JSON.stringify(outcome)}`);
          }
        }),
    },
    {
      name: 'submit settles after an abort while the peer is silent',
      ...needsStalling,
      run: () =>
        away(stalling, async (run) => {
          for (const order of options.orders()) {
            const abort = new AbortController();
            const submitted = run.submit(order, abort.signal).catch(() => undefined);
            await pause(300);
            abort.abort();
            const outcome = await within(patience, 'submit after the abort', submitted);
            must(outcome?.kind !== 'delivered', 'delivered by a silent peer');
          }
        }),
    },
    {
      name: 'check of a silent peer settles after an abort',
      ...needsStalling,
      run: () =>
        away(stalling, async (run) => {
          const abort = new AbortController();
          const checked = run.check(abort.signal);
          await pause(300);
          abort.abort();
          refuseProblems(healthProblems(await within(patience, 'check after the abort', checked)));
        }),
    },
    {
      name: 'close resolves while an order is on its way to a silent peer',
      ...needsStalling,
      run: () =>
        away(stalling, async (run) => {
          const orders = options.orders().slice(0, 1);
          const open = orders.map((order) => run.submit(order).catch(() => undefined));
          await pause(300);
          await within(patience * 2, 'close', run.session.close());
          await within(patience * 2, 'submit after close', Promise.all(open));
        }),
    },
  ];
  return checks.filter(({ skip }) => skip === undefined || !driver.simulated);
}
