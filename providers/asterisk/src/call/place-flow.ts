import type { Call, CallOrder, Outcome } from '@ictcore/contract';
import { field } from '../ami/ami-message';
import type { AsteriskSession } from '../asterisk.session';
import { type CallEndFacts, refOf } from '../calls/call-end';
import { callerId } from '../calls/destination';
import { outcomeOf } from '../calls/outcome';
import { AgiChannel } from './agi-channel';
import { SipCall } from './sip-call';

/**
 * Places a call whose steps the kernel decides. Resolves when it is answered (Asterisk then waits for the first step),
 * or with the outcome if it never was.
 */
export async function placeFlow(
  session: AsteriskSession,
  order: CallOrder,
  signal: AbortSignal,
): Promise<Call | Outcome> {
  const ready = await session.prepare(order, signal);
  if ('kind' in ready) return ready;
  const { hub, trunk } = session;
  const ref = refOf(session.config.providerId, order.spoolId);
  let over: CallEndFacts | undefined;
  const facts = new Promise<CallEndFacts>((resolve) => {
    const off = session.takeEnd(ref, (end) => {
      over = end;
      off();
      resolve(end);
    });
  });
  const started = new Promise<string>((resolve) => {
    const off = hub.onEvent((message) => {
      if (message.event !== 'AsyncAGIStart' || field(message, 'uniqueid') !== ref) return;
      off();
      resolve(field(message, 'channel'));
    });
    void facts.then(() => {
      off();
      resolve('');
    });
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
  if (outcome.kind !== 'accepted') return outcome;
  signal.addEventListener('abort', cancel);
  const channel = await started;
  signal.removeEventListener('abort', cancel);
  if (over) return outcomeOf(over);
  return new SipCall(ref, hub, new AgiChannel(hub, ref, channel), trunk, facts);
}
