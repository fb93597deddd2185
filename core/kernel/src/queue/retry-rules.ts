import type { Channel, FailureReason } from '@ictcore/contract';

/** What becomes of an attempt that failed for one cause. */
export interface CauseRule {
  /** False: trying again cannot help. */
  retry: boolean;
  /** Seconds before the second attempt; absent: `engine.retry_delay`. */
  delay?: number | undefined;
  /** Factor for each further attempt; absent: `engine.retry_backoff`. */
  backoff?: number | undefined;
}

/** Rules by channel and cause, as the configuration may give them. */
export type CauseTable = Partial<Record<Channel, Partial<Record<FailureReason, CauseRule>>>>;

const again: CauseRule = { retry: true };
const never: CauseRule = { retry: false };
/** The carrier needs time, not another try at once. */
const later: CauseRule = { retry: true, backoff: 2 };

/** What holds for every channel unless the next table says otherwise. */
const COMMON: Readonly<Record<FailureReason, CauseRule>> = {
  busy: again,
  no_answer: again,
  rejected: again,
  invalid_destination: never,
  unauthorized: later,
  blocked: never,
  media_rejected: never,
  throttled: later,
  provider_down: later,
  timeout: again,
  cancelled: never,
  // A failure that the carrier has reported without saying why. A hand-over whose outcome nobody knows never comes
  // here: it is not tried again whatever the table says.
  unknown: again,
};

/** Where a channel differs. */
const BY_CHANNEL: CauseTable = {
  // A line is often free a little later, and people who do not answer need more time.
  voice: { no_answer: { retry: true, backoff: 2 } },
  // Pages that were lost on a bad line are called rejected too: the next line may be better.
  fax: { no_answer: { retry: true, backoff: 2 }, media_rejected: again },
  // A short message or mail that was accepted and then reported undeliverable will be so again.
  sms: { rejected: never },
  email: { rejected: never },
};

/** The rule for a cause: the configuration's, else the channel's, else the common one. */
export function causeRule(configured: CauseTable, channel: Channel, reason: FailureReason): CauseRule {
  return configured[channel]?.[reason] ?? BY_CHANNEL[channel]?.[reason] ?? COMMON[reason];
}
