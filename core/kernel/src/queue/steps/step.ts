import type { Order, OrderBase, Refused, SchemeStep } from '@ictcore/contract';
import type { TokenContext } from '../../messages/tokens';
import type { Attempt } from '../attempt';

/** An attempt on its way into an order. */
export interface StepInput {
  attempt: Attempt;
  base: OrderBase;
  /** The essential steps of the program's scheme, in order; this one is among them (see `chain.ts`). */
  steps: readonly SchemeStep[];
  /** The step's own parameters from the program's scheme. */
  parameters: Readonly<Record<string, unknown>>;
  tokens: TokenContext;
}

/** An application that is one hand-over and no conversation: build its orders for a batch, in the order given. */
export interface OneShotStep {
  build(inputs: readonly StepInput[]): Promise<(Order | Refused)[]>;
}
