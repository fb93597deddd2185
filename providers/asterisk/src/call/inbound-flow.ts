import type { Call } from '@ictcore/contract';
import { type AmiMessage, field } from '../ami/ami-message';
import { type CallEndFacts, type IctEnd, parseIctEnd, providerOfRef } from '../calls/call-end';
import { providerOfChannel, trunkName } from '../config/trunks';
import type { AsteriskHub } from '../hub/asterisk-hub';
import { AgiChannel } from './agi-channel';
import { SipCall } from './sip-call';

/** A call that waits for its first step (usually `connect`); after 20 s without one it ends. */
export interface InboundCall {
  readonly call: Call;
  readonly from: string;
  readonly fromName: string;
  /** The number that was called. */
  readonly to: string;
  /** The provider it came over; undefined for a call from a phone of ours. */
  readonly providerId: number | undefined;
}

/** Hands each incoming call of treatment `flow` (or `detect`) to `take`; returns a function that ends this. */
export function onInboundCall(hub: AsteriskHub, take: (call: InboundCall) => void): () => void {
  return hub.onEvent((message) => {
    const uniqueid = field(message, 'uniqueid');
    if (message.event !== 'AsyncAGIStart' || providerOfRef(uniqueid) !== undefined) return;
    const environment = agiEnvironment(field(message, 'env'));
    const channel = field(message, 'channel');
    const agi = new AgiChannel(hub, uniqueid, channel);
    const providerId = providerOfChannel(channel);
    const trunk = providerId === undefined ? '' : trunkName(providerId);
    const call = new SipCall(uniqueid, hub, agi, trunk, endOf(hub, uniqueid));
    const known = (name: string) => (environment[name] === 'unknown' ? '' : (environment[name] ?? ''));
    const inbound = { from: known('agi_callerid'), fromName: known('agi_calleridname'), providerId, call };
    agi.get('ICT_DID').then(
      (to) => take({ ...inbound, to }),
      () => agi.end(),
    );
  });
}

/** `agi_name: value` lines, percent-encoded. */
function agiEnvironment(encoded: string): Record<string, string> {
  const lines = decodeURIComponent(encoded).split('\n');
  return Object.fromEntries(lines.map((line) => line.split(/: (.*)/s, 2) as [string, string]).filter(([name]) => name));
}

function endOf(hub: AsteriskHub, uniqueid: string): Promise<CallEndFacts> {
  return new Promise((resolve) => {
    let end: IctEnd | undefined;
    const off = hub.onEvent((message: AmiMessage) => {
      if (field(message, 'uniqueid') !== uniqueid) return;
      if (message.event === 'UserEvent' && field(message, 'userevent') === 'IctEnd') {
        end = parseIctEnd(field(message, 'data'));
      } else if (message.event === 'Hangup') {
        off();
        resolve({
          ref: uniqueid,
          cause: Number(field(message, 'cause')) || 0,
          techCause: field(message, 'techcause'),
          end,
          endedAt: Date.now(),
          noChannel: false,
          lost: false,
          cancelled: false,
        });
      }
    });
  });
}
