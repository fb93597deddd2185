import { createReadStream } from 'node:fs';
import { mkdir, readFile, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type IctEnd, parseIctEnd } from '../calls/call-end';
import { writeAtomic } from '../config/write-atomic';

/** What the journal tells about one channel, gathered from its lines. */
export interface JournalEntry {
  readonly uniqueid: string;
  channel: string;
  /** Byte offset of its first line. */
  readonly offset: number;
  /** Its beginning was read too: without it the rest may be missing pieces. */
  begun: boolean;
  hungUp: boolean;
  /** Q.850 cause of HANGUP; 0 while unknown. */
  cause: number;
  answered: boolean;
  end: IctEnd | undefined;
  /** Milliseconds since 1970 of its last line. */
  at: number;
}

/** Longest line: an ICT_END with its values is below 4 kB. */
const MAX_LINE = 64 * 1024;
/** Above this the journal is put aside, when nothing in it is open. */
const ROTATE_BYTES = 64 * 1024 * 1024;

/**
 * Asterisk's own record of channel events (`cel_custom`, columns in base-config.ts), and how far we have dealt with it.
 * What lies before the checkpoint has been reported and stored.
 */
export class Journal {
  private saved = -1;

  constructor(
    private readonly file: string,
    private readonly checkpointFile: string,
  ) {}

  /** Bytes written so far; 0 while there is no journal. */
  size(): Promise<number> {
    return stat(this.file).then(
      (found) => found.size,
      () => 0,
    );
  }

  /** Where the last server stopped; 0 for a journal that is shorter (it was put aside). */
  async checkpoint(): Promise<number> {
    const text = await readFile(this.checkpointFile, 'utf8').catch(() => '0');
    const offset = Number(text.trim());
    return Number.isSafeInteger(offset) && offset >= 0 && offset <= (await this.size()) ? offset : 0;
  }

  /** Remembers that everything before `offset` is dealt with. */
  async save(offset: number): Promise<void> {
    if (offset === this.saved) return;
    await mkdir(dirname(this.checkpointFile), { recursive: true, mode: 0o700 });
    await writeAtomic(this.checkpointFile, String(offset));
    this.saved = offset;
  }

  /** Puts a long journal aside (one older one is kept). Only while no call is open. True if it did. */
  async rotate(limit = ROTATE_BYTES): Promise<boolean> {
    if ((await this.size()) < limit) return false;
    await rename(this.file, `${this.file}.1`);
    await this.save(0);
    return true;
  }

  /** Reads from `from` to the last complete line. */
  async read(from: number): Promise<{ entries: Map<string, JournalEntry>; position: number }> {
    const entries = new Map<string, JournalEntry>();
    let position = from;
    if ((await this.size()) <= from) return { entries, position };
    let rest = Buffer.alloc(0);
    for await (const chunk of createReadStream(this.file, { start: from })) {
      rest = Buffer.concat([rest, chunk as Buffer]);
      let at = 0;
      for (let end = rest.indexOf(10, at); end >= 0; end = rest.indexOf(10, at)) {
        if (end - at < MAX_LINE) take(entries, rest.toString('utf8', at, end), position);
        position += end + 1 - at;
        at = end + 1;
      }
      rest = rest.subarray(at);
      if (rest.length > MAX_LINE) throw new Error('the journal holds a line without end');
    }
    return { entries, position };
  }
}

/** One CSV line with all cells quoted (CSV_QUOTE). Lines of another shape are passed over. */
function take(entries: Map<string, JournalEntry>, line: string, offset: number): void {
  const cells = [...line.matchAll(/"((?:[^"]|"")*)"/g)].map((match) => (match[1] ?? '').replaceAll('""', '"'));
  const [type, time, uniqueid, , , , channel = '', extra = ''] = cells;
  if (!type || !uniqueid) return;
  const entry: JournalEntry = entries.get(uniqueid) ?? {
    uniqueid,
    channel,
    offset,
    begun: false,
    hungUp: false,
    cause: 0,
    answered: false,
    end: undefined,
    at: 0,
  };
  entries.set(uniqueid, entry);
  entry.at = Math.round(Number(time) * 1000) || Date.now();
  if (channel !== '') entry.channel = channel;
  if (type === 'CHAN_START') entry.begun = true;
  else if (type === 'ANSWER') entry.answered = true;
  else if (type === 'ICT_END') entry.end = parseIctEnd(eventText(extra));
  else if (type === 'HANGUP') {
    entry.hungUp = true;
    entry.cause = Number(/"hangupcause":\s*(\d+)/.exec(extra)?.[1] ?? 0);
  }
}

/** CELGenUserEvent wraps its text: `{"extra":"..."}`. */
function eventText(extra: string): string {
  if (!extra.startsWith('{')) return extra;
  try {
    return String((JSON.parse(extra) as { extra?: unknown }).extra ?? '');
  } catch {
    return '';
  }
}
