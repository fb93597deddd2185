import { createReadStream } from 'node:fs';
import { type FileHandle, open, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Logger } from '@ictcore/contract';

const DAY_MS = 86_400_000;

/**
 * Lines of JSON that outlive the process: one file a day, appended to (`O_APPEND`, so that processes may share it),
 * read back at the start and deleted when it is too old to matter. A line is safe from a crash of the process once
 * `append` has resolved; it is not forced to the disk, so a power cut may take the last ones.
 */
export class Journal {
  private file: { day: string; handle: FileHandle } | undefined;
  private waiting: { line: string; done: (error?: unknown) => void }[] = [];
  private writing: Promise<void> | undefined;

  constructor(
    private readonly folder: string,
    private readonly name: string,
    /** Files of this many days are read and kept. */
    private readonly days: number,
    private readonly log: Logger,
  ) {}

  /** Gives every line that is kept, oldest first, and deletes what is too old. Lines that are no JSON are left out. */
  async load(take: (entry: unknown) => void): Promise<void> {
    const oldest = dayOf(Date.now() - (this.days - 1) * DAY_MS);
    const names = (await readdir(this.folder)).filter((file) => file.startsWith(`${this.name}-`)).sort();
    for (const file of names) {
      const path = join(this.folder, file);
      if (file.slice(this.name.length + 1, -'.jsonl'.length) < oldest) await unlink(path).catch(() => undefined);
      else await readLines(path, take);
    }
  }

  /** Resolves when the line is with the operating system. Lines given together are written together. */
  append(entry: unknown): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (error?: unknown) => (error === undefined ? resolve() : reject(error));
      this.waiting.push({ line: `${JSON.stringify(entry)}\n`, done });
      this.writing ??= this.writeAll().finally(() => {
        this.writing = undefined;
      });
    });
  }

  /** Writes what waits and closes the file. */
  async close(): Promise<void> {
    while (this.writing) await this.writing;
    await this.file?.handle.close();
    this.file = undefined;
  }

  private async writeAll(): Promise<void> {
    await Promise.resolve();
    while (this.waiting.length > 0) {
      const batch = this.waiting;
      this.waiting = [];
      try {
        const handle = await this.today();
        const octets = Buffer.from(batch.map(({ line }) => line).join(''));
        const { bytesWritten } = await handle.write(octets);
        if (bytesWritten !== octets.length) throw new Error('the disk is full');
        for (const { done } of batch) done();
      } catch (error) {
        this.log.error({ error, journal: this.name }, 'smpp: the journal cannot be written');
        for (const { done } of batch) done(error);
      }
    }
  }

  private async today(): Promise<FileHandle> {
    const day = dayOf(Date.now());
    if (this.file?.day === day) return this.file.handle;
    await this.file?.handle.close();
    this.file = undefined;
    const handle = await open(join(this.folder, `${this.name}-${day}.jsonl`), 'a', 0o600);
    this.file = { day, handle };
    return handle;
  }
}

function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}

async function readLines(path: string, take: (entry: unknown) => void): Promise<void> {
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY });
  for await (const line of lines) {
    const entry = parse(line);
    if (entry !== undefined) take(entry);
  }
}

/** A crash may leave half a line at the end of a file. */
function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
