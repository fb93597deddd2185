import { type FileHandle, open } from 'node:fs/promises';
import { isAbsolute, relative, resolve } from 'node:path';
import type { DriverContext, Order } from '@ictcore/contract';
import { destinationOf } from './loopback.destinations';

/** One line of the journal. */
export interface JournalLine {
  readonly spool_id: number;
  readonly transmission_id: number;
  readonly attempt: number;
  readonly channel: string;
  readonly destination: string;
  readonly provider_id: number;
  readonly pid: number;
  /** ISO 8601 with milliseconds, UTC. */
  readonly time: string;
}

/**
 * An independent witness of what was handed over: one line of JSON for each order, written before it is answered. Every
 * line is one append (`O_APPEND`), so that several processes can share the file and a killed one leaves no half line
 * but at the very end.
 */
export class Journal {
  private file: Promise<FileHandle> | undefined;

  /** @param name path below the provider's scratch folder; nothing is written without one */
  constructor(
    private readonly name: string | undefined,
    private readonly context: DriverContext,
  ) {}

  /** Opens the file; rejects with words for people if it cannot. */
  async ready(): Promise<undefined> {
    if (this.name === undefined) return undefined;
    this.file ??= this.openFile(this.name);
    await this.file;
    return undefined;
  }

  /** Writes the line of an order; rejects if it cannot, so that nothing is handed over unseen. */
  async write(order: Order): Promise<undefined> {
    if (this.name === undefined) return undefined;
    const line: JournalLine = {
      spool_id: order.spoolId,
      transmission_id: order.transmissionId,
      attempt: order.attempt,
      channel: order.channel,
      destination: destinationOf(order),
      provider_id: this.context.providerId,
      pid: process.pid,
      time: new Date().toISOString(),
    };
    this.file ??= this.openFile(this.name);
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    const { bytesWritten } = await (await this.file).write(bytes);
    if (bytesWritten !== bytes.length) throw new Error('loopback journal: the disk is full');
    return undefined;
  }

  /** Closes the file; may be called again. */
  async close(): Promise<void> {
    const file = this.file;
    this.file = undefined;
    await (await file?.catch(() => undefined))?.close();
  }

  private async openFile(name: string): Promise<FileHandle> {
    const folder = await this.context.scratchDir();
    const path = resolve(folder, name);
    const inside = relative(folder, path);
    if (inside === '' || inside.startsWith('..') || isAbsolute(inside)) {
      throw new Error(`loopback journal: ${name} is not below the folder of this provider`);
    }
    return open(path, 'a', 0o600);
  }
}
