import { createHash } from 'node:crypto';
import type { Journal } from './journal';

/** One part of an inbound message. */
export interface Part {
  from: string;
  to: string;
  /** See Concatenation in `message/incoming`. */
  reference: string;
  total: number;
  number: number;
  dataCoding: number;
  octets: Buffer;
}

/** A message put together. */
export interface Whole {
  key: string;
  /** The same after a crash, so that a message told twice is taken once. */
  ref: string;
  from: string;
  to: string;
  dataCoding: number;
  octets: Buffer;
  total: number;
  /** Numbers of parts that never came. */
  missing: number[];
}

interface Group {
  ref: string;
  from: string;
  to: string;
  dataCoding: number;
  total: number;
  parts: Map<number, Buffer>;
  /** Milliseconds since 1970. */
  begun: number;
  /** When the kernel took it (0 before); kept for a while so that parts sent again are known. */
  doneAt: number;
  telling: boolean;
}

type Line =
  | { o: 'part'; key: string; at: number; part: Omit<Part, 'octets'> & { hex: string } }
  | { o: 'done'; key: string; at: number };

const DAY_MS = 86_400_000;
/** From here on the oldest messages are told without what is missing; from twice as many on no new one is taken. */
const MAX_GROUPS = 5000;
/**
 * A part that comes again within this time, in milliseconds, is the carrier's doubt about our answer. Later it is a
 * sender that writes the same again under a reference that never changes.
 */
const KNOWN_AGAIN_MS = 300_000;

/**
 * Puts inbound messages together from parts in any order. A part is in the journal before the carrier is told that it
 * was taken, because many carriers send the next part only then: so a crash in between loses nothing, and the parts
 * go on waiting after the restart. A message whose parts do not come in time is told without them.
 */
export class Reassembler {
  private readonly groups = new Map<string, Group>();

  constructor(private readonly journal: Journal) {}

  /** Reads the journal. */
  async load(waitMs: number): Promise<void> {
    // Groups that ran out of time while the server was down are still told.
    const oldest = Date.now() - Math.max(2 * waitMs, DAY_MS);
    await this.journal.load((entry) => {
      const line = entry as Line;
      if (line.o === 'done') this.markDone(line.key, line.at);
      else if (line.o === 'part' && line.at > oldest) {
        const { hex, ...part } = line.part;
        const before = this.groups.get(line.key)?.doneAt ?? 0;
        if (before > 0 && line.at - before > KNOWN_AGAIN_MS) this.groups.delete(line.key);
        this.put(line.key, { ...part, octets: Buffer.from(hex, 'hex') }, line.at);
      }
    });
  }

  /**
   * Takes a part. Resolves when it is in the journal: with the message if it is whole now, `again` if the message had
   * been told before, else `waiting`. Rejects if the part cannot be kept.
   */
  async take(part: Part): Promise<Whole | 'waiting' | 'again'> {
    const { octets, ...rest } = part;
    const key = this.keyFor(part);
    const known = this.groups.get(key);
    if (known?.doneAt) return 'again';
    if (!known && this.groups.size >= 2 * MAX_GROUPS) throw new Error('too many unfinished messages');
    if (!known?.parts.has(part.number)) {
      const at = Date.now();
      await this.journal.append({ o: 'part', key, at, part: { ...rest, hex: octets.toString('hex') } } satisfies Line);
      this.put(key, part, at);
    }
    const group = this.groups.get(key);
    if (!group || group.parts.size < group.total || group.telling) return 'waiting';
    group.telling = true;
    return wholeOf(key, group);
  }

  /** The kernel has the message. */
  async told(key: string): Promise<void> {
    const at = Date.now();
    this.markDone(key, at);
    await this.journal.append({ o: 'done', key, at } satisfies Line).catch(() => undefined);
  }

  /** The kernel could not take the message: it is told again later. */
  notTold(key: string): void {
    const group = this.groups.get(key);
    if (group) group.telling = false;
  }

  /** Messages whose missing parts have not come within `waitMs`; to be told as they are. Forgets what is long done. */
  overdue(waitMs: number): Whole[] {
    const now = Date.now();
    const overdue: Whole[] = [];
    for (const [key, group] of this.groups) {
      const age = now - group.begun;
      if (group.doneAt > 0 && now - group.doneAt > KNOWN_AGAIN_MS) this.groups.delete(key);
      else if (group.doneAt === 0 && !group.telling && age > waitMs) {
        group.telling = true;
        overdue.push(wholeOf(key, group));
      }
    }
    return overdue;
  }

  /** A reference used again with other octets is another message. */
  private keyFor(part: Part): string {
    const base = `${part.from}\0${part.to}\0${part.reference}\0${part.total}`;
    for (let round = 0; round < 10; round++) {
      const key = round === 0 ? base : `${base}\0${round}`;
      const held = this.groups.get(key)?.parts.get(part.number);
      if (held === undefined || held.equals(part.octets)) return key;
    }
    return `${base}\0${Date.now()}`;
  }

  private put(key: string, part: Part, at: number): void {
    let group = this.groups.get(key);
    if (!group) {
      this.makeRoom();
      const { from, to, dataCoding, total } = part;
      const ref = createHash('sha256').update(`${key}\0${at}`).digest('base64url').slice(0, 32);
      group = { ref, from, to, dataCoding, total, parts: new Map(), begun: at, doneAt: 0, telling: false };
      this.groups.set(key, group);
    }
    if (!group.parts.has(part.number)) group.parts.set(part.number, Buffer.from(part.octets));
  }

  /**
   * Of too many messages those that are done are forgotten, else the oldest one is told by the next sweep as it is:
   * what has been acknowledged is never thrown away.
   */
  private makeRoom(): void {
    if (this.groups.size < MAX_GROUPS) return;
    const done = [...this.groups].filter(([, group]) => group.doneAt > 0).slice(0, MAX_GROUPS / 10);
    for (const [key] of done) this.groups.delete(key);
    if (done.length > 0) return;
    for (const group of this.groups.values()) {
      if (group.begun === 0) continue;
      group.begun = 0;
      return;
    }
  }

  private markDone(key: string, at: number): void {
    const group = this.groups.get(key);
    if (group) group.doneAt = at;
  }
}

function wholeOf(key: string, group: Group): Whole {
  const { ref, from, to, dataCoding, total, parts } = group;
  const numbers = Array.from({ length: total }, (_, index) => index + 1);
  const octets = Buffer.concat(numbers.flatMap((number) => parts.get(number) ?? []));
  const missing = numbers.filter((number) => !parts.has(number));
  return { key, ref, from, to, dataCoding, octets, total, missing };
}
