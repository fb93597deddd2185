import type { FailureReason } from '@ictcore/contract';

/** Name (as the REST API writes it), reason, and whether another try can never work. */
interface Cause {
  readonly name: string;
  readonly reason: FailureReason;
  readonly permanent?: true;
}

/** ITU-T Q.850 causes as Asterisk reports them; SIP codes in comments as measured. */
const CAUSES: Readonly<Record<number, Cause>> = {
  0: { name: 'UNKNOWN', reason: 'unknown' },
  1: { name: 'UNALLOCATED_NUMBER', reason: 'invalid_destination', permanent: true }, // 404
  2: { name: 'NO_ROUTE_TRANSIT_NET', reason: 'provider_down' },
  3: { name: 'NO_ROUTE_DESTINATION', reason: 'invalid_destination' },
  16: { name: 'NORMAL_CLEARING', reason: 'cancelled' },
  17: { name: 'USER_BUSY', reason: 'busy' }, // 486
  18: { name: 'NO_USER_RESPONSE', reason: 'no_answer' }, // 408
  19: { name: 'NO_ANSWER', reason: 'no_answer' }, // 480
  20: { name: 'SUBSCRIBER_ABSENT', reason: 'no_answer' },
  21: { name: 'CALL_REJECTED', reason: 'rejected' }, // 403
  22: { name: 'NUMBER_CHANGED', reason: 'invalid_destination', permanent: true }, // 410
  26: { name: 'NON_SELECTED_USER_CLEARING', reason: 'no_answer' },
  27: { name: 'DESTINATION_OUT_OF_ORDER', reason: 'provider_down' }, // 502
  28: { name: 'INVALID_NUMBER_FORMAT', reason: 'invalid_destination', permanent: true }, // 484
  29: { name: 'FACILITY_REJECTED', reason: 'rejected' },
  31: { name: 'NORMAL_UNSPECIFIED', reason: 'unknown' },
  34: { name: 'NORMAL_CIRCUIT_CONGESTION', reason: 'throttled' }, // 503
  38: { name: 'NETWORK_OUT_OF_ORDER', reason: 'provider_down' }, // 500
  41: { name: 'NORMAL_TEMPORARY_FAILURE', reason: 'provider_down' },
  42: { name: 'SWITCH_CONGESTION', reason: 'throttled' },
  44: { name: 'REQUESTED_CHAN_UNAVAIL', reason: 'throttled' },
  50: { name: 'FACILITY_NOT_SUBSCRIBED', reason: 'rejected' },
  52: { name: 'OUTGOING_CALL_BARRED', reason: 'blocked' },
  54: { name: 'INCOMING_CALL_BARRED', reason: 'blocked' },
  57: { name: 'BEARERCAPABILITY_NOTAUTH', reason: 'rejected' },
  58: { name: 'BEARERCAPABILITY_NOTAVAIL', reason: 'media_rejected' },
  65: { name: 'BEARERCAPABILITY_NOTIMPL', reason: 'media_rejected' },
  66: { name: 'CHAN_NOT_IMPLEMENTED', reason: 'provider_down' },
  79: { name: 'SERVICE_NOT_IMPLEMENTED', reason: 'media_rejected' },
  88: { name: 'INCOMPATIBLE_DESTINATION', reason: 'media_rejected' },
  102: { name: 'RECOVERY_ON_TIMER_EXPIRE', reason: 'timeout' },
  127: { name: 'INTERWORKING', reason: 'unknown' },
};

/** SIP answers that say more than the cause they are mapped to. */
const SIP: Readonly<Record<string, Cause>> = {
  '401': { name: 'CALL_REJECTED', reason: 'unauthorized' },
  '407': { name: 'CALL_REJECTED', reason: 'unauthorized' },
  '488': { name: 'BEARERCAPABILITY_NOTAVAIL', reason: 'media_rejected' },
  '607': { name: 'CALL_REJECTED', reason: 'blocked', permanent: true }, // RFC 8197, Unwanted
};

/**
 * What a call that was never answered came to. Judged by Hangup's Cause and TechCause: the dial status and the record's
 * disposition say NO ANSWER for half of these.
 */
export function unansweredCause(cause: number, techCause: string): Cause & { readonly detail: string } {
  const sip = /\b([3-6]\d\d)\b/.exec(techCause)?.[1];
  const known = (sip && SIP[sip]) || CAUSES[cause] || { name: `CAUSE_${cause}`, reason: 'unknown' as const };
  return { ...known, detail: sip ? `${known.name} (SIP ${sip})` : known.name };
}
