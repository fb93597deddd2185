import type { AmiAction } from '../ami/ami-encode';
import { amiVariable } from '../ami/ami-encode';

/** A call to place. Everything in it has been validated: this only puts it into words. */
export interface CallRequest {
  readonly ref: string;
  readonly spoolId: number;
  /** The trunk's name in Asterisk. */
  readonly trunk: string;
  /** Passed `dialable`. */
  readonly number: string;
  /** Made by `callerId`. */
  readonly callerId: string;
  readonly context: 'ict-voice' | 'ict-sendfax' | 'ict-flow';
  /** Milliseconds. */
  readonly ringTimeoutMs: number;
  readonly variables: Readonly<Record<string, string | number>>;
}

/** Longest ringing that carriers allow anyway. */
const MAX_RING_MS = 180_000;

/** The Originate action: the channel is called by the attempt's ref, so that it can be found again at any time. */
export function originateAction(request: CallRequest): AmiAction {
  const variables = { ICT_SPOOL: request.spoolId, ICT_TRUNK: request.trunk, ...request.variables };
  return {
    action: 'Originate',
    ChannelId: request.ref,
    Channel: `PJSIP/${request.number}@${request.trunk}`,
    Context: request.context,
    Exten: 's',
    Priority: 1,
    Timeout: Math.min(MAX_RING_MS, Math.max(1000, Math.round(request.ringTimeoutMs))),
    CallerID: request.callerId,
    Async: true,
    Variable: Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, amiVariable(value)])),
  };
}
