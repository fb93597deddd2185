import type { Accepted, FinalOutcome } from '@ictcore/contract';
import type { Journal } from './journal';

/** A message of several parts whose receipts are awaited. */
interface Group {
  /** What the kernel knows the message by: the id of its last part. Empty while parts are still being handed over. */
  ref: string;
  /** Messages over the air. */
  segments: number;
  /** Ids of parts without a delivery receipt yet. */
  missing: Set<string>;
  ids: string[];
  /** The first receipt that says that a part has not arrived. */
  failure: FinalOutcome | undefined;
  /** Milliseconds since 1970. */
  expires: number;
}

/** Lines of the journal. */
type Line =
  | { o: 'begin'; ref: string; ids: string[]; missing: string[]; segments: number; expires: number }
  | { o: 'part'; ref: string; id: string }
  | { o: 'end'; ref: string };

/** What a receipt comes to, for the message it belongs to. */
export interface Verdict {
  ref: string;
  segments: number;
  /** `single`: the receipt says it all; `waiting`: other parts are awaited; else how the whole message ended. */
  state: 'single' | 'waiting' | 'delivered' | 'failed';
  failure?: FinalOutcome;
}

/** Receipts that come later than this find no group any more and are told as they are. */
const KEEP_MS = 2 * 86_400_000;
const MAX_GROUPS = 100_000;
/** Longest wait of a receipt with an unknown id for answers that are on their way, in milliseconds. */
const EARLY_MS = 2000;

/**
 * Brings the receipts of all parts of a message to one end: delivered when every part is, failed with the first that
 * is not. The kernel knows one ref for a message, so the id of the last part is the ref and the other ids lead to it
 * here. What is awaited is in a journal and outlives a restart. Where it is lost, or the receipt comes to another
 * node, the last part's receipt alone decides, which is what most gateways do.
 */
export class ReceiptLedger {
  private readonly groupOf = new Map<string, Group>();
  /** By ref; oldest first. */
  private readonly groups = new Map<string, Group>();
  private readonly answers = new Set<Promise<unknown>>();

  constructor(private readonly journal: Journal) {}

  /** Reads the journal. */
  async load(): Promise<void> {
    const now = Date.now();
    await this.journal.load((entry) => this.replay(entry as Line, now));
  }

  private replay(line: Line, now: number): void {
    if (line.o === 'begin' && line.expires > now) {
      const { ref, ids, segments, expires } = line;
      this.remember({ ref, ids, segments, expires, missing: new Set(line.missing), failure: undefined });
    } else if (line.o === 'part') this.groups.get(line.ref)?.missing.delete(line.id);
    else if (line.o === 'end') this.forget(this.groups.get(line.ref));
  }

  /** A message whose parts are about to be handed over. */
  begin(segments: number): GroupInProgress {
    const group: Group = {
      ref: '',
      segments,
      missing: new Set(),
      ids: [],
      failure: undefined,
      expires: Date.now() + KEEP_MS,
    };
    return {
      add: (id) => {
        group.ids.push(id);
        group.missing.add(id);
        this.groupOf.set(id, group);
      },
      abandon: () => this.forget(group),
      finish: async () => {
        group.ref = group.ids.at(-1) ?? '';
        const verdict = verdictOf(group);
        if (verdict.state !== 'waiting') {
          this.forget(group);
          return verdict;
        }
        this.remember(group);
        const { ref, ids, expires } = group;
        // A journal that cannot be written is told in the log; the message is on its way all the same.
        const line: Line = { o: 'begin', ref, ids, missing: [...group.missing], segments, expires };
        await this.journal.append(line).catch(() => undefined);
        return verdict;
      },
    };
  }

  /** Lets early receipts wait for an answer that is on its way. */
  track<T>(answer: Promise<T>): Promise<T> {
    this.answers.add(answer);
    const done = () => this.answers.delete(answer);
    answer.then(done, done);
    return answer;
  }

  /**
   * What a receipt means for its message. Resolves when it is safe in the journal. `outcome` is what the receipt says
   * of its own part.
   */
  async receipt(id: string, outcome: FinalOutcome | Accepted): Promise<Verdict> {
    // It may be of a part whose answer, with the id, is just behind it.
    if (!this.groupOf.has(id) && this.answers.size > 0) await this.early();
    const group = this.groupOf.get(id);
    if (!group) return { ref: id, segments: 1, state: 'single' };
    if (outcome.kind === 'accepted') return { ref: group.ref, segments: group.segments, state: 'waiting' };
    if (outcome.kind === 'delivered') {
      group.missing.delete(id);
      const verdict = verdictOf(group);
      if (verdict.state === 'waiting' && group.ref !== '') await this.journal.append({ o: 'part', ref: group.ref, id });
      return verdict;
    }
    group.failure ??= outcome;
    return verdictOf(group);
  }

  /** The kernel knows how the message ended: nothing more is awaited. */
  async settled(ref: string): Promise<void> {
    const group = this.groups.get(ref);
    if (!group) return;
    this.forget(group);
    await this.journal.append({ o: 'end', ref }).catch(() => undefined);
  }

  private async early(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, EARLY_MS);
    });
    await Promise.race([Promise.allSettled([...this.answers]), late]);
    clearTimeout(timer);
  }

  private remember(group: Group): void {
    this.groups.set(group.ref, group);
    for (const id of group.ids) this.groupOf.set(id, group);
    const now = Date.now();
    for (const oldest of this.groups.values()) {
      if (oldest.expires > now && this.groups.size <= MAX_GROUPS) return;
      this.forget(oldest);
    }
  }

  private forget(group: Group | undefined): void {
    if (!group) return;
    if (this.groups.get(group.ref) === group) this.groups.delete(group.ref);
    for (const id of group.ids) if (this.groupOf.get(id) === group) this.groupOf.delete(id);
  }
}

/** A message while its parts are handed over. */
export interface GroupInProgress {
  /** A part was taken under this id. */
  add(id: string): void;
  /** The message will not be whole. */
  abandon(): void;
  /** All parts were taken. The state is `waiting` unless all receipts have come already. */
  finish(): Promise<Verdict>;
}

function verdictOf({ ref, segments, failure, missing }: Group): Verdict {
  if (failure) return { ref, segments, state: 'failed', failure };
  // While parts are still being handed over, no receipt can complete the message.
  return { ref, segments, state: missing.size === 0 && ref !== '' ? 'delivered' : 'waiting' };
}
