import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import type { DriverEvent, DriverSession, FileRef, InboundMessage } from '@ictcore/contract';
import { type ConfigOverrides, providerConfig, RecordingDriverContext } from '@ictcore/test-kit';
import type { DnsResolver } from '../smtp-inbound.authentication';
import { createSmtpInboundDriver } from '../smtp-inbound.driver';

/** A port of the loopback address that is free at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Answers from a zone of TXT records; everything else does not exist. */
export function offlineResolver(zone: Readonly<Record<string, string>>): DnsResolver {
  return async (name, type) => {
    const record = type === 'TXT' ? zone[name.toLowerCase()] : undefined;
    if (record === undefined) throw Object.assign(new Error(`queryTxt ENOTFOUND ${name}`), { code: 'ENOTFOUND' });
    return [[record]];
  };
}

/** What a test keeps of an inbound event: the files' bytes, as they were while `emit` ran. */
export interface TakenMail extends InboundMessage {
  readonly bytes: readonly Buffer[];
}

/** Stores inbound mail as the kernel would: files are read before `emit` resolves, a ref known already is dropped. */
export class StoringContext extends RecordingDriverContext {
  readonly taken: TakenMail[] = [];
  /** Events offered, repeats included. */
  offered = 0;
  /** False: sizes are enough, files are not read. */
  reads = true;
  /** Run before anything is stored; rejects to refuse. */
  before: (event: InboundMessage) => Promise<void> = async () => undefined;
  private readonly refs = new Set<string>();

  override async emit(event: DriverEvent): Promise<void> {
    await super.emit(event);
    if (event.kind !== 'inbound') return;
    this.offered += 1;
    await this.before(event);
    const bytes = this.reads ? await Promise.all((event.body.files ?? []).map(read)) : [];
    if (this.refs.has(event.ref)) return;
    this.refs.add(event.ref);
    this.taken.push({ ...event, bytes });
  }

  /** Waits for mails to have been taken. */
  async waitFor(count: number, timeoutMs = 15_000): Promise<TakenMail[]> {
    const end = Date.now() + timeoutMs;
    while (this.taken.length < count) {
      if (Date.now() > end) throw new Error(`${this.taken.length} of ${count} mails\n${this.log.text()}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return this.taken;
  }
}

async function read(file: FileRef): Promise<Buffer> {
  return readFile(await file.localPath());
}

/** Facts of an event by name. */
export function factsOf(mail: InboundMessage | undefined): Record<string, string> {
  return Object.fromEntries((mail?.facts ?? []).map(({ name, data }) => [name, data]));
}

/** A listener with what it took. */
export interface RunningListener {
  readonly port: number;
  readonly session: DriverSession;
  readonly context: StoringContext;
  stop(): Promise<void>;
}

/** Starts a listener on a free port of the loopback address. */
export async function startListener(
  settings: Record<string, unknown>,
  zone: Readonly<Record<string, string>> = {},
  row: ConfigOverrides = {},
): Promise<RunningListener> {
  const driver = createSmtpInboundDriver({ resolver: offlineResolver(zone) });
  const context = new StoringContext();
  const port = row.port ?? (await freePort());
  const config = providerConfig(driver, {
    host: '127.0.0.1',
    port,
    ...row,
    settings: { name: 'mx.fax.test', ...settings },
  });
  const session = await driver.open(config, context);
  return {
    port,
    session,
    context,
    stop: async () => {
      await session.close();
      await context.dispose();
    },
  };
}
