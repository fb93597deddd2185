import type { Call, CallEnd, CallStep, FailureReason, StepOutcome } from '@ictcore/contract';
import type { CallEndFacts } from '../calls/call-end';
import { StepError } from '../calls/one-shot';
import { outcomeOf } from '../calls/outcome';
import type { AsteriskHub } from '../hub/asterisk-hub';
import { type AgiChannel, HungUpError, StepLostError } from './agi-channel';
import type { StepContext } from './step-context';
import { steps } from './steps';

/** A whole call lasts no longer, in seconds: holds without us. */
const MAX_CALL_SECONDS = 3600;

/** A live call whose steps come from the kernel one by one, over AsyncAGI. */
export class SipCall implements Call {
  readonly ended: Promise<CallEnd>;
  private limited = false;
  private count = 0;

  constructor(
    readonly ref: string,
    private readonly hub: AsteriskHub,
    private readonly agi: AgiChannel,
    /** The trunk that a transfer to the outside uses; empty for calls from our own phones. */
    private readonly trunk: string,
    private readonly facts: Promise<CallEndFacts>,
  ) {
    this.ended = facts.then((end) => {
      agi.end();
      void hub.stage.remove(ref);
      const answer = Number(end.end?.answer);
      return {
        outcome: outcomeOf(end),
        answeredAt: answer > 0 ? Math.round(answer * 1000) : null,
        endedAt: end.endedAt,
      };
    });
  }

  /**
   * Runs one application (API section 4.8). An unknown one, wrong parameters and a missing file give `error`; a caller
   * who hangs up gives `hangup`, and `ended` resolves.
   */
  async perform(step: CallStep, signal: AbortSignal): Promise<StepOutcome> {
    const run = Object.hasOwn(steps, step.use) ? steps[step.use] : undefined;
    if (!run) return error(`this trunk cannot do ${step.use}`);
    if (signal.aborted) return error('given up before it began');
    // Nothing stops a running playback but the end of the call.
    const giveUp = () => void this.hangup('cancelled');
    signal.addEventListener('abort', giveUp);
    try {
      if (!this.limited) await this.agi.set('TIMEOUT(absolute)', MAX_CALL_SECONDS);
      this.limited = true;
      this.count += 1;
      return await run(this.context(), step);
    } catch (problem) {
      if (problem instanceof HungUpError) return { outcome: 'hangup' };
      if (problem instanceof StepError || problem instanceof StepLostError) return error(problem.message);
      throw problem;
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  async hangup(_reason?: FailureReason): Promise<void> {
    await this.hub.ami.send({ action: 'Hangup', Channel: this.ref, Cause: 16 }).catch(() => undefined);
  }

  private context(): StepContext {
    const { ref, hub, agi, trunk, count } = this;
    return { ref, hub, agi, trunk, count, facts: this.facts, hangup: () => this.hangup() };
  }
}

function error(words: string): StepOutcome {
  return { outcome: 'error', facts: [{ type: 'error', name: 'error', data: words }] };
}
