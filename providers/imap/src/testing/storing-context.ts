import { readFile } from 'node:fs/promises';
import type { DriverEvent, InboundMessage } from '@ictcore/contract';
import { RecordingDriverContext } from '@ictcore/test-kit';

/** What a test keeps of an inbound event: the files' bytes, as they were while `emit` ran. */
export interface TakenMail extends InboundMessage {
  readonly bytes: readonly Buffer[];
}

/** Stores inbound mail as the kernel would: files are read before `emit` resolves, a ref known already is dropped. */
export class StoringContext extends RecordingDriverContext {
  readonly taken: TakenMail[] = [];
  /** Events offered, repeats included. */
  offered = 0;
  /** False: files are not read. */
  reads = true;
  /** Run before anything is stored; rejects to refuse. */
  before: (event: InboundMessage) => Promise<void> = async () => undefined;
  /** Run after it is stored, before `emit` resolves. */
  after: (event: InboundMessage) => Promise<void> = async () => undefined;
  private readonly refs = new Set<string>();

  override async emit(event: DriverEvent): Promise<void> {
    await super.emit(event);
    if (event.kind !== 'inbound') return;
    this.offered += 1;
    await this.before(event);
    const paths = await Promise.all((event.body.files ?? []).map((file) => file.localPath()));
    const bytes = this.reads ? await Promise.all(paths.map((path) => readFile(path))) : [];
    if (!this.refs.has(event.ref)) {
      this.refs.add(event.ref);
      this.taken.push({ ...event, bytes });
    }
    await this.after(event);
  }

  /** Waits for mails to have been taken. */
  waitFor(count: number, timeoutMs = 15_000): Promise<TakenMail[]> {
    return this.until(`${count} mails`, () => (this.taken.length >= count ? this.taken : undefined), timeoutMs);
  }

  /** Waits until the newest state told is this one. */
  async waitForState(state: string, timeoutMs = 15_000): Promise<void> {
    const states = () => this.events.flatMap((event) => (event.kind === 'health' ? [event.state] : []));
    await this.until(`state ${state}`, () => (states().at(-1) === state ? true : undefined), timeoutMs);
  }

  private async until<T>(what: string, probe: () => T | undefined, timeoutMs: number): Promise<T> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const value = probe();
      if (value !== undefined) return value;
      if (Date.now() > end) throw new Error(`no ${what}, but ${this.taken.length} mails\n${this.log.text()}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** Facts of an event by name. */
export function factsOf(mail: InboundMessage | undefined): Record<string, string> {
  return Object.fromEntries((mail?.facts ?? []).map(({ name, data }) => [name, data]));
}
