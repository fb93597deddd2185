import { type ServiceToken, serviceToken } from '@ictcore/contract';
import { type InboundCall, onInboundCall } from './call/inbound-flow';
import type { ExtensionConfig } from './config/trunks';
import type { AsteriskHub, DidTreatment, UnknownNumber } from './hub/asterisk-hub';

/**
 * What the contract's driver has no words for: numbers that call in, phones of accounts, calls decided step by step that
 * come from outside.
 */
export interface AsteriskService {
  /** Says what a number does when it is called; takes effect at once, without a reload. */
  bindDid(number: string, treatment: DidTreatment): Promise<void>;
  /** Calls to this number are refused from now on (404). */
  unbindDid(number: string): Promise<void>;
  /** Replaces all SIP phones of accounts. */
  setExtensions(extensions: readonly ExtensionConfig[]): Promise<void>;
  /** Hands each incoming call of treatment `flow` to `take`; returns a function that ends this. */
  onCall(take: (call: InboundCall) => void): () => void;
  /** Tells of calls to numbers that nobody has bound; returns a function that ends this. */
  onUnknownNumber(take: (call: UnknownNumber) => void): () => void;
}

/** Finds the {@link AsteriskService}; usable while at least one provider of type `sip` is open. */
export const ASTERISK: ServiceToken<AsteriskService> = serviceToken('@ictcore/provider-asterisk/asterisk');

/** The service over a hub that may not be there yet, and may be another one later. */
export class HubService implements AsteriskService {
  private readonly callers = new Set<(call: InboundCall) => void>();
  private readonly unknown = new Set<(call: UnknownNumber) => void>();
  private hub: AsteriskHub | undefined;

  /** Called when the first provider opens. */
  use(hub: AsteriskHub | undefined): void {
    this.hub = hub;
    if (!hub) return;
    onInboundCall(hub, (call) => {
      for (const take of this.callers) take(call);
    });
    hub.onUnknownNumber((call) => {
      for (const take of this.unknown) take(call);
    });
  }

  bindDid(number: string, treatment: DidTreatment): Promise<void> {
    return this.current().bindDid(number, treatment);
  }

  unbindDid(number: string): Promise<void> {
    return this.current().unbindDid(number);
  }

  setExtensions(extensions: readonly ExtensionConfig[]): Promise<void> {
    return this.current().trunks.setExtensions(extensions);
  }

  onCall(take: (call: InboundCall) => void): () => void {
    this.callers.add(take);
    return () => this.callers.delete(take);
  }

  onUnknownNumber(take: (call: UnknownNumber) => void): () => void {
    this.unknown.add(take);
    return () => this.unknown.delete(take);
  }

  private current(): AsteriskHub {
    if (!this.hub) throw new Error('no provider of type sip is open');
    return this.hub;
  }
}
