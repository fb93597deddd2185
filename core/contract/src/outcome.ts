/**
 * Why an attempt failed. A closed list, the same for every channel; the carrier's own words (Q.850 cause, SMTP or SMPP
 * code, FAXERROR) travel beside it as `detail`.
 */
export const FAILURE_REASONS = [
  'busy',
  'no_answer',
  'rejected',
  'invalid_destination',
  'unauthorized',
  'blocked',
  'media_rejected',
  'throttled',
  'provider_down',
  'timeout',
  'cancelled',
  'unknown',
] as const;

/** One of {@link FAILURE_REASONS}. */
export type FailureReason = (typeof FAILURE_REASONS)[number];

/** A fact an attempt brought to light; becomes a row of `spool_result` (API sections 1.10, 3.7). */
export interface Fact {
  type: 'application' | 'contact' | 'message' | 'info' | 'error';
  /** At most 80 characters. One fact per name and attempt: a later one replaces an earlier one. */
  name: string;
  data: string;
}

/** The carrier has taken the message; the end comes later as a report under `ref`. */
export interface Accepted {
  kind: 'accepted';
  /** The carrier's own message or channel id, unique within the provider (stored as the spool's `call_id`). */
  ref: string;
  detail?: string;
  facts?: readonly Fact[];
}

/** The message has arrived (or, where a channel knows no receipts, has been handed over for good). */
export interface Delivered {
  kind: 'delivered';
  ref: string;
  detail?: string;
  facts?: readonly Fact[];
  /** What is billed: connected seconds (voice), pages (fax), segments (sms), 1 (email). */
  amount?: number;
}

/** This try is over without success and the message was NOT accepted; another try may work. */
export interface Failed {
  kind: 'failed';
  reason: FailureReason;
  /** The carrier's own words, shown to the user as the attempt's `response`. */
  detail: string;
  ref?: string;
  facts?: readonly Fact[];
  /**
   * True only if it is proven that the carrier did not take the message (no connection, refused login, an explicit
   * refusal). Only then may another provider be tried within the same attempt.
   */
  notAccepted?: boolean;
}

/** Permanent: trying again can never work. */
export interface Refused {
  kind: 'refused';
  reason: FailureReason;
  detail: string;
  ref?: string;
  facts?: readonly Fact[];
}

/** Not a try at all: throttled, no free line, shutting down. The attempt goes back to the queue. */
export interface Deferred {
  kind: 'deferred';
  /** Milliseconds to wait before the next hand-over. */
  afterMs: number;
  reason: FailureReason;
  detail: string;
}

/**
 * What became of a hand-over. A driver returns what it can name. If it throws, or its link breaks after the message may
 * have been taken, the kernel records the attempt as `unknown_outcome` and does not send again.
 */
export type Outcome = Accepted | Delivered | Failed | Refused | Deferred;

/** An outcome that ends an attempt. */
export type FinalOutcome = Delivered | Failed | Refused;

/** `accepted(ref)`: see {@link Accepted}. */
export function accepted(ref: string, more: Omit<Accepted, 'kind' | 'ref'> = {}): Accepted {
  return { kind: 'accepted', ref, ...more };
}

/** `delivered(ref)`: see {@link Delivered}. */
export function delivered(ref: string, more: Omit<Delivered, 'kind' | 'ref'> = {}): Delivered {
  return { kind: 'delivered', ref, ...more };
}

/** `failed(reason, detail)`: see {@link Failed}. */
export function failed(
  reason: FailureReason,
  detail: string,
  more: Omit<Failed, 'kind' | 'reason' | 'detail'> = {},
): Failed {
  return { kind: 'failed', reason, detail, ...more };
}

/** `refused(reason, detail)`: see {@link Refused}. */
export function refused(
  reason: FailureReason,
  detail: string,
  more: Omit<Refused, 'kind' | 'reason' | 'detail'> = {},
): Refused {
  return { kind: 'refused', reason, detail, ...more };
}

/** `deferred(afterMs, reason, detail)`: see {@link Deferred}. `afterMs` in milliseconds. */
export function deferred(afterMs: number, reason: FailureReason, detail: string): Deferred {
  return { kind: 'deferred', afterMs, reason, detail };
}
