import { type FailureReason, failed, type Outcome, refused } from '@ictcore/contract';
import { type Answer, isNoAnswer } from './kannel.http';

const MAX_DETAIL = 200;

/** One line without control characters. */
export function oneLine(text: string): string {
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, MAX_DETAIL);
}

/**
 * What an answer that takes no message means (Kannel 1.4.5, gw/smsbox.c); undefined for 202, which takes it.
 * Throws for answers that are no Kannel's and come perhaps after it has the message: a proxy's 502.
 */
export function problemOf({ status, body }: Answer): Outcome | undefined {
  const detail = oneLine(`${status} ${body}`);
  if (status === 202 || status === 200) return undefined;
  const retry = (reason: FailureReason) => failed(reason, detail, { notAccepted: true });
  if (status === 401 || (status === 403 && /authori[sz]ation/i.test(body))) return retry('unauthorized');
  if (status === 403) return refused('blocked', detail); // black and white lists, forced senders
  if (status === 404 || status === 405) return retry('provider_down'); // no sendsms under that path
  if (status === 503 && /temporal|queue/i.test(body)) return retry('provider_down');
  if (status >= 400 && status < 500)
    return refused(/receiver|number/i.test(body) ? 'invalid_destination' : 'rejected', detail);
  throw new Error(`an answer that Kannel does not give: ${detail}`);
}

/** What a request without an answer means. Throws if Kannel may have taken the message. */
export function outcomeOfSilence(error: unknown, aborted: boolean): Outcome {
  if (!isNoAnswer(error) || error.sent) throw error;
  return failed(aborted ? 'cancelled' : 'provider_down', oneLine(error.message), { notAccepted: true });
}
