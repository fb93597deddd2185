import {
  type Accepted,
  accepted,
  type Delivered,
  type DriverContext,
  type DriverEvent,
  type DriverSession,
  deferred,
  delivered,
  failed,
  type Health,
  type InboundMessage,
  type Order,
  type Outcome,
  type ProviderConfig,
  refused,
  type SessionLimits,
} from '@ictcore/contract';
import { behaviourOf, destinationOf } from './loopback.destinations';
import { Journal } from './loopback.journal';
import type { LoopbackSettings } from './loopback.settings';
import { Timers } from './loopback.timers';

/** Seconds that a call to a magic answerer lasts, and a fax takes for each page. */
const CALL_SECONDS = 3;

/** An event that could not be stored is told again so many times, after so many milliseconds each. */
const RETELL_TIMES = 10;
const RETELL_MS = 1000;

/** A carrier inside the process: nothing leaves it. */
export class LoopbackSession implements DriverSession {
  readonly limits: SessionLimits;
  private readonly journal: Journal;
  private readonly timers = new Timers();
  private readonly settings: LoopbackSettings;
  /** Accepted orders whose report has not come yet, for {@link cancel}. */
  private readonly waiting = new Map<string, () => void>();

  constructor(
    config: ProviderConfig<LoopbackSettings>,
    private readonly context: DriverContext,
  ) {
    this.settings = config.settings;
    this.journal = new Journal(config.settings.journal, context);
    const { max_in_flight: maxInFlight, per_second: perSecond } = config.settings;
    this.limits = { maxInFlight, ...(perSecond !== undefined && { perSecond }) };
  }

  async submit(order: Order, signal: AbortSignal): Promise<Outcome> {
    if (signal.aborted) return failed('cancelled', 'loopback: given up before it began', { notAccepted: true });
    if (this.timers.closed)
      return deferred(this.settings.defer_ms, 'provider_down', 'loopback: the session is closing');
    if (destinationOf(order) === '') return refused('invalid_destination', `loopback: no ${order.channel} address`);
    const problem = mediaProblem(order);
    if (problem) return refused('media_rejected', `loopback: ${problem}`);
    const unseen = await this.journal.write(order).catch((error: Error) => error.message);
    if (unseen !== undefined) return failed('provider_down', unseen, { notAccepted: true });
    await this.timers.wait(this.settings.delay_ms, signal);
    const outcome = await this.answer(order, signal);
    this.context.log.debug({ spoolId: order.spoolId, outcome: outcome.kind }, 'loopback: order answered');
    return outcome;
  }

  async check(): Promise<Health> {
    if (this.timers.closed) return { state: 'error', detail: 'loopback: the session is closed' };
    const problem = await this.journal.ready().catch((error: Error) => error.message);
    if (problem !== undefined) return { state: 'error', detail: problem };
    return { state: 'ok', detail: 'loopback: answers inside this process; nothing is sent to anybody', roundTripMs: 0 };
  }

  async cancel(ref: string): Promise<boolean> {
    const stop = this.waiting.get(ref);
    stop?.();
    this.waiting.delete(ref);
    return stop !== undefined;
  }

  async close(): Promise<void> {
    this.timers.close();
    this.waiting.clear();
    await this.journal.close();
  }

  private async answer(order: Order, signal: AbortSignal): Promise<Outcome> {
    const ref = refOf(order);
    switch (behaviourOf(order)) {
      case 'busy':
        return failed('busy', 'loopback: USER_BUSY', { ref });
      case 'no_answer':
        return failed('no_answer', 'loopback: NO_ANSWER', { ref });
      case 'invalid':
        return refused('invalid_destination', 'loopback: UNALLOCATED_NUMBER', { ref });
      case 'throttled':
        return deferred(this.settings.defer_ms, 'throttled', 'loopback: too many at once');
      case 'rejected':
        return refused('rejected', 'loopback: CALL_REJECTED', { ref });
      case 'provider_down':
        return failed('provider_down', 'loopback: the carrier is down', { notAccepted: true });
      case 'unknown':
        throw new Error('loopback: the link broke after the message may have been taken');
      case 'hang':
        return this.hang(signal);
      case 'reply':
        this.replyTo(order);
        return success(order, ref);
      case 'deliver':
        return success(order, ref);
      default:
        return this.acceptAndReport(order, ref);
    }
  }

  private async hang(signal: AbortSignal): Promise<Outcome> {
    await this.timers.untilAborted(signal);
    throw new Error('loopback: given up while the carrier was silent');
  }

  private async acceptAndReport(order: Order, ref: string): Promise<Accepted> {
    const good = success(order, ref);
    const bad = failed('rejected', 'loopback: accepted, then not delivered', { ref });
    const report = (outcome: typeof good | typeof bad): DriverEvent => ({ kind: 'report', ref, outcome });
    switch (behaviourOf(order)) {
      case 'report_early':
        await this.tell(report(good));
        break;
      case 'report_twice':
        this.later(ref, [report(good), report(good)]);
        break;
      case 'accept_then_fail':
        this.later(ref, [report(bad)]);
        break;
      case 'accept_then_deliver':
        this.later(ref, [report(good)]);
        break;
      default:
    }
    return accepted(ref, { detail: 'loopback: accepted' });
  }

  /** Tells events after `report_ms`, unless cancelled or closed before. */
  private later(ref: string, events: readonly DriverEvent[]): void {
    const stop = this.timers.after(this.settings.report_ms, async () => {
      this.waiting.delete(ref);
      for (const event of events) await this.tell(event);
    });
    this.waiting.set(ref, stop);
  }

  /** Tells an event, and as a real carrier would, again a little later while it cannot be stored. */
  private async tell(event: DriverEvent, triesLeft = RETELL_TIMES): Promise<void> {
    try {
      await this.context.emit(event);
    } catch (error) {
      const fields = { error: (error as Error).message, kind: event.kind, triesLeft };
      this.context.log.warn(fields, 'loopback: an event was not stored');
      if (triesLeft > 0) this.timers.after(RETELL_MS, () => this.tell(event, triesLeft - 1));
    }
  }

  private replyTo(order: Order): void {
    const event = replyEvent(order);
    if (event) this.timers.after(this.settings.report_ms, () => this.tell(event));
  }
}

/** Unique within the provider, and the same for every hand-over of one attempt. */
function refOf(order: Order): string {
  return order.channel === 'email' ? order.messageId : `loopback-${order.spoolId}`;
}

function mediaProblem(order: Order): string | undefined {
  if (order.channel === 'fax' && order.pages < 1) return 'a fax without pages';
  if (order.channel === 'voice' && order.steps.length === 0) return 'a call without anything to say';
  return undefined;
}

function success(order: Order, ref: string): Delivered {
  const detail = 'loopback: NORMAL_CLEARING';
  switch (order.channel) {
    case 'fax': {
      const pages = { type: 'info', name: 'pages', data: String(order.pages) } as const;
      return delivered(ref, { detail, amount: order.pages, facts: [pages] });
    }
    case 'voice':
      return delivered(ref, { detail, amount: CALL_SECONDS, facts: [{ type: 'info', name: 'played', data: '1' }] });
    case 'sms':
      return delivered(ref, { detail: 'loopback: delivered', amount: order.segments });
    case 'email':
      return delivered(ref, { detail: 'loopback: delivered', amount: 1 });
  }
}

/** The same words back, from the destination to the sender; undefined for channels without words. */
function replyEvent(order: Order): InboundMessage | undefined {
  const base = { kind: 'inbound', ref: `loopback-reply-${order.spoolId}` } as const;
  if (order.channel === 'sms') {
    const [from, to] = [order.to.phone ?? '', order.from.phone ?? ''];
    return {
      ...base,
      channel: 'sms',
      from: { phone: from },
      to: { phone: to },
      body: { text: `loopback: ${order.text}` },
    };
  }
  if (order.channel === 'email') {
    const [from, to] = [order.to.email ?? '', order.replyTo ?? order.from.email ?? ''];
    const body = { subject: `Re: ${order.subject}`, text: `loopback: ${order.text}` };
    return { ...base, channel: 'email', from: { email: from, name: order.to.name }, to: { email: to }, body };
  }
  return undefined;
}
