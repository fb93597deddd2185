import { createReadStream, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type {
  CallOrder,
  CallStep,
  DriverEvent,
  DriverSession,
  FaxOrder,
  FileRef,
  FinalOutcome,
  VoiceOrder,
} from '@ictcore/contract';
import { faxOrder, providerConfig, RecordingDriverContext, voiceOrder } from '@ictcore/test-kit';
import {
  type AsteriskOptions,
  type AsteriskPeer,
  freeUdpPort,
  startAsterisk,
  writeFaxTiff,
  writeTone,
} from '@ictcore/test-peers';
import { type SipDriver, sipDriver } from '../asterisk.driver';
import type { HubService } from '../asterisk.service';
import type { LocalAsteriskOptions } from '../config/asterisk-instance';
import { gatewayOptions, removeFolder } from './gateway';

/** A file on disk as drivers see stored files. */
export function diskFile(path: string, mediaType: string): FileRef {
  return {
    name: path.split('/').pop() ?? '',
    mediaType,
    size: statSync(path).size,
    open: async () => createReadStream(path),
    localPath: async () => path,
  };
}

/** A SIP phone with a password that needs escaping. */
export const PHONE = { name: '1200', password: 'pho;ne-#pass' };

/** An open provider with what it reported. */
export interface TestTrunk {
  readonly session: DriverSession;
  readonly context: RecordingDriverContext;
}

/** A gateway (ours) and a far end (a carrier), both real, with a trunk between them, and media to send. */
export class Line {
  private readonly sessions: DriverSession[] = [];

  private constructor(
    readonly far: AsteriskPeer,
    readonly options: LocalAsteriskOptions,
    readonly sip: SipDriver,
    /** Folder of test media: msg.wav (2 s), light.tif (1 page), three.tif, dense.tif. */
    readonly media: string,
  ) {}

  static async start(far: AsteriskOptions = {}, local: Partial<LocalAsteriskOptions> = {}): Promise<Line> {
    const media = await mkdtemp(join(tmpdir(), 'ictcore-media-'));
    await writeTone(join(media, 'msg.wav'), 2);
    await writeFaxTiff(join(media, 'light.tif'), ['light']);
    await writeFaxTiff(join(media, 'three.tif'), ['light', 'light', 'light']);
    await writeFaxTiff(join(media, 'dense.tif'), ['light', 'dense']);
    const options = { ...(await gatewayOptions()), ...local };
    return new Line(
      await startAsterisk(far),
      options,
      sipDriver(() => ({ local: options })),
      media,
    );
  }

  /** The same, with {@link PHONE} at the far end, which registers at the gateway once its extension is configured. */
  static async withPhone(): Promise<Line> {
    const sip = { host: '127.0.0.1', port: await freeUdpPort('127.0.0.1') };
    return Line.start({ phone: { ...PHONE, ...sip } }, { sip });
  }

  get service(): HubService {
    return this.sip.service;
  }

  /** A driver of its own on the same folder: what a restarted server would be. */
  another(): SipDriver {
    return sipDriver(() => ({ local: this.options }));
  }

  /** Opens a trunk as a provider row would. */
  async open(
    more: Parameters<typeof providerConfig>[1] & { settings?: Record<string, unknown> } = {},
    { driver } = this.sip,
  ): Promise<TestTrunk> {
    const context = new RecordingDriverContext(more.providerId ?? 3);
    const { settings, ...row } = more;
    const config = providerConfig(driver, {
      host: this.far.host,
      port: this.far.port,
      username: 'gateway',
      password: 'trunk-pass',
      register: true,
      ...row,
      settings: { qualify_seconds: 1, max_calls: 200, ...settings },
    });
    const session = await driver.open(config, context);
    this.sessions.push(session);
    return { session, context };
  }

  file(name: string): FileRef {
    return diskFile(join(this.media, name), name.endsWith('.wav') ? 'audio/wav' : 'image/tiff');
  }

  /** A one-shot voice order that plays msg.wav. */
  voice(phone: string, more: Partial<VoiceOrder> = {}): VoiceOrder {
    const steps: CallStep[] = [{ use: 'voice_play', with: {}, files: { message: this.file('msg.wav') } }];
    return voiceOrder({ steps, ringTimeoutMs: 5000, to: { phone, email: null, name: 'Far' }, ...more });
  }

  fax(phone: string, name = 'light.tif', pages = 1, more: Partial<FaxOrder> = {}): FaxOrder {
    const to = { phone, email: null, name: 'Far' };
    const head = { header: 'Acme, "Clinic"', stationId: '+1 555 0100', ecm: true };
    return faxOrder({ document: this.file(name), pages, to, ...head, ...more });
  }

  async stop(): Promise<void> {
    for (const session of this.sessions.splice(0)) await session.close();
    await this.far.stop();
    await removeFolder(this.options.dir);
    await rm(this.media, { recursive: true, force: true });
  }
}

/** Waits for the report of a ref. */
export async function reportOf(
  context: RecordingDriverContext,
  ref: string,
  timeoutMs = 20_000,
): Promise<FinalOutcome> {
  const event = await eventOf(context, (each) => each.kind === 'report' && each.ref === ref, timeoutMs, ref);
  return (event as { outcome: FinalOutcome }).outcome;
}

/** Waits for an event. */
export async function eventOf(
  context: RecordingDriverContext,
  wanted: (event: DriverEvent) => boolean,
  timeoutMs = 20_000,
  what = 'an event',
): Promise<DriverEvent> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const found = context.events.find(wanted);
    if (found) return found;
    if (Date.now() > end) throw new Error(`no ${what} within ${timeoutMs} ms; got ${JSON.stringify(context.events)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** An order for a call that is decided step by step. */
export function callOrderOf(phone: string, more: Partial<CallOrder> = {}): CallOrder {
  const { steps: _steps, ...order } = voiceOrder({ to: { phone, email: null, name: 'Far' }, ringTimeoutMs: 5000 });
  return { ...order, ...more };
}
