import type { Channel } from './channel';
import type { Logger } from './log';
import type { CallOrder, CallStep, FileRef, Order } from './order';
import type { Accepted, Fact, FailureReason, FinalOutcome, Outcome } from './outcome';
import type { Schema } from './schema';

/** The provider row as a driver sees it: validated, with its secrets in clear. Never log it. */
export interface ProviderConfig<S> {
  providerId: number;
  name: string;
  host: string;
  /** 0 if the row names none: the driver's own default applies. */
  port: number;
  username: string;
  password: string;
  /** Number rules: `strip|add` pairs, or a plain prefix (API section 1.16). */
  prefix: string;
  register: boolean;
  settings: S;
}

/** The state of a trunk as `check()` or a `health` event reports it. */
export interface Health {
  state: 'ok' | 'registered' | 'unregistered' | 'error';
  /** For people: the peer's greeting, or what is wrong and how to mend it. */
  detail: string;
  /** Round trip to the peer in milliseconds, where measured. */
  roundTripMs?: number;
}

/** How much a session takes at once; the kernel keeps within it. */
export interface SessionLimits {
  /** Orders handed over and not yet answered. */
  maxInFlight?: number;
  /** Orders per second. */
  perSecond?: number;
}

/** A message that came in. */
export interface InboundMessage {
  kind: 'inbound';
  channel: Channel;
  from: { phone?: string; email?: string; name?: string };
  to: { phone?: string; email?: string };
  /** Unique within the provider: the same ref arriving twice is taken once. */
  ref: string;
  body: {
    text?: string;
    subject?: string;
    html?: string;
    files?: readonly FileRef[];
  };
  facts?: readonly Fact[];
}

/** What became of an order that was `accepted`: a delivery receipt, a hang-up, a bounce. Any order, any number. */
export interface DeliveryReport {
  kind: 'report';
  /** The `ref` of {@link Accepted}. */
  ref: string;
  outcome: FinalOutcome | Accepted;
}

/** The trunk's state changed by itself. */
export interface HealthEvent extends Health {
  kind: 'health';
}

/** Everything a driver may tell the kernel unasked. */
export type DriverEvent = DeliveryReport | InboundMessage | HealthEvent;

/** What the kernel gives a driver's session. */
export interface DriverContext {
  readonly providerId: number;
  readonly log: Logger;
  /**
   * Reports an event. Resolves when the event is stored, so that a driver acknowledges to its peer only what cannot be
   * lost any more; rejects if it could not be stored (the peer should send it again).
   */
  emit(event: DriverEvent): Promise<void>;
  /** The public URL below which this provider's webhooks arrive, without a trailing slash; null if none is configured. */
  readonly webhookUrl: string | null;
  /** A folder of this provider's own below the data directory, made on first use. */
  scratchDir(): Promise<string>;
}

/** A call from outside to a provider's webhook URL. */
export interface WebhookRequest {
  method: string;
  /** The public URL as the carrier called it, for signatures. */
  url: string;
  /** What follows the provider's webhook URL, without a leading slash. */
  path: string;
  query: Readonly<Record<string, string>>;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: Buffer;
  ip: string;
}

/** The answer to a webhook, sent after `events` are stored. */
export interface WebhookResult {
  events: readonly DriverEvent[];
  status?: number;
  mediaType?: string;
  body?: string;
}

/** How a step on a call ended: `success`, `error`, `timeout`, `human`, `machine` or the digits pressed. */
export interface StepOutcome {
  outcome: string;
  facts?: readonly Fact[];
}

/** How a call ended. */
export interface CallEnd {
  outcome: FinalOutcome;
  /** When it was answered and ended, in milliseconds since 1970; null if it never was answered. */
  answeredAt: number | null;
  endedAt: number;
}

/** A live call whose next step the kernel decides. */
export interface Call {
  readonly ref: string;
  perform(step: CallStep, signal: AbortSignal): Promise<StepOutcome>;
  hangup(reason?: FailureReason): Promise<void>;
  readonly ended: Promise<CallEnd>;
}

/** An open connection to one provider. */
export interface DriverSession {
  readonly limits?: SessionLimits;
  /**
   * Hands one order over. Must not throw for what the peer says: name it as an {@link Outcome}. Throwing means that
   * nobody knows: the attempt is closed as `unknown_outcome`. So does a result after `signal` was aborted, unless it
   * comes at once and proves that the message was not taken (`failed` with `notAccepted`, or `refused`). After
   * `close()` has begun, answer `deferred`.
   */
  submit?(order: Order, signal: AbortSignal): Promise<Outcome>;
  /** Starts a call that is decided step by step. Resolves once it is answered, or with the outcome if it never was. */
  call?(order: CallOrder, signal: AbortSignal): Promise<Call | Outcome>;
  /** Tests host and credentials without sending anything. Must not throw for an unreachable peer. */
  check(signal: AbortSignal): Promise<Health>;
  /** Tries to stop an accepted order; true if the peer confirmed. */
  cancel?(ref: string): Promise<boolean>;
  /** Answers a call from the carrier; a wrong signature is an answer with status 401 or 403 and no events. */
  webhook?(request: WebhookRequest): Promise<WebhookResult>;
  /** Ends the connection after a short grace for what is on its way; must resolve even if the peer is gone. */
  close(): Promise<void>;
}

/** What an attempt gets if it stays `accepted` without a report until the time is over. */
export interface ReceiptPolicy {
  /** Milliseconds to wait for the final report. */
  timeoutMs: number;
  /** `completed` with response `accepted`, or `failed` with response `timeout` (API section 3.5). */
  becomes: 'completed' | 'failed';
}

/** A trunk: how to speak with one kind of provider. */
export interface ProviderDriver<S = unknown> {
  /** The provider `type` of the REST API: `smtp`, `smpp`, `sip`, `loopback` ... */
  readonly type: string;
  readonly channels: readonly Channel[];
  readonly description: string;
  /** Schema of the row's `settings`; mark secrets with `secret()`. Defaults in it are applied when a row is saved. */
  readonly settings: Schema<S>;
  /** Which columns of the row must be filled. */
  readonly requires?: readonly ('host' | 'username' | 'password')[];
  readonly defaultPort?: number;
  /** True for a carrier that reaches nobody: never chosen where a real provider serves the channel. */
  readonly simulated?: boolean;
  /** True for a driver that only takes messages in: never chosen to carry one out. */
  readonly receivesOnly?: boolean;
  readonly receipts?: Partial<Record<Channel, ReceiptPolicy>>;
  /**
   * True if its sessions answer webhooks. A server that only answers HTTP (role `api`) opens a session for a webhook
   * only where this says so, since a session may log in somewhere that takes one login at a time.
   */
  readonly webhooks?: boolean;
  /**
   * Opens a session. Called when a provider is first needed or its row has changed; may connect lazily. Must not throw
   * because the peer is away: report that through `check()`, `health` events and outcomes.
   */
  open(config: ProviderConfig<S>, context: DriverContext): Promise<DriverSession>;
}

/** A driver whose settings type has been erased for collecting. */
// biome-ignore lint/suspicious/noExplicitAny: a list of drivers is heterogeneous by nature
export type AnyDriver = ProviderDriver<any>;

/** Types a driver from its settings schema. */
export function defineDriver<S>(driver: ProviderDriver<S>): ProviderDriver<S> {
  return driver;
}
