import { rm } from 'node:fs/promises';
import {
  accepted,
  type Call,
  type CallOrder,
  type DriverContext,
  type DriverSession,
  deferred,
  type FaxOrder,
  failed,
  type Health,
  type Order,
  type Outcome,
  type ProviderConfig,
  refused,
  type VoiceOrder,
} from '@ictcore/contract';
import { amiErrorCode } from './ami/ami-error';
import { type AmiMessage, field } from './ami/ami-message';
import { SIP_PORT, type SipSettings } from './asterisk.settings';
import { placeFlow } from './call/place-flow';
import { type CallEndFacts, refOf } from './calls/call-end';
import { applyPrefixRules, callerId, dialable } from './calls/destination';
import { StepError } from './calls/one-shot';
import { faxVariables, MediaMissingError, voiceVariables } from './calls/order-variables';
import { type CallRequest, originateAction } from './calls/originate';
import { outcomeOf } from './calls/outcome';
import { inboundOf } from './calls/received';
import { UnwritableValueError } from './config/ini';
import { trunkName } from './config/trunks';
import type { AsteriskHub } from './hub/asterisk-hub';
import type { OpenCall, Received, TrunkHandler } from './hub/call-tracker';
import { healthOf, isSettled, type TrunkDuties, type TrunkState } from './hub/trunk-health';

/** How long an order waits for the link, or for the first word about a new trunk. */
const READY_MS = 5000;
/** How long Asterisk takes at most to make a channel. */
const CHANNEL_MS = 5000;
/** No line is free: asked again after this time. */
const NO_LINE_MS = 1000;
/** Changes come as events; this bounds what a lost one can do. */
const STATE_MAX_AGE_MS = 10_000;

/** One provider row of type `sip`: a trunk of the shared Asterisk. */
export class AsteriskSession implements DriverSession, TrunkHandler {
  readonly trunk: string;
  private readonly duties: TrunkDuties;
  private state: TrunkState | undefined;
  private stateAt = 0;
  private problem: string | undefined;
  private closed = false;
  private readonly offs: (() => void)[] = [];

  constructor(
    readonly config: ProviderConfig<SipSettings>,
    readonly context: DriverContext,
    readonly hub: AsteriskHub,
    private readonly release: () => Promise<void>,
  ) {
    this.trunk = trunkName(config.providerId);
    this.duties = { registers: config.register, probes: config.settings.qualify_seconds > 0 };
  }

  /** Makes the trunk and takes what came for it since the last server. Never throws: `check` tells what is wrong. */
  async open(): Promise<void> {
    const { config, hub } = this;
    const { settings } = config;
    try {
      await hub.trunks.set(this, {
        name: this.trunk,
        host: config.host,
        port: config.port || SIP_PORT,
        username: config.username,
        password: config.password,
        register: config.register,
        codecs: settings.codecs,
        t38: settings.t38,
        dtmf: settings.dtmf,
        callerId: settings.caller_id,
        qualifySeconds: settings.qualify_seconds,
        registrationSeconds: settings.registration_seconds,
      });
    } catch (error) {
      this.problem = error instanceof UnwritableValueError ? error.message : `the trunk: ${(error as Error).message}`;
      this.context.log.error({ problem: this.problem }, 'sip: the trunk could not be configured');
    }
    this.offs.push(hub.onEvent((message) => this.watchHealth(message)));
    hub.tracker.attach(config.providerId, this);
  }

  async submit(order: Order, signal: AbortSignal): Promise<Outcome> {
    if (order.channel !== 'fax' && order.channel !== 'voice') {
      return refused('rejected', `a SIP trunk carries no ${order.channel}`);
    }
    const ready = await this.prepare(order, signal);
    if ('kind' in ready) return ready;
    const { hub } = this;
    const ref = refOf(this.config.providerId, order.spoolId);
    if (hub.tracker.open.has(ref)) return accepted(ref, { detail: 'already on its way' });
    try {
      const variables = await this.variables(ref, order);
      const request: CallRequest = {
        ref,
        spoolId: order.spoolId,
        trunk: this.trunk,
        number: ready.number,
        callerId: callerId(order.from.phone, order.from.name),
        context: order.channel === 'fax' ? 'ict-sendfax' : 'ict-voice',
        ringTimeoutMs: order.channel === 'fax' ? this.config.settings.ring_seconds * 1000 : order.ringTimeoutMs,
        variables,
      };
      return await this.place(request, signal);
    } catch (error) {
      if (error instanceof StepError) return refused('rejected', error.message);
      if (error instanceof MediaMissingError) {
        this.context.log.warn({ spoolId: order.spoolId, error: error.message }, 'sip: a file is missing');
        return refused('media_rejected', 'media_missing');
      }
      throw error;
    }
  }

  call(order: CallOrder, signal: AbortSignal): Promise<Call | Outcome> {
    return placeFlow(this, order, signal);
  }

  async check(signal: AbortSignal): Promise<Health> {
    if (this.problem !== undefined) return { state: 'error', detail: this.problem };
    if (!(await this.hub.whenReady(READY_MS, signal))) {
      return { state: 'error', detail: 'no link to Asterisk (AMI): is it running, are user and password right?' };
    }
    this.stateAt = 0;
    const state = await this.settledState(signal);
    return state ? healthOf(state, this.duties) : { state: 'error', detail: 'Asterisk gave no answer' };
  }

  /** Hangs up; true if Asterisk had the call. */
  async cancel(ref: string): Promise<boolean> {
    const call = this.hub.tracker.open.get(ref);
    if (call) call.cancelled = true;
    try {
      await this.hub.ami.send({ action: 'Hangup', Channel: ref, Cause: 16 });
      return true;
    } catch {
      if (call) call.cancelled = false;
      return false;
    }
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    for (const off of this.offs) off();
    this.hub.tracker.detach(this.config.providerId, this);
    await this.hub.trunks
      .remove(this, this.trunk)
      .catch((error) => this.context.log.warn({ error: (error as Error).message }, 'sip: the trunk stays configured'));
    await this.release();
  }

  /** {@link TrunkHandler}: an accepted order has ended. */
  async ended(facts: CallEndFacts): Promise<void> {
    await this.hub.stage.remove(facts.ref);
    await this.context.emit({ kind: 'report', ref: facts.ref, outcome: outcomeOf(facts) });
  }

  /** {@link TrunkHandler}: a fax or recording has come in; its file is ours to remove once it is stored. */
  async received(received: Received): Promise<void> {
    const inbound = await inboundOf(received, this.hub.site.receivedDir);
    if (!inbound) return;
    await this.context.emit(inbound.message);
    if (inbound.path) await rm(inbound.path, { force: true });
  }

  /**
   * All that must be right before anything is dialled: destination, link, a free line, a carrier that is there.
   *
   * @returns the number to dial, or why not
   */
  async prepare(order: Order | CallOrder, signal: AbortSignal): Promise<Outcome | { number: string }> {
    const { config, hub } = this;
    const typed = dialable(order.to.phone ?? '');
    const number = typed === undefined ? undefined : applyPrefixRules(typed, config.prefix);
    if (number === undefined) return refused('invalid_destination', 'INVALID_NUMBER_FORMAT');
    const down = (detail: string) => failed('provider_down', detail, { notAccepted: true });
    if (this.problem !== undefined) return down(this.problem);
    if (this.closed) return deferred(NO_LINE_MS, 'provider_down', 'the provider is closing');
    if (!(await hub.whenReady(READY_MS, signal))) return down('no link to Asterisk');
    if (hub.tracker.count(config.providerId) >= config.settings.max_calls) {
      return deferred(NO_LINE_MS, 'throttled', 'no free line');
    }
    const state = await this.settledState(signal);
    if (state?.contact === 'Unreachable') return down('the carrier does not answer (SIP OPTIONS)');
    if (signal.aborted) return failed('cancelled', 'canceled', { notAccepted: true });
    return { number };
  }

  /**
   * Asks Asterisk for the call and waits until it has a channel, milliseconds later. Then it is `accepted`: a call can
   * last an hour, and its ref and the journal find its end even if we die meanwhile.
   */
  async place(request: CallRequest, signal: AbortSignal): Promise<Outcome> {
    const { hub, config } = this;
    const call = hub.tracker.begin(request.ref, config.providerId, hub.journalOffset);
    try {
      await hub.ami.send(originateAction(request), { id: request.ref });
    } catch (error) {
      const code = amiErrorCode(error);
      // Whether it was heard is unknown: the journal tells after the reconnect.
      if (code === 'down' || code === 'timeout') return accepted(request.ref, { detail: 'the link to Asterisk broke' });
      hub.tracker.drop(request.ref);
      await hub.stage.remove(request.ref);
      return failed('provider_down', (error as Error).message, { notAccepted: true });
    }
    await untilChannel(call, signal);
    if (signal.aborted) await this.cancel(request.ref);
    return accepted(request.ref, { detail: 'dialled' });
  }

  private variables(ref: string, order: FaxOrder | VoiceOrder): Promise<Record<string, string | number>> {
    const { stage } = this.hub;
    return order.channel === 'fax'
      ? faxVariables(stage, ref, order, this.config.settings)
      : voiceVariables(stage, ref, order);
  }

  /** The trunk's state once Asterisk has made up its mind; soon after opening that takes some seconds. */
  private async settledState(signal: AbortSignal): Promise<TrunkState | undefined> {
    const end = Date.now() + READY_MS;
    while (!signal.aborted && Date.now() < end) {
      if (this.state && Date.now() - this.stateAt < STATE_MAX_AGE_MS) return this.state;
      const state = await this.hub.trunkState(this.trunk).catch(() => undefined);
      if (state && isSettled(state, this.duties)) {
        this.state = state;
        this.stateAt = Date.now();
        return state;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return this.state;
  }

  /** The carrier went away or came back: told to the kernel at once. */
  private watchHealth(message: AmiMessage): void {
    const contact = message.event === 'ContactStatus' && field(message, 'endpointname') === this.trunk;
    // A Registry event names the server, not the trunk.
    const registry = message.event === 'Registry' && field(message, 'domain').includes(this.config.host);
    if (contact || (registry && this.config.register)) void this.refreshHealth();
  }

  private async refreshHealth(): Promise<void> {
    try {
      const before = this.state;
      const state = await this.hub.trunkState(this.trunk);
      if (this.closed || !isSettled(state, this.duties)) return;
      this.state = state;
      this.stateAt = Date.now();
      const health = healthOf(state, this.duties);
      if (before && healthOf(before, this.duties).state === health.state) return;
      await this.context.emit({ kind: 'health', ...health });
    } catch (error) {
      this.context.log.debug({ error: (error as Error).message }, 'sip: the state of the trunk is not known');
    }
  }
}

function untilChannel(call: OpenCall, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      call.watchers.delete(look);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const look = () => {
      if (call.hasChannel || call.over) end();
    };
    const timer = setTimeout(end, CHANNEL_MS);
    call.watchers.add(look);
    signal.addEventListener('abort', end);
    look();
  });
}
