import {
  type Deferred,
  deferred,
  type Failed,
  type FailureReason,
  failed,
  type Refused,
  refused,
} from '@ictcore/contract';
import { oneLine } from './smtp.address';

/** The fields of a nodemailer error that tell what happened (nodemailer `errors.ts`, `smtp-connection`). */
export interface SmtpError extends Error {
  code?: string;
  /** The step it belongs to: `CONN`, `EHLO`, `STARTTLS`, `AUTH PLAIN`, `MAIL FROM`, `RCPT TO`, `DATA`, `API`. */
  command?: string;
  /** The server's reply code, where the error is a reply. */
  responseCode?: number | false;
  response?: string;
  timeoutType?: string;
  /** The code of the system error below, such as `ECONNREFUSED`. */
  originalCode?: string;
}

/** The server's answer to a step. */
interface Answer {
  readonly code: number;
  /** RFC 3463 subject and detail without the class: `1.1` of `5.1.1`; empty if the server gives none. */
  readonly status: string;
  readonly text: string;
  readonly command: string;
}

/** Milliseconds to leave a server alone that has too much to do. */
const THROTTLED_MS = 30_000;
const MAX_DETAIL = 500;
const THROTTLE_WORDS =
  /too many|rate limit|rate-limit|throttl|try again later|too fast|connection limit|exceeded.*(limit|rate)/i;
const LOGIN_STATUS = /^7\.(?:0|8|9|11)$/;
const LOGIN_WORDS = /authenticat|credential|log ?in|password/i;

/**
 * Names what a failed hand-over came to.
 *
 * @param dataEnded whether the last byte of the mail, the final dot, was given to the connection. Before that the
 * server cannot have accepted the mail; after that only its answer tells (RFC 5321 section 6.1).
 * @throws the error itself when nobody knows whether the mail was accepted
 */
export function outcomeOfError(error: SmtpError, dataEnded: boolean): Failed | Refused | Deferred {
  const answer = answerOf(error);
  if (answer !== undefined) return outcomeOfAnswer(answer);
  if (dataEnded) throw error;
  return outcomeWithoutAnswer(error);
}

/** The 4xx or 5xx answer that an error stands for. Anything else (silence, 3xx, bytes that are no SMTP) is none. */
function answerOf({ response, responseCode, command = '' }: SmtpError): Answer | undefined {
  if (!responseCode || responseCode < 400 || responseCode > 599 || response === undefined) return undefined;
  const text = oneLine(response).slice(0, MAX_DETAIL);
  const status = /^\d{3}[ -][45]\.(\d{1,3}\.\d{1,3})\b/.exec(text)?.[1] ?? '';
  return { code: responseCode, status, text, command };
}

function outcomeOfAnswer(answer: Answer): Failed | Refused | Deferred {
  const { code, text, command } = answer;
  const throttled = THROTTLE_WORDS.test(text) || /^7\.28$/.test(answer.status);
  // 421: the server closes the link whatever it was asked; with these words it wants fewer or slower clients.
  if (code === 421 && throttled) return deferred(THROTTLED_MS, 'throttled', text);
  if (command.startsWith('AUTH')) {
    return failed(code < 500 ? 'provider_down' : 'unauthorized', text, { notAccepted: true });
  }
  const inTransaction = command === 'MAIL FROM' || command === 'RCPT TO' || command === 'DATA';
  if (!inTransaction) {
    const reason = throttled ? 'throttled' : answer.status.startsWith('7.') ? 'blocked' : 'provider_down';
    return failed(reason, text, { notAccepted: true });
  }
  if (needsLogin(answer)) return failed('unauthorized', text, { notAccepted: true });
  if (code === 421) return failed('provider_down', text, { notAccepted: true });
  // 503 says that the session was in a wrong state, not that this mail is refused.
  if (code === 503) return failed('provider_down', text, { notAccepted: true });
  if (code < 500) return failed(throttled ? 'throttled' : reasonOf(answer), text, { notAccepted: true });
  return refused(reasonOf(answer), text);
}

/** Wrong or missing credentials (RFC 4954 section 6): the mail is not at fault, another provider may take it. */
function needsLogin({ code, status, text }: Answer): boolean {
  if ([530, 534, 535, 538].includes(code)) return true;
  return LOGIN_STATUS.test(status) && LOGIN_WORDS.test(text);
}

/** RFC 3463 status to reason, or where the server gives none the reply code of RFC 5321 section 4.2.3. */
function reasonOf({ code, status, command }: Answer): FailureReason {
  const [subject, detail] = status.split('.').map(Number);
  switch (subject) {
    case 1: // 1.7 and 1.8 speak of the sender
      return detail === 7 || detail === 8 ? 'rejected' : 'invalid_destination';
    case 2: // mailbox: 2.0 and 2.1 disabled, 2.2 full, 2.3 message too long for it
      return detail === 3 ? 'media_rejected' : code < 500 ? 'busy' : 'rejected';
    case 3:
      return detail === 4 ? 'media_rejected' : 'provider_down';
    case 4:
      return 'provider_down';
    case 6:
      return 'media_rejected';
    case 7:
      return 'blocked';
    default:
  }
  if (code === 552 || code === 523) return 'media_rejected';
  if (code === 450 && command === 'RCPT TO') return 'busy';
  if (code === 451 || code === 452) return 'provider_down';
  if (code === 554) return 'blocked';
  return command === 'RCPT TO' && code >= 500 ? 'invalid_destination' : 'rejected';
}

function outcomeWithoutAnswer(error: SmtpError): Failed | Refused {
  const detail = detailOf(error);
  const never = (reason: FailureReason) => failed(reason, detail, { notAccepted: true });
  switch (error.code) {
    case 'EENVELOPE':
      return refused('invalid_destination', detail);
    case 'EMESSAGE':
      return refused('media_rejected', detail);
    case 'EAUTH':
      return never('unauthorized');
    case 'ESTREAM':
    case 'EFILEACCESS':
    case 'EURLACCESS':
      return never('media_rejected');
    case 'EABORT':
      return never('cancelled');
    case 'ETIMEDOUT':
      return never(error.timeoutType === 'SOCKET_TIMEOUT' ? 'timeout' : 'provider_down');
    case 'ECONNECTION':
    case 'ESOCKET':
    case 'EDNS':
    case 'ETLS':
    case 'EPROTOCOL':
      return never('provider_down');
    default:
      return never('unknown');
  }
}

/** What went wrong, in one line, with the system's own code where the message does not have it. */
export function detailOf(error: SmtpError): string {
  const { originalCode } = error;
  const message = oneLine(error.message || String(error.code)).slice(0, MAX_DETAIL);
  return originalCode && !message.includes(originalCode) ? `${message} (${originalCode})` : message;
}
