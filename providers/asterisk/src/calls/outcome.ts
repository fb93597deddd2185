import { delivered, type Fact, type FinalOutcome, failed, refused } from '@ictcore/contract';
import type { CallEndFacts, IctEnd } from './call-end';
import { unansweredCause } from './q850';

const info = (name: string, data: string): Fact[] => (data === '' ? [] : [{ type: 'info', name, data }]);
const application = (name: string, data: string): Fact => ({ type: 'application', name, data });

/** FAXERROR words for a document that this Asterisk cannot send: another try cannot help. */
const BAD_DOCUMENT = /FILE_ERROR|TIFF|cannot be opened/i;
const NOBODY = /initial communication|Timed out/i;

/**
 * What an attempt came to. The same facts give the same outcome, whether they come from events or, after a crash, from
 * the journal.
 */
export function outcomeOf(facts: CallEndFacts): FinalOutcome {
  const { ref, end } = facts;
  if (end?.result === 'fax') return faxOutcome(facts, end);
  if (end) return voiceOutcome(ref, end);
  if (facts.lost) return unknownOutcome(ref);
  if (facts.noChannel) {
    return failed('provider_down', 'REQUESTED_CHAN_UNAVAIL: the trunk is unknown or unreachable', {
      ref,
      notAccepted: true,
      facts: [application('originate', 'error')],
    });
  }
  const cause = unansweredCause(facts.cause, facts.techCause);
  const more = { ref, facts: [application('originate', 'error'), ...info('cause', String(facts.cause))] };
  if (facts.cancelled) return failed('cancelled', 'canceled', more);
  return (cause.permanent ? refused : failed)(cause.reason, cause.detail, more);
}

/**
 * Asterisk died in mid-call. Permanent, so that it is never dialled again without proof: the contract knows no
 * `unknown` outcome for a report.
 */
export function unknownOutcome(ref: string): FinalOutcome {
  return refused('unknown', 'unknown_outcome', { ref });
}

function commonFacts(end: IctEnd): Fact[] {
  return [application('originate', 'success'), ...info('duration', seconds(end))];
}

/** Billed seconds with one decimal. */
function seconds(end: IctEnd): string {
  const value = Number(end.bill);
  return Number.isFinite(value) ? value.toFixed(1) : '0.0';
}

/** Answered is completed (API section 3.5); whether it was heard to the end is the fact `played`. */
function voiceOutcome(ref: string, end: IctEnd): FinalOutcome {
  const facts = [...commonFacts(end), info('played', end.result === 'played' ? '1' : '0')].flat();
  const amd = end.amd === 'HUMAN' ? 'human' : end.amd === 'MACHINE' ? 'machine' : '';
  if (amd !== '') facts.push(application('amd', amd), ...info('amd', amd), ...info('amd_cause', end.amdcause ?? ''));
  facts.push(...info('key', end.digits ?? ''));
  if (end.result === 'unplayable') {
    const error: Fact = { type: 'error', name: 'error', data: 'the recording could not be played' };
    return failed('media_rejected', 'MEDIA_UNPLAYABLE', { ref, facts: [...facts, error] });
  }
  return delivered(ref, { detail: 'NORMAL_CLEARING', amount: Math.ceil(Number(seconds(end))), facts });
}

/** Judged by FAXSTATUS and pages: FAXERROR is HANGUP for good faxes too, and the hangup cause says nothing. */
function faxOutcome({ ref, lost }: CallEndFacts, end: IctEnd): FinalOutcome {
  const pages = Number(end.pages) || 0;
  const want = Number(end.want) || 0;
  const facts: Fact[] = [
    ...commonFacts(end),
    ...info('pages', String(pages)),
    ...info('fax_mode', end.faxmode ?? ''),
    ...info('fax_rate', end.rate ?? ''),
    ...info('fax_station', end.station ?? ''),
  ];
  if (end.fax === 'SUCCESS' && pages === want) {
    return delivered(ref, { detail: 'SUCCESS', amount: pages, facts: [application('fax_send', 'success'), ...facts] });
  }
  if (lost) return unknownOutcome(ref);
  const short = end.fax === 'SUCCESS' ? `${pages} of ${want} pages were taken` : '';
  const words = short || end.faxerr || 'the call ended before the fax began';
  const error: Fact[] = [application('fax_send', 'error'), { type: 'error', name: 'error', data: words }];
  const more = { ref, facts: [...error, ...facts] };
  if (BAD_DOCUMENT.test(words)) return refused('media_rejected', words, more);
  // Nobody at the other end spoke fax, or somebody did and the line broke.
  const met = pages > 0 || (end.station ?? '') !== '';
  return failed(NOBODY.test(words) ? 'timeout' : met ? 'unknown' : 'rejected', words, more);
}
