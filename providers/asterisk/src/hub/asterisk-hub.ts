import { join } from 'node:path';
import type { Logger } from '@ictcore/contract';
import { AmiLink } from '../ami/ami-link';
import { type AmiMessage, field } from '../ami/ami-message';
import { parseIctEnd } from '../calls/call-end';
import { MediaStage } from '../calls/media-stage';
import { AsteriskInstance, type LocalAsteriskOptions } from '../config/asterisk-instance';
import { CallTracker } from './call-tracker';
import { Journal } from './journal';
import { isReceived, reconcile, trunkProvider } from './reconcile';
import { type AsteriskSite, siteOf } from './site';
import { TrunkFile } from './trunk-file';
import { contactState, registrationStates, type TrunkState } from './trunk-health';

/** A call from a number that nobody has bound. */
export interface UnknownNumber {
  readonly did: string;
  readonly from: string;
  readonly trunk: string;
}

/** What a number that calls in does: see dialplan.ts. `detect` tells fax from voice first. */
export type DidTreatment = 'fax' | 'flow' | 'record' | 'detect';

/** An Asterisk that we run, or one that exists. */
export type AsteriskSource =
  | { readonly local: Omit<LocalAsteriskOptions, 'log'> }
  | { readonly existing: AsteriskSite };

const CHECKPOINT_MS = 2000;
/** So long a list of registrations is good for everybody. */
const REGISTRATIONS_MS = 100;
/** How long an orderly end waits for the ends of calls to be stored. */
const DRAIN_MS = 2000;

/**
 * One Asterisk for all providers of type `sip` in this process: one AMI link, one trunk file, one view of the calls.
 */
export class AsteriskHub {
  readonly tracker: CallTracker;
  private readonly eventListeners = new Set<(message: AmiMessage) => void>();
  private readonly unknownListeners = new Set<(call: UnknownNumber) => void>();
  private readonly readyListeners = new Set<() => void>();
  private timer: NodeJS.Timeout | undefined;
  /** Everything before this offset of the journal has been read. */
  private position = 0;
  /** The journal's length at the last two ticks: an inbound call's first line is younger than the older one. */
  private sizes: [older: number, newer: number] = [0, 0];
  /** False until the calls are reconciled after a (re)connect: no new ones are placed before. */
  private reconciled = false;
  private reconciling: Promise<void> = Promise.resolve();
  private closed = false;
  private registrations: { readonly at: number; readonly states: Promise<Map<string, string>> } | undefined;

  private constructor(
    readonly ami: AmiLink,
    readonly site: AsteriskSite,
    readonly stage: MediaStage,
    readonly trunks: TrunkFile,
    readonly journal: Journal,
    readonly instance: AsteriskInstance | undefined,
    private readonly log: Logger,
  ) {
    this.tracker = new CallTracker(log);
  }

  /** Starts a local Asterisk, or connects to one. Throws if it cannot be started; a missing link is no error. */
  static async open(source: AsteriskSource, log: Logger): Promise<AsteriskHub> {
    const instance = 'local' in source ? await AsteriskInstance.prepare({ ...source.local, log }) : undefined;
    const site = 'existing' in source ? source.existing : siteOf((instance as AsteriskInstance).layout);
    const ami = new AmiLink({
      ...site.ami,
      onListenerError: (error) => log.error({ error: String(error) }, 'asterisk: an event could not be handled'),
    });
    const journal = new Journal(site.journalFile, join(site.stateDir, 'checkpoint'));
    const hub = new AsteriskHub(
      ami,
      site,
      new MediaStage(site.stagedDir),
      new TrunkFile(site, ami),
      journal,
      instance,
      log,
    );
    await hub.start();
    return hub;
  }

  /** True when the link is up and the calls are reconciled. */
  get isReady(): boolean {
    return this.ami.isReady && this.reconciled;
  }

  /** Resolves when ready, or false after `timeoutMs` or when `signal` is aborted. */
  whenReady(timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    if (this.isReady) return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.readyListeners.delete(end);
        signal?.removeEventListener('abort', end);
        resolve(this.isReady);
      };
      const timer = setTimeout(end, timeoutMs);
      signal?.addEventListener('abort', end);
      this.readyListeners.add(end);
    });
  }

  /** Calls `listener` on each event of Asterisk; returns a function that ends this. */
  onEvent(listener: (message: AmiMessage) => void): () => void {
    this.eventListeners.add(listener);
    return () => this.eventListeners.delete(listener);
  }

  /** Calls `listener` for each call to a number that is not bound; returns a function that ends this. */
  onUnknownNumber(listener: (call: UnknownNumber) => void): () => void {
    this.unknownListeners.add(listener);
    return () => this.unknownListeners.delete(listener);
  }

  /** Says what a number does when it is called, without a reload. Resolves when Asterisk has stored it. */
  async bindDid(number: string, treatment: DidTreatment): Promise<void> {
    await this.ami.send({ action: 'DBPut', Family: 'ict-did', Key: didKey(number), Val: treatment });
  }

  /** Calls to this number are refused from now on. */
  async unbindDid(number: string): Promise<void> {
    await this.ami
      .send({ action: 'DBDel', Family: 'ict-did', Key: didKey(number) })
      .catch((error) => this.log.debug({ error: (error as Error).message }, 'asterisk: the number was not bound'));
  }

  /** What Asterisk knows about a trunk. Many ask at once, at boot and after a loss: registrations are fetched once. */
  async trunkState(name: string): Promise<TrunkState> {
    if (!this.registrations || Date.now() - this.registrations.at > REGISTRATIONS_MS) {
      this.registrations = { at: Date.now(), states: registrationStates(this.ami) };
      this.registrations.states.catch(() => undefined);
    }
    const [contact, registrations] = await Promise.all([contactState(this.ami, name), this.registrations.states]);
    return { ...contact, registration: registrations.get(name) ?? '' };
  }

  /** The offset that a call which begins now is followed from. */
  get journalOffset(): number {
    return this.sizes[0];
  }

  /**
   * Ends the link. A local Asterisk is stopped when no call is up, otherwise left to finish its calls: the next start
   * finds it, and the journal.
   */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    clearInterval(this.timer);
    await this.reconciling;
    const end = Date.now() + DRAIN_MS;
    while (this.tracker.safeOffset(Infinity) !== Infinity && this.tracker.open.size === 0 && Date.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const live = await this.ami.list({ action: 'CoreShowChannels' }, { timeoutMs: 2000 }).catch(() => undefined);
    // All is told: the next server need not read it again.
    if (live?.length === 0 && this.isReady && !this.tracker.busy) this.position = await this.journal.size();
    await this.saveCheckpoint().catch(() => undefined);
    this.ami.stop();
    this.tracker.close();
    for (const listener of [...this.readyListeners]) listener();
    if ((live ?? []).length > 0 || this.tracker.open.size > 0) this.instance?.release();
    else await this.instance?.stop();
  }

  private async start(): Promise<void> {
    await this.stage.open();
    this.position = await this.journal.checkpoint();
    this.sizes = [this.position, this.position];
    await this.trunks.write();
    this.ami.on('ready', () => this.connected());
    this.ami.on('down', (why) => this.disconnected(why));
    this.ami.on('unauthorized', (why) => this.log.error({ why }, 'asterisk: AMI refuses user name or password'));
    this.ami.on('event', (message) => this.take(message));
    await this.instance?.start();
    this.ami.start();
    this.timer = setInterval(() => void this.tick(), CHECKPOINT_MS);
    this.timer.unref();
  }

  private connected(): void {
    this.log.info({ host: this.site.ami.host, port: this.site.ami.port }, 'asterisk: AMI link is up');
    this.reconciling = this.reconciling.then(() => this.settle());
  }

  private async settle(): Promise<void> {
    try {
      await this.trunks.apply();
      const from = this.tracker.safeOffset(this.position);
      const { ami, journal, tracker, log } = this;
      this.position = await reconcile({ ami, journal, tracker, log }, from);
      this.reconciled = this.ami.isReady;
      for (const listener of [...this.readyListeners]) listener();
    } catch (error) {
      if (this.closed) return;
      this.log.warn({ error: (error as Error).message }, 'asterisk: calls could not be reconciled yet');
      if (this.ami.isReady) setTimeout(() => this.connected(), 1000).unref();
    }
  }

  private disconnected(why: string): void {
    this.reconciled = false;
    if (!this.closed)
      this.log.warn({ why }, 'asterisk: AMI link is down; calls go on, their ends come from the journal');
  }

  private take(message: AmiMessage): void {
    this.tracker.take(message);
    if (message.event === 'UserEvent') this.takeUserEvent(message);
    for (const listener of this.eventListeners) listener(message);
  }

  private takeUserEvent(message: AmiMessage): void {
    const name = field(message, 'userevent');
    if (name !== 'IctEnd' && name !== 'IctUnknown') return;
    const data = parseIctEnd(field(message, 'data'));
    const { did = '', from = '', trunk = '' } = data;
    if (name === 'IctUnknown') {
      this.log.warn({ did, from, trunk }, 'asterisk: a call to a number that nobody has bound was refused');
      for (const listener of this.unknownListeners) listener({ did, from, trunk });
      return;
    }
    const providerId = trunkProvider(trunk);
    if (providerId === undefined || data.spool !== '' || !isReceived(data.result)) return;
    const ref = field(message, 'uniqueid');
    this.tracker.receive(providerId, this.journalOffset, { ref, end: data, at: Date.now() });
  }

  private async tick(): Promise<void> {
    try {
      this.tracker.expire();
      this.sizes = [this.sizes[1], await this.journal.size()];
      await this.saveCheckpoint();
      if (!this.tracker.busy && this.isReady && (await this.journal.rotate())) {
        this.position = 0;
        this.sizes = [0, 0];
      }
    } catch (error) {
      this.log.warn({ error: (error as Error).message }, 'asterisk: the journal could not be followed');
    }
  }

  /** Everything before the oldest open call is dealt with; while the link is down, only what had been read. */
  private async saveCheckpoint(): Promise<void> {
    if (this.isReady) this.position = Math.max(this.position, this.sizes[0]);
    await this.journal.save(this.tracker.safeOffset(this.position));
  }
}

function didKey(number: string): string {
  if (!/^[+0-9*#]{1,32}$/.test(number)) throw new Error('a number that can be called in: digits, *, # and +');
  return number;
}
