import {
  type Call,
  type CallOrder,
  type DriverSession,
  failed,
  type Health,
  type Order,
  type Outcome,
  type SessionLimits,
} from '@ictcore/contract';
import type { AsteriskSession } from './asterisk.session';

/** An Asterisk that could not be started is tried again after this time at the earliest. */
const RETRY_MS = 10_000;

/**
 * A session that is there although Asterisk may not be: it is not installed, or does not start. Orders then fail as
 * proven not accepted, `check` says why, and the next use tries again.
 */
export class LazySession implements DriverSession {
  private session: AsteriskSession | undefined;
  private opening: Promise<void> | undefined;
  private problem = '';
  private triedAt = 0;
  private closed = false;

  constructor(
    readonly limits: SessionLimits,
    private readonly open: () => Promise<AsteriskSession>,
  ) {}

  /** Tries to open; never throws. */
  async connect(): Promise<AsteriskSession | undefined> {
    if (this.session || this.closed || (this.triedAt > 0 && Date.now() - this.triedAt < RETRY_MS)) return this.session;
    this.opening ??= this.open()
      .then(
        (session) => {
          this.session = session;
        },
        (error: Error) => {
          this.problem = error.message.split('\n')[0] ?? '';
        },
      )
      .finally(() => {
        this.triedAt = Date.now();
        this.opening = undefined;
      });
    await this.opening;
    return this.session;
  }

  async submit(order: Order, signal: AbortSignal): Promise<Outcome> {
    return (await this.connect())?.submit(order, signal) ?? this.away();
  }

  async call(order: CallOrder, signal: AbortSignal): Promise<Call | Outcome> {
    return (await this.connect())?.call(order, signal) ?? this.away();
  }

  async check(signal: AbortSignal): Promise<Health> {
    return (await this.connect())?.check(signal) ?? { state: 'error', detail: this.problem };
  }

  async cancel(ref: string): Promise<boolean> {
    return (await this.session?.cancel(ref)) ?? false;
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.opening;
    await this.session?.close();
  }

  private away(): Outcome {
    return failed('provider_down', this.problem || 'the provider is closing', { notAccepted: true });
  }
}
