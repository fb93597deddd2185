import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

interface State {
  uidValidity: string;
  /** Message UIDs that were stored by the kernel, but not yet put away on the server. */
  stored: number[];
  /** Tries of messages that are not stored yet, by UID. */
  tries: Record<string, number>;
}

/** Newest stored UIDs that are remembered: those of a server that lets nothing be put away. */
const MAX_STORED = 10_000;

/**
 * What is known of a mailbox beyond what the mailbox itself shows: kept in a file, so that a crash between storing a
 * mail and putting it away, or by a mail itself, is not forgotten. UIDs mean nothing any more when UIDVALIDITY changes
 * (RFC 3501 section 2.3.1.1).
 */
export class Cursor {
  private state: State = { uidValidity: '', stored: [], tries: {} };
  private stored = new Set<number>();
  private file = '';

  /** @param name of the mailbox, for the file's name */
  async load(scratch: string, name: string, uidValidity: string): Promise<void> {
    await mkdir(scratch, { recursive: true, mode: 0o700 });
    this.file = join(scratch, `cursor-${Buffer.from(name).toString('base64url').slice(0, 100)}.json`);
    const read = await readFile(this.file, 'utf8').then(parsed, () => undefined);
    this.state = read?.uidValidity === uidValidity ? read : { uidValidity, stored: [], tries: {} };
    this.stored = new Set(this.state.stored);
  }

  get uidValidity(): string {
    return this.state.uidValidity;
  }

  isStored(uid: number): boolean {
    return this.stored.has(uid);
  }

  triesOf(uid: number): number {
    return this.state.tries[uid] ?? 0;
  }

  /** Counts a try before it begins, so that a mail that kills the process is found out. */
  async begin(uid: number): Promise<void> {
    this.state.tries[uid] = this.triesOf(uid) + 1;
    await this.save();
  }

  /** The try came to nothing, and not by the mail's own fault. */
  async undo(uid: number): Promise<void> {
    const tries = this.triesOf(uid) - 1;
    if (tries > 0) this.state.tries[uid] = tries;
    else delete this.state.tries[uid];
    await this.save();
  }

  /** The kernel has it. Written with the next {@link save}: until then its ref keeps it from being taken twice. */
  setStored(uid: number): void {
    this.stored.add(uid);
    delete this.state.tries[uid];
  }

  /** They are where they belong on the server. */
  putAway(...uids: readonly number[]): void {
    for (const uid of uids) {
      this.stored.delete(uid);
      delete this.state.tries[uid];
    }
  }

  async save(): Promise<void> {
    this.state.stored = [...this.stored].slice(-MAX_STORED);
    const fresh = `${this.file}.${process.pid}`;
    await writeFile(fresh, JSON.stringify(this.state), { mode: 0o600 });
    await rename(fresh, this.file);
  }
}

function parsed(text: string): State | undefined {
  try {
    const state = JSON.parse(text) as Partial<State>;
    if (typeof state.uidValidity !== 'string' || !Array.isArray(state.stored)) return undefined;
    return { uidValidity: state.uidValidity, stored: state.stored.filter(Number.isInteger), tries: state.tries ?? {} };
  } catch {
    return undefined;
  }
}
