import type { Actor, Fact, FailureReason } from '@ictcore/contract';
import type { Tx } from '../database/database';
import type { Match } from './inbound-rules';
import type { ReceivedMessage } from './received-message';

/** What a step that receives is given: everything within the transaction that takes the message. */
export interface ReceivingInput {
  tx: Tx;
  message: ReceivedMessage;
  match: Match;
  /** The account's owner, to whom what is stored belongs. */
  owner: Actor;
  contactId: number | null;
  transmissionId: number;
  spoolId: number;
  /** Name and description of what is stored (API section 3.7). */
  label: { name: string; description: string };
  /** The step's own parameters from the program's scheme. */
  parameters: Readonly<Record<string, unknown>>;
}

/** What a step has made of a message. */
export interface Stored {
  facts: readonly Fact[];
  /** What is counted: segments, pages, 1. */
  amount: number;
  /** What was stored, for the event: `{ text_id: 5 }`. */
  ids: Readonly<Record<string, number>>;
  /** True if the message's files belong to a row now. */
  keepsFiles: boolean;
  /** The message is no good; absent if it is. */
  failure?: { reason: FailureReason; response: string };
}

/** An application that takes a message in: `sms_receive`, `email_receive`, `fax_receive` (API section 4.8). */
export interface ReceivingStep {
  receive(input: ReceivingInput): Promise<Stored>;
}
