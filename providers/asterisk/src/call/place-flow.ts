import type { Call, CallOrder, Outcome } from '@ictcore/contract';
import { field } from '../ami/ami-message';
import { type CallEndFacts, refOf } from '../calls/call-end';
import { callerId } from '../calls/destination';
import type { CallRequest } from '../calls/originate';
import { outcomeOf } from '../calls/outcome';
import type { AsteriskHub } from '../hub/asterisk-hub';
import { AgiChannel } from './agi-channel';
import { SipCall } from './sip-call';

/** What a flow needs of the trunk it goes over. */
export interface FlowTrunk {
  readonly hub: AsteriskHub;
  readonly trunk: string;
  readonly config: { readonly providerId: number };
  prepare(order: CallOrder, signal: AbortSignal): Promise<Outcome | { number: string }>;
  place(request: CallRequest, signal: AbortSignal): Promise<Outcome>;
  cancel(ref: string): Promise<boolean>;
}

/**
 * Places a call whose steps the kernel decides. Resolves when it is answered (Asterisk then waits for the first step),
 * or with the outcome if it never was.
 */
export async function placeFlow(session: FlowTrunk, order: CallOrder, signal: AbortSignal): Promise<Call | Outcome> {
  const ready = await session.prepare(order, signal);
  if ('kind' in ready) return ready;
  const { hub, trunk } = session;
  const ref = refOf(session.config.providerId, order.spoolId);
  let over: CallEndFacts | undefined;
  let forget: () => void = () => undefined;
  const facts = new Promise<CallEndFacts>((resolve) => {
    forget = hub.tracker.takeEnd(ref, (end) => {
      over = end;
      forget();
      resolve(end);
    });
  });
  let off: () => void = () => undefined;
  const started = new Promise<string>((resolve) => {
    off = hub.onEvent((message) => {
      if (message.event === 'AsyncAGIStart' && field(message, 'uniqueid') === ref) resolve(field(message, 'channel'));
    });
    void facts.then(() => resolve(''));
  });
  const cancel = () => void session.cancel(ref);
  const outcome = await session.place(
    {
      ref,
      spoolId: order.spoolId,
      trunk,
      number: ready.number,
      callerId: callerId(order.from.phone, order.from.name),
      context: 'ict-flow',
      ringTimeoutMs: order.ringTimeoutMs,
      variables: { ICT_RESULT: 'flow' },
    },
    signal,
  );
  if (outcome.kind !== 'accepted') {
    off();
    forget();
    return outcome;
  }
  signal.addEventListener('abort', cancel);
  const channel = await started;
  off();
  signal.removeEventListener('abort', cancel);
  if (over) return outcomeOf(over);
  return new SipCall(ref, hub, new AgiChannel(hub, ref, channel), trunk, facts);
}
