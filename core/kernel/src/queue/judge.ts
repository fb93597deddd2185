import type { AnyProgram, AttemptReport, FailureReason, FinalOutcome, Verdict } from '@ictcore/contract';
import type { CauseRule } from './retry-rules';

/** An attempt's end as it is recorded. */
export interface Judgement {
  spoolStatus: 'completed' | 'failed';
  reason: FailureReason | null;
  response: string;
  transmissionStatus: 'completed' | 'failed' | 'pending_retry';
  transmissionResponse: string;
  /** Seconds until the next attempt; null if there is none. */
  retryIn: number | null;
}

export interface RetryRule {
  tryDone: number;
  tryAllowed: number;
  /** Seconds between attempts as the transmission itself asks for; null: as the cause's rule says. */
  delay: number | null;
  /** Seconds before the second attempt where the rule names none. */
  defaultDelay: number;
  /** Factor for each further one where the rule names none. */
  defaultBackoff: number;
  /** Whether even permanent refusals are tried again (`retry.permanent`). */
  permanent: boolean;
  rule: (reason: FailureReason) => CauseRule;
}

export interface JudgeInput {
  outcome: FinalOutcome;
  program: AnyProgram | undefined;
  parameters: unknown;
  connectedSeconds: number;
  retry: RetryRule;
  /** False where another try might reach the same person twice (unknown outcome). */
  mayRetry?: boolean;
}

/** Longest response that is kept. Carriers' words may be long; the rest is in the log. */
const RESPONSE_LIMIT = 500;
/** Longest wait between attempts, in seconds, however often it has grown. */
const MAX_DELAY_S = 86_400;

/**
 * Facts to verdict, verdict to state: the program judges what the channel reports; a failure is tried again while
 * tries are left, unless it is permanent (`refused`, or so by the table of causes) or its outcome is unknown.
 */
export function judge(input: JudgeInput): Judgement {
  const { outcome } = input;
  const response = (outcome.detail ?? '').slice(0, RESPONSE_LIMIT);
  const completed = outcome.kind === 'delivered';
  const reason = completed ? null : outcome.reason;
  const verdict = verdictOf(input, completed, reason, response);
  const base = { spoolStatus: completed ? ('completed' as const) : ('failed' as const), reason, response };
  if (verdict.verdict === 'completed') {
    return { ...base, transmissionStatus: 'completed', transmissionResponse: '', retryIn: null };
  }
  const rule = input.retry.rule(verdict.reason);
  const again = input.mayRetry !== false && mayHelp(input, rule) && input.retry.tryDone < input.retry.tryAllowed;
  return {
    ...base,
    transmissionStatus: again ? 'pending_retry' : 'failed',
    transmissionResponse: verdict.response.slice(0, RESPONSE_LIMIT),
    retryIn: again ? delayOf(input.retry, rule) : null,
  };
}

function verdictOf(input: JudgeInput, completed: boolean, reason: FailureReason | null, response: string): Verdict {
  const plain: Verdict = completed
    ? { verdict: 'completed' }
    : { verdict: 'failed', reason: reason ?? 'unknown', response };
  if (!input.program?.judge) return plain;
  const report: AttemptReport = {
    status: completed ? 'completed' : 'failed',
    reason,
    response,
    facts: input.outcome.facts ?? [],
    connectedSeconds: input.connectedSeconds,
  };
  try {
    return input.program.judge(report, input.parameters);
  } catch (error) {
    // A program that cannot judge must not leave the attempt without an end.
    return {
      verdict: 'failed',
      reason: 'unknown',
      response: `judge of ${input.program.type}: ${(error as Error).message}`,
    };
  }
}

function mayHelp({ outcome, retry }: JudgeInput, rule: CauseRule): boolean {
  return retry.permanent || (outcome.kind !== 'refused' && rule.retry);
}

function delayOf(retry: RetryRule, rule: CauseRule): number {
  if (retry.delay !== null) return retry.delay;
  const first = rule.delay ?? retry.defaultDelay;
  const factor = rule.backoff ?? retry.defaultBackoff;
  return Math.min(first * factor ** Math.max(0, retry.tryDone - 1), MAX_DELAY_S);
}
