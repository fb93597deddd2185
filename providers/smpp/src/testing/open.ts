import { type DriverEvent, type DriverSession, type Outcome, type SmsOrder } from '@ictcore/contract';
import { type ConfigOverrides, providerConfig, RecordingDriverContext, smsOrder } from '@ictcore/test-kit';
import { smppDriver } from '../smpp.driver';

/** Times short enough for tests. */
export const QUICK = { response_timeout_seconds: 2, enquire_link_seconds: 10, login_retry_seconds: 1 };

/** An open session with what it told. */
export interface Opened {
  session: DriverSession;
  context: RecordingDriverContext;
  /** Hands a text to a number. */
  send(to: string, text?: string, more?: Partial<SmsOrder>): Promise<Outcome>;
  of<K extends DriverEvent['kind']>(kind: K): Extract<DriverEvent, { kind: K }>[];
  close(): Promise<void>;
}

/** Opens a session of the driver towards a port on loopback. */
export async function openSession(
  port: number,
  settings: Record<string, unknown> = {},
  overrides: ConfigOverrides & { context?: RecordingDriverContext } = {},
): Promise<Opened> {
  const { context = new RecordingDriverContext(), ...row } = overrides;
  const config = providerConfig(smppDriver, {
    host: '127.0.0.1',
    port,
    username: 'test',
    password: 'secret',
    settings: { ...QUICK, ...settings },
    ...row,
  });
  const session = await smppDriver.open(config, context);
  return {
    session,
    context,
    send: async (to, text = 'hello', more = {}) => {
      const order = smsOrder({ text, to: { phone: to, email: null, name: '' }, ...more });
      if (!session.submit) throw new Error('no submit');
      return session.submit(order, AbortSignal.timeout(15_000));
    },
    of: (kind) =>
      context.events.filter((event): event is Extract<DriverEvent, { kind: typeof kind }> => event.kind === kind),
    close: async () => {
      await session.close();
      if (!overrides.context) await context.dispose();
    },
  };
}

/** Waits until `probe` gives something. */
export async function until<T>(what: string, probe: () => T | undefined | false, timeoutMs = 8000): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const found = probe();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`timed out: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
