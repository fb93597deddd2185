import type { CallStep, StepOutcome } from '@ictcore/contract';
import type { CallEndFacts } from '../calls/call-end';
import type { AsteriskHub } from '../hub/asterisk-hub';
import type { AgiChannel } from './agi-channel';

/** What a step may use. */
export interface StepContext {
  readonly ref: string;
  readonly hub: AsteriskHub;
  readonly agi: AgiChannel;
  readonly trunk: string;
  /** How many steps have begun: names staged files. */
  readonly count: number;
  readonly facts: Promise<CallEndFacts>;
  hangup(): Promise<void>;
}

/** One application of API section 4.8. */
export type StepRunner = (context: StepContext, step: CallStep) => Promise<StepOutcome>;
