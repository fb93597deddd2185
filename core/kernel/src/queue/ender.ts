import {
  type Accepted,
  type AnyProgram,
  type Fact,
  type FinalOutcome,
  failed,
  type ReceiptPolicy,
} from '@ictcore/contract';
import type { Catalog } from '../boot/catalog';
import type { Config } from '../boot/config';
import { type Attempt, channelOf } from './attempt';
import { judge } from './judge';
import { finalEntry, type Recorder } from './recorder';
import { causeRule } from './retry-rules';
import { essentialStep } from './steps/chain';

/** What is recorded where nobody knows whether a message left (API section 3.3; DESIGN section 4). */
export const UNKNOWN_OUTCOME = 'unknown_outcome';

/** Who wants to know what becomes of attempts. */
export interface EnderListener {
  /** A carrier has taken an attempt: reports that came too early can be matched now. */
  accepted(): void;
  /** An attempt of a campaign has ended. */
  ended(campaignId: number, outcome: FinalOutcome): void;
}

/** Brings attempts to their ends: outcome, verdict, record. */
export class Ender {
  constructor(
    private readonly recorder: Recorder,
    private readonly catalog: Catalog,
    private readonly config: Config,
    private readonly listener: EnderListener,
  ) {}

  /** Ends an attempt before any hand-over, as long as this node's claim stands; false if it does not any more. */
  endUnsent(attempt: Attempt, outcome: FinalOutcome, nodeId: number): Promise<boolean> {
    return this.end(attempt, outcome, true, nodeId);
  }

  /** Ends an attempt; false if it had ended before. */
  end(attempt: Attempt, outcome: FinalOutcome, mayRetry = true, claimedBy?: number): Promise<boolean> {
    const program = attempt.program_type === null ? undefined : this.catalog.program(attempt.program_type);
    const connected = attempt.connected_at === null ? 0 : Date.now() / 1000 - attempt.connected_at;
    const judgement = judge({
      outcome,
      program,
      parameters: attempt.program_data ?? {},
      connectedSeconds: Math.max(0, Math.round(connected)),
      retry: {
        tryDone: attempt.try_done,
        tryAllowed: attempt.try_allowed,
        delay: attempt.retry_delay,
        defaultDelay: this.config.engine.retry_delay,
        defaultBackoff: this.config.engine.retry_backoff,
        permanent: this.config.retry.permanent,
        rule: (reason) => causeRule(this.config.retry.causes, channelOf(attempt.service_flag), reason),
      },
      mayRetry,
    });
    if (attempt.campaign_id !== null) this.listener.ended(attempt.campaign_id, outcome);
    const entry = finalEntry(attempt.spool_id, outcome, judgement);
    const facts = [...stepFacts(attempt, program, outcome), ...entry.facts];
    return this.recorder.record({ ...entry, facts, ...(claimedBy !== undefined && { claimedBy }) });
  }

  /** Nobody knows whether it left: shown as such, never sent again by itself. */
  endUnknown(attempt: Attempt): Promise<boolean> {
    return this.end(attempt, failed('unknown', UNKNOWN_OUTCOME), false);
  }

  /** The carrier has taken it; its final report is awaited. */
  async accepted(attempt: Attempt, outcome: Accepted, receipt: ReceiptPolicy): Promise<void> {
    await this.recorder.record({
      spoolId: attempt.spool_id,
      status: 'connected',
      response: (outcome.detail ?? '').slice(0, 500),
      reason: null,
      callId: outcome.ref,
      amount: 0,
      receipt,
      judgement: null,
      facts: outcome.facts ?? [],
    });
    this.listener.accepted();
  }
}

/** The one line that every step writes: its name and how it ended (API section 3.7). */
function stepFacts(attempt: Attempt, program: AnyProgram | undefined, outcome: FinalOutcome): Fact[] {
  const use = program && applicationOf(program, attempt);
  if (!use) return [];
  const failure = outcome.kind !== 'delivered' && outcome.reason === 'timeout' ? 'timeout' : 'error';
  return [{ type: 'application', name: use, data: outcome.kind === 'delivered' ? 'success' : failure }];
}

/** The application that a one-shot program comes down to; none if its parameters no longer make a scheme. */
function applicationOf(program: AnyProgram, attempt: Attempt): string | undefined {
  try {
    return essentialStep(program.scheme(attempt.program_data ?? {}))?.use;
  } catch {
    return undefined;
  }
}
