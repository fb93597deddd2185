import type { AnyDriver, DriverSession, Health, Order, Outcome } from '@ictcore/contract';
import { secretFields } from '@ictcore/contract';
import { type ConfigOverrides, providerConfig, RecordingDriverContext } from './driver-harness';
import { mustLeaveNothing } from './plugin-contract';
import { within } from './problems';

/** Longest wait for a call of a driver, in milliseconds; a driver's own timeouts must be shorter in tests. */
export const CALL_TIMEOUT_MS = 20_000;

/** An open session of a driver with what it reported. */
export class DriverRun {
  readonly outcomes: Outcome[] = [];
  readonly healths: Health[] = [];

  constructor(
    readonly session: DriverSession,
    readonly context: RecordingDriverContext,
  ) {}

  /** Hands an order over; rejects if the driver throws or takes too long. */
  async submit(order: Order, signal: AbortSignal = new AbortController().signal): Promise<Outcome> {
    if (!this.session.submit) throw new Error('this driver has no submit');
    const outcome = await within(
      CALL_TIMEOUT_MS,
      `submit of an order for ${order.channel}`,
      this.session.submit(order, signal),
    );
    this.outcomes.push(outcome);
    return outcome;
  }

  /** Asks for the trunk's health; rejects if the driver throws or takes too long. */
  async check(signal: AbortSignal = new AbortController().signal): Promise<Health> {
    const health = await within(CALL_TIMEOUT_MS, 'check', this.session.check(signal));
    this.healths.push(health);
    return health;
  }

  /** Everything that a user or an operator could read of this session. */
  readable(): string {
    return `${this.context.log.text()}\n${JSON.stringify([this.outcomes, this.healths, this.context.events])}`;
  }
}

/** Opens a session, works with it, closes it, and fails if the driver throws or leaves anything open. */
export async function withSession<T>(
  driver: AnyDriver,
  overrides: ConfigOverrides,
  before: ReadonlyMap<string, number>,
  work: (run: DriverRun) => Promise<T>,
): Promise<T> {
  const context = new RecordingDriverContext(overrides.providerId ?? 3);
  try {
    const opening = driver.open(providerConfig(driver, overrides), context);
    const run = new DriverRun(await within(CALL_TIMEOUT_MS, 'open', opening), context);
    const close = async () => {
      await within(CALL_TIMEOUT_MS, 'close', run.session.close());
      await mustLeaveNothing(before);
    };
    try {
      const result = await work(run);
      await close();
      return result;
    } catch (error) {
      // The first thing that went wrong is the one to tell.
      await close().catch(() => undefined);
      throw error;
    }
  } finally {
    await context.dispose();
  }
}

/** The secrets of a configuration that are long enough to be found in a text. */
export function secretsOf(driver: AnyDriver, overrides: ConfigOverrides): string[] {
  const settings = (overrides.settings ?? {}) as Record<string, unknown>;
  const values = [overrides.password, ...secretFields(driver.settings).map((field) => settings[field])];
  const secrets = values.filter((value): value is string => typeof value === 'string' && value.length >= 6);
  // A key of many lines may be logged line by line.
  return secrets.flatMap((secret) => (secret.includes('\n') ? [secret, ...longLines(secret)] : [secret]));
}

function longLines(secret: string): string[] {
  return secret.split('\n').filter((line) => line.length > 40);
}
