import { setTimeout as sleep } from 'node:timers/promises';
import { accepted, deferred, delivered, type FailureReason, failed, type Outcome, refused } from '@ictcore/contract';
import { isLinkError, type Link, type LinkError } from './link';
import { type Outgoing, refOfResponse } from './message';
import { ESME, type MessageBody, meaningOf, statusText } from './pdu';
import type { SmppSettings } from './smpp.settings';
import type { GroupInProgress, ReceiptLedger } from './state';

/** Times one part is written at most, with `in_flight_policy: resend`. */
const MAX_WRITES = 3;
/** Pause between looks at a link that is down while a message is half sent, in milliseconds. */
const HALF_SENT_PAUSE_MS = 500;
/** Least pause that a throttled order is sent away for, in milliseconds. */
const MIN_DEFER_MS = 100;
const SHUTTING_DOWN_MS = 1000;

/** One order on its way: its parts in order, one after another, so that a part that is refused stops the rest. */
export class HandOver {
  /** True as soon as the carrier may have something of this message: nothing is "not accepted" after that. */
  private tainted = false;
  private group: GroupInProgress | undefined;
  private ref = '';
  private note = '';

  constructor(
    private readonly link: Link,
    private readonly ledger: ReceiptLedger,
    private readonly settings: SmppSettings,
    private readonly spoolId: number,
  ) {}

  /** Hands the message over. Throws where nobody knows whether the carrier has it. */
  async run(message: Outgoing, signal: AbortSignal): Promise<Outcome> {
    const { registered_delivery, receipt_parts } = this.settings;
    const awaitsAll = receipt_parts === 'all' || message.bodies.length === 1;
    if (registered_delivery !== 'none' && awaitsAll && message.segments > 1)
      this.group = this.ledger.begin(message.segments);
    try {
      for (const [index, body] of message.bodies.entries()) {
        if (message.bodies.length > 1) this.note = `part ${index + 1} of ${message.bodies.length}: `;
        const problem = await this.part(body, signal);
        if (!problem) continue;
        this.group?.abandon();
        return problem;
      }
    } catch (error) {
      this.group?.abandon();
      throw error;
    }
    return this.taken(message.segments);
  }

  private async taken(segments: number): Promise<Outcome> {
    const { registered_delivery } = this.settings;
    const facts = [{ type: 'info', name: 'segments', data: String(segments) } as const];
    const verdict = await this.group?.finish();
    if (verdict?.failure) return { ...verdict.failure, ref: this.ref };
    const ended = verdict?.state === 'delivered' || registered_delivery === 'none';
    const more = { detail: 'ESME_ROK', facts };
    return ended ? delivered(this.ref, { ...more, amount: segments }) : accepted(this.ref, more);
  }

  /** Sends one part until it is taken; otherwise what the order comes to. */
  private async part(body: MessageBody, signal: AbortSignal): Promise<Outcome | undefined> {
    for (let writes = 0; ; ) {
      // Only parts of a long message are tracked: receipts of single ones may come before their answer.
      const answer = this.group ? this.ledger.track(this.once(body, signal)) : this.once(body, signal);
      const result = await answer;
      if (result === 'taken') return undefined;
      if (typeof result === 'number') {
        const problem = await this.refusal(result, signal);
        if (problem) return problem;
        continue;
      }
      if (result.written) writes += 1;
      const problem = this.lost(result, writes);
      if (problem) return problem;
      await sleep(HALF_SENT_PAUSE_MS, undefined, { signal }).catch(() => {
        throw result;
      });
    }
  }

  /** Sends a part once: taken, the status of a refusal, or how the link failed. */
  private async once(body: MessageBody, signal: AbortSignal): Promise<'taken' | number | LinkError> {
    try {
      const answer = await this.link.submit(body, signal);
      if (answer.status !== ESME.ROK) return answer.status;
      const id = answer.body && 'messageId' in answer.body ? answer.body.messageId : '';
      // Without an id no receipt can be matched; the attempt's own number at least names the message.
      this.ref = refOfResponse(id, this.settings.message_id_format) || `spool-${this.spoolId}`;
      this.group?.add(this.ref);
      this.tainted = true;
      return 'taken';
    } catch (error) {
      if (isLinkError(error)) return error;
      throw error;
    }
  }

  /** What a refused part comes to; undefined if it is to be sent again. */
  private async refusal(status: number, signal: AbortSignal): Promise<Outcome | undefined> {
    const detail = `${this.note}${statusText(status)}`;
    const { action, reason } = meaningOf(status);
    if (status === ESME.RINVBNDSTS) this.link.rebind('the centre does not know this link as bound');
    if (action === 'refuse') return refused(reason, detail);
    if (action === 'fail') return failed(reason, detail, this.tainted ? {} : { notAccepted: true });
    if (!this.tainted) return deferred(Math.max(this.link.throttledMs, MIN_DEFER_MS), reason, detail);
    // Half of it is with the carrier: a deferral would send that half twice. The queue pauses by itself.
    if (signal.aborted) throw new Error(`${detail}, after other parts were taken`);
    return undefined;
  }

  /** What a broken link comes to; undefined if the part is to be sent again. Throws if nobody knows. */
  private lost(error: LinkError, writes: number): Outcome | undefined {
    if (error.written) {
      this.tainted = true;
      const again = this.settings.in_flight_policy === 'resend' && writes < MAX_WRITES && error.problem !== 'aborted';
      if (again) return undefined;
      throw error;
    }
    if (error.problem === 'unfit') return refused('rejected', error.message);
    if (this.tainted) {
      if (error.problem === 'aborted' || error.problem === 'closing') throw error;
      return undefined;
    }
    if (error.problem === 'closing') return deferred(SHUTTING_DOWN_MS, 'provider_down', error.message);
    if (error.problem === 'aborted') return failed('cancelled', error.message, { notAccepted: true });
    return failed(reasonOf(error), error.message, { notAccepted: true });
  }
}

/** Why there is no link. */
function reasonOf({ problem, status }: LinkError): FailureReason {
  if (status !== undefined) return meaningOf(status).reason;
  return problem === 'login' ? 'unauthorized' : 'provider_down';
}
