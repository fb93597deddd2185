import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type {
  DriverContext,
  DriverEvent,
  EmailOrder,
  FaxOrder,
  FileRef,
  Order,
  ProviderConfig,
  ProviderDriver,
  SmsOrder,
  VoiceOrder,
} from '@ictcore/contract';
import { RecordingLogger } from './recording-logger';

/** A row of a provider but for what a test does not care about. */
export type ConfigOverrides = Partial<Omit<ProviderConfig<unknown>, 'settings'>> & { readonly settings?: unknown };

/** A provider's configuration as the kernel would hand it over: settings go through the driver's schema. */
export function providerConfig<S>(driver: ProviderDriver<S>, overrides: ConfigOverrides = {}): ProviderConfig<S> {
  const parsed = driver.settings.safeParse(overrides.settings ?? {});
  if (!parsed.success) throw new Error(`the settings are refused: ${parsed.error.message}`);
  const row = {
    providerId: 3,
    name: 'kit',
    host: '',
    port: 0,
    username: '',
    password: '',
    prefix: '',
    register: false,
  };
  return { ...row, ...overrides, settings: parsed.data };
}

/** A driver's context that keeps events and log lines, with a temporary scratch folder. */
export class RecordingDriverContext implements DriverContext {
  readonly log = new RecordingLogger();
  readonly events: DriverEvent[] = [];
  /** Set to make `emit` reject, as when the database is away. */
  emitError: Error | undefined;
  private scratch: Promise<string> | undefined;

  constructor(
    readonly providerId = 3,
    readonly webhookUrl: string | null = 'https://ictcore.example/api/webhooks/3',
  ) {}

  async emit(event: DriverEvent): Promise<void> {
    if (this.emitError) throw this.emitError;
    this.events.push(event);
  }

  scratchDir(): Promise<string> {
    this.scratch ??= mkdtemp(join(tmpdir(), 'ictcore-kit-'));
    return this.scratch;
  }

  /** Removes the scratch folder. */
  async dispose(): Promise<void> {
    if (this.scratch) await rm(await this.scratch, { recursive: true, force: true });
    this.scratch = undefined;
  }
}

/** A file in memory as drivers see stored files; its local copy lies below the system's temporary folder. */
export function memoryFile(name: string, mediaType: string, bytes: Buffer): FileRef {
  return {
    name,
    mediaType,
    size: bytes.length,
    open: async () => Readable.from(chunksOf(bytes)),
    localPath: async () => {
      const path = join(await mkdtemp(join(tmpdir(), 'ictcore-kit-')), 'file');
      await writeFile(path, bytes);
      return path;
    },
  };
}

function* chunksOf(bytes: Buffer): Generator<Buffer> {
  const step = 65_536;
  for (let offset = 0; offset < bytes.length; offset += step) yield bytes.subarray(offset, offset + step);
}

let lastSpoolId = 4000;

/** What every order carries, with a spool id of its own. */
function orderBase(): Omit<SmsOrder, 'channel' | 'text' | 'encoding' | 'messageClass' | 'segments'> {
  lastSpoolId += 1;
  return {
    spoolId: lastSpoolId,
    transmissionId: lastSpoolId + 1000,
    attempt: 1,
    accountId: 5,
    campaignId: null,
    from: { phone: '+15550100', email: 'sender@example.com', name: 'Kit Sender' },
    to: { phone: '+15550199', email: 'recipient@example.org', name: 'Kit Recipient' },
  };
}

/** An order for a text message. */
export function smsOrder(more: Partial<SmsOrder> = {}): SmsOrder {
  const text = { text: 'hello', encoding: 'gsm7', messageClass: 'normal', segments: 1 } as const;
  return { ...orderBase(), channel: 'sms', ...text, ...more };
}

/** An order for an e-mail. */
export function emailOrder(more: Partial<EmailOrder> = {}): EmailOrder {
  return {
    ...orderBase(),
    channel: 'email',
    subject: 'Hello',
    html: '<p>hello</p>',
    text: 'hello',
    attachments: [],
    replyTo: null,
    messageId: `<${randomUUID()}@ictcore.example>`,
    headers: {},
    ...more,
  };
}

/** An order for a fax. Its document is no real TIFF unless given: pass one to drivers that look inside. */
export function faxOrder(more: Partial<FaxOrder> = {}): FaxOrder {
  const document = memoryFile('fax.tif', 'image/tiff', Buffer.from('II*\0'));
  const sheet = { document, pages: 1, header: 'Kit', stationId: '+15550100', ecm: true };
  return { ...orderBase(), channel: 'fax', ...sheet, ...more };
}

/** An order for a call that speaks a sentence. */
export function voiceOrder(more: Partial<VoiceOrder> = {}): VoiceOrder {
  const steps = [{ use: 'tts', with: { text: 'hello' } }];
  return { ...orderBase(), channel: 'voice', steps, ringTimeoutMs: 30_000, ...more };
}

/** The same order under another spool id, as the next attempt would carry. */
export function nextAttempt<T extends Order>(order: T): T {
  const { spoolId } = orderBase();
  const again = { ...order, spoolId, attempt: order.attempt + 1 };
  return 'messageId' in again ? { ...again, messageId: `<${randomUUID()}@ictcore.example>` } : again;
}
