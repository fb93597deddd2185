import type { Order } from '@ictcore/contract';

/** What the loopback carrier does with a message. */
export type Behaviour =
  | 'deliver'
  | 'busy'
  | 'no_answer'
  | 'invalid'
  | 'throttled'
  | 'rejected'
  | 'provider_down'
  | 'unknown'
  | 'accept_then_deliver'
  | 'accept_then_fail'
  | 'report_twice'
  | 'report_early'
  | 'accept_only'
  | 'reply'
  | 'hang';

/** One magic destination. */
export interface MagicDestination {
  /** Last digits of a phone number. */
  readonly ending: string;
  /** Local part of an e-mail address, alone or in front of a `+`. */
  readonly localPart: string;
  readonly behaviour: Behaviour;
  readonly meaning: string;
}

/**
 * Destinations that do not simply take the message. The endings lie in a range that ordinary test numbers rarely end
 * in: 9900 to 9999.
 */
export const MAGIC_DESTINATIONS: readonly MagicDestination[] = [
  { ending: '9901', localPart: 'busy', behaviour: 'busy', meaning: 'busy: failed, may be tried again' },
  { ending: '9902', localPart: 'noanswer', behaviour: 'no_answer', meaning: 'no answer: failed, may be tried again' },
  { ending: '9903', localPart: 'invalid', behaviour: 'invalid', meaning: 'no such destination: refused for good' },
  {
    ending: '9904',
    localPart: 'throttled',
    behaviour: 'throttled',
    meaning: 'throttled: deferred by defer_ms, no try',
  },
  { ending: '9905', localPart: 'rejected', behaviour: 'rejected', meaning: 'rejected: refused for good' },
  {
    ending: '9906',
    localPart: 'down',
    behaviour: 'provider_down',
    meaning: 'carrier down: failed, provably not accepted, so that another provider may take it',
  },
  { ending: '9907', localPart: 'unknown', behaviour: 'unknown', meaning: 'taken, then the link breaks: nobody knows' },
  {
    ending: '9911',
    localPart: 'later',
    behaviour: 'accept_then_deliver',
    meaning: 'accepted, reported delivered after report_ms',
  },
  {
    ending: '9912',
    localPart: 'laterfail',
    behaviour: 'accept_then_fail',
    meaning: 'accepted, reported failed after report_ms',
  },
  {
    ending: '9913',
    localPart: 'twice',
    behaviour: 'report_twice',
    meaning: 'accepted, reported delivered twice after report_ms',
  },
  {
    ending: '9914',
    localPart: 'early',
    behaviour: 'report_early',
    meaning: 'reported delivered before it is accepted',
  },
  { ending: '9915', localPart: 'silent', behaviour: 'accept_only', meaning: 'accepted, and never reported on' },
  {
    ending: '9921',
    localPart: 'reply',
    behaviour: 'reply',
    meaning: 'delivered, and a message comes back after report_ms (sms and e-mail)',
  },
  { ending: '9931', localPart: 'hang', behaviour: 'hang', meaning: 'no answer at all until the order is given up' },
];

/** What is to become of an order, by its destination. */
export function behaviourOf(order: Order): Behaviour {
  return magicOf(order)?.behaviour ?? 'deliver';
}

function magicOf({ channel, to }: Order): MagicDestination | undefined {
  if (channel === 'email') {
    const localPart = (to.email ?? '').toLowerCase().split(/[+@]/)[0];
    return MAGIC_DESTINATIONS.find((each) => each.localPart === localPart);
  }
  return MAGIC_DESTINATIONS.find((each) => to.phone?.endsWith(each.ending));
}

/** Where an order goes: the address of an e-mail, the number of everything else; empty if there is none. */
export function destinationOf({ channel, to }: Order): string {
  return (channel === 'email' ? to.email : to.phone) ?? '';
}
