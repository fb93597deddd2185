import type { FailureReason } from '@ictcore/contract';

/** Command statuses that the code itself names (SMPP 3.4 section 5.1.3). */
export const ESME = {
  ROK: 0x00,
  RINVCMDLEN: 0x02,
  RINVCMDID: 0x03,
  RINVBNDSTS: 0x04,
  RALYBND: 0x05,
  RBINDFAIL: 0x0d,
  RINVPASWD: 0x0e,
  RINVSYSID: 0x0f,
  RMSGQFUL: 0x14,
  RTHROTTLED: 0x58,
  RX_T_APPN: 0x64,
} as const;

/** What a refusal of a submit_sm means for the attempt. */
export interface StatusMeaning {
  /** `defer`: no try at all; `fail`: another try may work; `refuse`: it never can. */
  action: 'defer' | 'fail' | 'refuse';
  reason: FailureReason;
}

/** The system_type of a bind is refused. */
const RINVSYSTYP = 0x53;

const fail = (reason: FailureReason): StatusMeaning => ({ action: 'fail', reason });
const refuse = (reason: FailureReason): StatusMeaning => ({ action: 'refuse', reason });

/** Every status of SMPP 3.4 table 5-2: its name and what it means as an answer to submit_sm. */
const STATUSES: ReadonlyMap<number, readonly [name: string, meaning: StatusMeaning]> = new Map([
  [0x00, ['ESME_ROK', fail('unknown')]],
  [0x01, ['ESME_RINVMSGLEN', refuse('media_rejected')]],
  [0x02, ['ESME_RINVCMDLEN', refuse('media_rejected')]],
  [0x03, ['ESME_RINVCMDID', refuse('rejected')]],
  [0x04, ['ESME_RINVBNDSTS', fail('provider_down')]],
  [0x05, ['ESME_RALYBND', fail('provider_down')]],
  [0x06, ['ESME_RINVPRTFLG', refuse('rejected')]],
  [0x07, ['ESME_RINVREGDLVFLG', refuse('rejected')]],
  [0x08, ['ESME_RSYSERR', fail('provider_down')]],
  [0x0a, ['ESME_RINVSRCADR', refuse('rejected')]],
  [0x0b, ['ESME_RINVDSTADR', refuse('invalid_destination')]],
  [0x0c, ['ESME_RINVMSGID', refuse('rejected')]],
  [0x0d, ['ESME_RBINDFAIL', fail('unauthorized')]],
  [0x0e, ['ESME_RINVPASWD', fail('unauthorized')]],
  [0x0f, ['ESME_RINVSYSID', fail('unauthorized')]],
  [0x11, ['ESME_RCANCELFAIL', fail('rejected')]],
  [0x13, ['ESME_RREPLACEFAIL', fail('rejected')]],
  [0x14, ['ESME_RMSGQFUL', { action: 'defer', reason: 'throttled' }]],
  [0x15, ['ESME_RINVSERTYP', refuse('rejected')]],
  [0x33, ['ESME_RINVNUMDESTS', refuse('rejected')]],
  [0x34, ['ESME_RINVDLNAME', refuse('invalid_destination')]],
  [0x40, ['ESME_RINVDESTFLAG', refuse('rejected')]],
  [0x42, ['ESME_RINVSUBREP', refuse('rejected')]],
  [0x43, ['ESME_RINVESMCLASS', refuse('media_rejected')]],
  [0x44, ['ESME_RCNTSUBDL', refuse('invalid_destination')]],
  [0x45, ['ESME_RSUBMITFAIL', fail('rejected')]],
  [0x48, ['ESME_RINVSRCTON', refuse('rejected')]],
  [0x49, ['ESME_RINVSRCNPI', refuse('rejected')]],
  [0x50, ['ESME_RINVDSTTON', refuse('invalid_destination')]],
  [0x51, ['ESME_RINVDSTNPI', refuse('invalid_destination')]],
  [RINVSYSTYP, ['ESME_RINVSYSTYP', refuse('unauthorized')]],
  [0x54, ['ESME_RINVREPFLAG', refuse('rejected')]],
  [0x55, ['ESME_RINVNUMMSGS', refuse('rejected')]],
  [0x58, ['ESME_RTHROTTLED', { action: 'defer', reason: 'throttled' }]],
  [0x61, ['ESME_RINVSCHED', refuse('rejected')]],
  [0x62, ['ESME_RINVEXPIRY', refuse('rejected')]],
  [0x63, ['ESME_RINVDFTMSGID', refuse('rejected')]],
  [0x64, ['ESME_RX_T_APPN', fail('rejected')]],
  [0x65, ['ESME_RX_P_APPN', refuse('rejected')]],
  [0x66, ['ESME_RX_R_APPN', refuse('rejected')]],
  [0x67, ['ESME_RQUERYFAIL', fail('rejected')]],
  [0xc0, ['ESME_RINVOPTPARSTREAM', refuse('media_rejected')]],
  [0xc1, ['ESME_ROPTPARNOTALLWD', refuse('media_rejected')]],
  [0xc2, ['ESME_RINVPARLEN', refuse('media_rejected')]],
  [0xc3, ['ESME_RMISSINGOPTPARAM', refuse('media_rejected')]],
  [0xc4, ['ESME_RINVOPTPARAMVAL', refuse('media_rejected')]],
  [0xfe, ['ESME_RDELIVERYFAILURE', fail('rejected')]],
  [0xff, ['ESME_RUNKNOWNERR', fail('unknown')]],
]);

/** `ESME_RTHROTTLED (0x58)`; codes of the carrier's own as `status 0x401`. */
export function statusText(status: number): string {
  const known = STATUSES.get(status);
  const code = `0x${status.toString(16).padStart(2, '0')}`;
  return known ? `${known[0]} (${code})` : `status ${code}`;
}

/** What a status means as an answer to submit_sm. One that nobody knows may be tried again. */
export function meaningOf(status: number): StatusMeaning {
  return STATUSES.get(status)?.[1] ?? fail('rejected');
}

/**
 * True for a refused bind that trying again soon can only make worse: a wrong password locks accounts. Not for
 * ESME_RBINDFAIL, which many centres give for one link too many: that mends itself.
 */
export function isBadLogin(status: number): boolean {
  return status === ESME.RINVPASWD || status === ESME.RINVSYSID || status === RINVSYSTYP;
}
