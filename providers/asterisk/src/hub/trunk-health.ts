import type { Health } from '@ictcore/contract';
import type { AmiLink } from '../ami/ami-link';
import { field } from '../ami/ami-message';

/** What Asterisk knows about a trunk. */
export interface TrunkState {
  /** `Reachable`, `Unreachable`, `NonQualified` (never probed), `Unknown` (not probed yet), '' (no such trunk). */
  readonly contact: string;
  readonly roundTripMs: number | undefined;
  /** `Registered`, `Unregistered`, `Rejected`, ''. */
  readonly registration: string;
}

/** Whether the carrier of a trunk answers. */
export async function contactState(ami: AmiLink, name: string): Promise<Omit<TrunkState, 'registration'>> {
  const details = await ami.list({ action: 'PJSIPShowEndpoint', Endpoint: name });
  const contact = details.find(({ event }) => event === 'ContactStatusDetail');
  const usec = Number(contact && field(contact, 'roundtripusec'));
  return { contact: contact ? field(contact, 'status') : '', roundTripMs: usec > 0 ? usec / 1000 : undefined };
}

/**
 * The state of all registrations, by trunk. PJSIPShowRegistrationsOutbound also returns the trunks' passwords: nothing
 * of it but names and states leaves this function.
 */
export async function registrationStates(ami: AmiLink): Promise<Map<string, string>> {
  const found = await ami.list({ action: 'PJSIPShowRegistrationsOutbound' });
  const pairs = found.map((each) => [
    /^(.*)-reg-\d+$/.exec(field(each, 'objectname'))?.[1] ?? '',
    field(each, 'status'),
  ]);
  return new Map(pairs.filter(([name]) => name !== '') as [string, string][]);
}

/** What a trunk is expected to do. */
export interface TrunkDuties {
  readonly registers: boolean;
  readonly probes: boolean;
}

/** True once Asterisk has made up its mind about a trunk: before its first probe it says `NonQualified` of any. */
export function isSettled(state: TrunkState, { registers, probes }: TrunkDuties): boolean {
  if (state.contact === 'Unreachable') return true;
  if (state.contact !== (probes ? 'Reachable' : 'NonQualified')) return false;
  return !registers || ['Registered', 'Rejected'].includes(state.registration);
}

/** The state as the kernel shows it. */
export function healthOf(state: TrunkState, { registers, probes }: TrunkDuties): Health {
  const more = state.roundTripMs === undefined ? {} : { roundTripMs: state.roundTripMs };
  if (state.contact === 'Unreachable') {
    return { state: 'error', detail: 'the carrier does not answer SIP OPTIONS: check host and port, and the firewall' };
  }
  if (registers) {
    return state.registration === 'Registered'
      ? { state: 'registered', detail: 'registered at the carrier', ...more }
      : { state: 'unregistered', detail: registrationDetail(state), ...more };
  }
  if (state.contact === 'Reachable') return { state: 'ok', detail: 'the carrier answers SIP OPTIONS', ...more };
  if (!probes && state.contact === 'NonQualified')
    return { state: 'ok', detail: 'configured; not probed (qualify_seconds is 0)' };
  return { state: 'error', detail: 'Asterisk has not probed the carrier yet' };
}

function registrationDetail({ registration }: TrunkState): string {
  if (registration === 'Rejected') return 'the carrier refused the registration: check user name and password';
  return 'not registered at the carrier yet';
}
