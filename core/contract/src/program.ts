import type { Actor } from './actor';
import type { Channel, Direction } from './channel';
import type { Party } from './order';
import type { Fact, FailureReason } from './outcome';
import type { Schema } from './schema';
import type { ServiceToken } from './service';

/** One step of a scheme: an application (API section 4.8), its parameters (may hold tokens) and where to go next. */
export interface SchemeStep {
  use: string;
  with: Readonly<Record<string, unknown>>;
  /** Next step by outcome; `default` catches the rest. No match ends the attempt. */
  on?: Readonly<Record<string, string>>;
}

/** What a program does, as pure data: the steps of one attempt. */
export interface Scheme {
  start: string;
  steps: Readonly<Record<string, SchemeStep>>;
}

/** A finished attempt as a program judges it. */
export interface AttemptReport {
  /** The spool's final status. */
  status: 'completed' | 'failed';
  reason: FailureReason | null;
  response: string;
  facts: readonly Fact[];
  /** Seconds between answer and end; 0 if never answered. */
  connectedSeconds: number;
}

/** What the transmission comes to. */
export type Verdict = { verdict: 'completed' } | { verdict: 'failed'; reason: FailureReason; response: string };

/** A message that follows from a finished one (emailtofax: mail, then fax, then a notification). */
export interface FollowUp {
  /** The program type to run, and its parameters. */
  program: string;
  parameters: Readonly<Record<string, unknown>>;
  name?: string;
  direction: Direction;
  /** Default: the same account and contact as the transmission that ended. */
  accountId?: number;
  contactId?: number;
  tryAllowed?: number;
  title?: string;
  /**
   * Another address than the contact's: the owner's contact that has it is taken, or made if there is none. For
   * notifications to whoever the program names.
   */
  to?: { email?: string; phone?: string };
  /**
   * True for the one answer to STOP, START or HELP: it leaves even if its destination is on the do-not-contact list
   * (CTIA Messaging Principles 5.1.3: an opt-out is confirmed once).
   */
  answersKeyword?: boolean;
  /**
   * True for a mail that carries the received fax as a PDF. The program must store a `template_id`. A contact without an
   * e-mail address gets `<number>@<fax_domain>`, where one is configured, so that an answer becomes a fax.
   */
  attachReceivedFax?: boolean;
}

/** What a program may use while it is created or judged. */
export interface ProgramContext {
  readonly actor: Actor;
  use<T>(token: ServiceToken<T>): T;
}

/** The transmission that ended, for {@link Program.followUps}. */
export interface FinishedTransmission {
  transmissionId: number;
  accountId: number;
  contactId: number | null;
  direction: Direction;
  campaignId: number | null;
  /** Facts of its last attempt (API section 3.7). */
  facts?: readonly Fact[];
  /** Our side, as it was when the attempt began. */
  account?: Party;
  /** The other side, as it was when the attempt began. */
  contact?: Party;
  /** What came in, where something did: words only, at most 10,000 characters each. */
  received?: { subject?: string; text?: string; pages?: number };
}

/** Which inbound messages a program takes (API section 3.10). */
export interface Receiving {
  /**
   * Which side of the message must be the account's own number (voice, fax, sms) or address (email). Default
   * `destination`; `source` for mail that an account holder sends in to be passed on (emailtofax).
   */
  accountIs?: 'destination' | 'source';
}

/** A kind of sending or receiving: what `POST /programs/{type}` makes. */
export interface Program<P = unknown> {
  /** The name in the REST API: lower-case letters and digits. */
  readonly type: string;
  readonly channel: Channel;
  readonly direction: Direction;
  readonly description: string;
  /**
   * The parameters of `POST /programs/{type}`. Ids made with `resourceId()` are checked for existence and visibility,
   * recorded, and keep the rows they name from being deleted while the program is in use.
   */
  readonly parameters: Schema<P>;
  /**
   * Set by programs that inbound messages start. Their parameters hold `account_id` (a `resourceId('account')`) or, in
   * its place, the account's `phone` or `email`, which the kernel turns into `account_id` when it stores them; with
   * none of them the program takes what no other one does, for every account (needs `account_admin`). The kernel binds
   * the program to the account's number or address, keeps that current, and refuses a second program for it with 409.
   */
  readonly receives?: Receiving;
  /** Turns what was asked into what is stored, e.g. an inline text into a row. Runs in the creating transaction. */
  prepare?(parameters: P, context: ProgramContext): Promise<P>;
  /** Pure: the same parameters give the same scheme. */
  scheme(parameters: P): Scheme;
  /** Pure: facts to verdict. Default: completed if the attempt completed. */
  judge?(attempt: AttemptReport, parameters: P): Verdict;
  /** On the FINAL verdict only. */
  followUps?(verdict: Verdict, transmission: FinishedTransmission, parameters: P): readonly FollowUp[];
}

/** A program whose parameter type has been erased for collecting. */
// biome-ignore lint/suspicious/noExplicitAny: a list of programs is heterogeneous by nature
export type AnyProgram = Program<any>;

/** Types a program from its parameter schema. */
export function defineProgram<P>(program: Program<P>): Program<P> {
  return program;
}
