import type { Logger } from '@ictcore/contract';
import { type AmiMessage, field } from '../ami/ami-message';
import { type CallEndFacts, type IctEnd, parseIctEnd } from '../calls/call-end';

/** A fax or recording that came in. */
export interface Received {
  /** Asterisk's Uniqueid, unique over restarts. */
  readonly ref: string;
  readonly end: IctEnd;
  readonly at: number;
}

/** What a provider's session does with what happens on its trunk. Rejected promises are tried again later. */
export interface TrunkHandler {
  ended(facts: CallEndFacts): Promise<void>;
  received(received: Received): Promise<void>;
}

/** An outbound call that is not over, or whose end is not stored yet. */
export interface OpenCall {
  readonly ref: string;
  readonly providerId: number;
  /** The journal's length before it began: its lines come after. */
  readonly offset: number;
  readonly begunAt: number;
  /** Asterisk has made its channel. */
  hasChannel: boolean;
  answered: boolean;
  cancelled: boolean;
  end: IctEnd | undefined;
  over: boolean;
  /** Called at each change of state. */
  readonly watchers: Set<() => void>;
}

/** Something to tell a provider. */
interface Work {
  readonly providerId: number;
  /** The journal must be kept from here on until it is done. */
  readonly offset: number;
  readonly since: number;
  run(to: TrunkHandler): Promise<void>;
}

/** What no provider has taken for so long is given up: it was deleted. */
const MAX_WAIT_MS = 24 * 3_600_000;
/** Ends that were told lately: the journal tells them again after a reconnect. */
const MAX_RECENT = 20_000;
const RETRY_MS = { first: 500, most: 30_000 };

/** Follows the calls of one Asterisk by its events, and brings each end to its provider until that has stored it. */
export class CallTracker {
  readonly open = new Map<string, OpenCall>();
  /** By provider, the oldest first: it gets what happens. A test of a provider opens it a second time. */
  private readonly handlers = new Map<number, TrunkHandler[]>();
  private readonly flows = new Map<string, (facts: CallEndFacts) => void>();
  private readonly recent = new Map<string, true>();
  /** Work for handlers: by key, with the journal's offset that must not be passed before it is done. */
  private readonly work = new Map<string, Work>();
  private readonly timers = new Set<NodeJS.Timeout>();

  constructor(private readonly log: Logger) {}

  /** Registers a provider's session; what came for it before is delivered now. */
  attach(providerId: number, handler: TrunkHandler): void {
    this.handlers.set(providerId, [...(this.handlers.get(providerId) ?? []), handler]);
    for (const [key, item] of this.work) if (item.providerId === providerId) void this.attempt(key, RETRY_MS.first);
  }

  /** Takes a session away; ends of its calls wait for the next one. */
  detach(providerId: number, handler: TrunkHandler): void {
    const others = (this.handlers.get(providerId) ?? []).filter((each) => each !== handler);
    if (others.length > 0) this.handlers.set(providerId, others);
    else this.handlers.delete(providerId);
  }

  /** Sends the end of this call to those who decide its steps, in place of its provider; returns an undo. */
  takeEnd(ref: string, tell: (facts: CallEndFacts) => void): () => void {
    this.flows.set(ref, tell);
    return () => this.flows.delete(ref);
  }

  /** Begins to follow a call, before it is asked for. */
  begin(ref: string, providerId: number, offset: number, more: Partial<OpenCall> = {}): OpenCall {
    const call: OpenCall = {
      ref,
      providerId,
      offset,
      begunAt: Date.now(),
      hasChannel: false,
      answered: false,
      cancelled: false,
      end: undefined,
      over: false,
      watchers: new Set(),
      ...more,
    };
    this.recent.delete(ref);
    this.open.set(ref, call);
    return call;
  }

  /** Forgets a call that surely never began. */
  drop(ref: string): void {
    this.open.delete(ref);
  }

  /** Calls of one provider that are up or on their way. */
  count(providerId: number): number {
    let count = 0;
    for (const call of this.open.values()) if (call.providerId === providerId && !call.over) count += 1;
    return count;
  }

  /** The journal's offset before which everything is dealt with; `otherwise` if nothing is open. */
  safeOffset(otherwise: number): number {
    let least = otherwise;
    for (const { offset } of this.open.values()) least = Math.min(least, offset);
    for (const { offset } of this.work.values()) least = Math.min(least, offset);
    return least;
  }

  /** True while something is open. */
  get busy(): boolean {
    return this.open.size > 0 || this.work.size > 0;
  }

  /** Takes an event of Asterisk. */
  take(message: AmiMessage): void {
    const uniqueid = field(message, 'uniqueid');
    if (message.event === 'OriginateResponse') this.originated(message);
    const call = this.open.get(uniqueid);
    if (!call || call.over) return;
    if (message.event === 'Newchannel') call.hasChannel = true;
    else if (message.event === 'Newstate' && field(message, 'channelstate') === '6') call.answered = true;
    else if (message.event === 'UserEvent' && field(message, 'userevent') === 'IctEnd') {
      call.end = parseIctEnd(field(message, 'data'));
    } else if (message.event === 'Hangup') {
      this.finish(call, { cause: Number(field(message, 'cause')) || 0, techCause: field(message, 'techcause') });
    }
    for (const watch of call.watchers) watch();
  }

  /** An end, from whatever source. A call that is not followed (it began under an earlier server) is told all the same. */
  finish(call: OpenCall, more: Partial<CallEndFacts>): void {
    if (call.over || this.recent.has(call.ref)) return;
    call.over = true;
    const facts: CallEndFacts = {
      ref: call.ref,
      cause: 0,
      techCause: '',
      end: call.end,
      endedAt: Date.now(),
      noChannel: false,
      lost: false,
      cancelled: call.cancelled,
      ...more,
    };
    this.open.delete(call.ref);
    this.remember(call.ref);
    for (const watch of call.watchers) watch();
    const flow = this.flows.get(call.ref);
    if (flow) flow(facts);
    else this.deliver(call.ref, call.providerId, call.offset, (to) => to.ended(facts));
  }

  /** Brings something that came in to its provider. */
  receive(providerId: number, offset: number, received: Received): void {
    if (this.recent.has(received.ref)) return;
    this.remember(received.ref);
    this.deliver(received.ref, providerId, offset, (to) => to.received(received));
  }

  /** True if the end of this call has been told already. */
  wasTold(ref: string): boolean {
    return this.recent.has(ref);
  }

  /** Gives up what belongs to providers that never came back. */
  expire(now = Date.now()): void {
    for (const [key, { since, providerId }] of this.work) {
      if (now - since < MAX_WAIT_MS || this.handlers.has(providerId)) continue;
      this.work.delete(key);
      this.log.warn({ ref: key, providerId }, 'asterisk: the end of a call belongs to no provider, given up');
    }
  }

  /** Stops all retries. */
  close(): void {
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
    this.handlers.clear();
  }

  /** No channel was made: there will be no Hangup either. */
  private originated(message: AmiMessage): void {
    // By ActionID: a ChannelId that is in use fails under the Uniqueid of the call that has it.
    const call = this.open.get(field(message, 'actionid'));
    if (!call || call.over || call.hasChannel || field(message, 'response') !== 'Failure') return;
    this.finish(call, { noChannel: true });
  }

  private remember(ref: string): void {
    this.recent.set(ref, true);
    for (const oldest of this.recent.keys()) {
      if (this.recent.size <= MAX_RECENT) break;
      this.recent.delete(oldest);
    }
  }

  private deliver(key: string, providerId: number, offset: number, run: (to: TrunkHandler) => Promise<void>): void {
    this.work.set(key, { providerId, offset, since: Date.now(), run });
    void this.attempt(key, RETRY_MS.first);
  }

  private async attempt(key: string, retryMs: number): Promise<void> {
    const item = this.work.get(key);
    const handler = item && this.handlers.get(item.providerId)?.[0];
    if (!item || !handler) return;
    try {
      await item.run(handler);
      this.work.delete(key);
    } catch (error) {
      this.log.warn({ ref: key, error: (error as Error).message }, 'asterisk: an end could not be stored, tried again');
      const timer = setTimeout(() => {
        this.timers.delete(timer);
        void this.attempt(key, Math.min(RETRY_MS.most, retryMs * 2));
      }, retryMs);
      timer.unref();
      this.timers.add(timer);
    }
  }
}
