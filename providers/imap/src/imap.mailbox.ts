import type { DriverContext, ProviderConfig } from '@ictcore/contract';
import type { ImapFlow } from 'imapflow';
import type { Cursor } from './imap.cursor';
import { NotStored, takeMail, type Waiting } from './imap.intake';
import type { ImapSettings } from './imap.settings';
import { UnreadableMail } from './mail';

/** Mails looked at in one round. */
const BATCH = 100;
/** Mails put away with one command: each costs the server a transaction. */
const PUT_AWAY = 25;

/** The mails of an open mailbox: taken one by one, each put away as soon as the kernel has it. */
export class Mailbox {
  /** Stored by the kernel and not put away yet; the cursor knows them too. */
  private readonly done: number[] = [];

  constructor(
    private readonly client: ImapFlow,
    private readonly cursor: Cursor,
    private readonly config: ProviderConfig<ImapSettings>,
    private readonly context: DriverContext,
    private readonly isClosing: () => boolean,
  ) {}

  /**
   * Takes what is there, oldest first, until nothing new is left.
   *
   * @throws NotStored if the kernel stores nothing at the moment
   * @throws Error of the connection
   */
  async drain(): Promise<void> {
    const seen = new Set<number>();
    for (;;) {
      const waiting = await this.waiting(seen);
      if (waiting.length === 0) return;
      try {
        for (const mail of waiting) {
          if (this.isClosing()) break;
          seen.add(mail.uid);
          await this.handle(mail);
          if (this.done.length >= PUT_AWAY) await this.putAway();
        }
      } finally {
        await this.cursor.save();
        if (this.client.usable) await this.putAway();
      }
      if (this.isClosing()) return;
    }
  }

  private async waiting(seen: ReadonlySet<number>): Promise<Waiting[]> {
    const query = { deleted: false, ...(this.config.settings.only_unseen && { seen: false }) };
    const uids = (await this.client.search(query, { uid: true })) || [];
    const isDone = (uid: number) => this.config.settings.after === 'flag' && this.cursor.isStored(uid);
    const fresh = uids.filter((uid) => !seen.has(uid) && !isDone(uid));
    if (fresh.length === 0) return [];
    const next = fresh.sort((a, b) => a - b).slice(0, BATCH);
    const found = await this.client.fetchAll(next, { uid: true, size: true }, { uid: true });
    return found.map(({ uid, size = 0 }) => ({ uid, size })).sort((a, b) => a.uid - b.uid);
  }

  private async handle(mail: Waiting): Promise<void> {
    const { uid, size } = mail;
    const { max_failures, max_message_bytes } = this.config.settings;
    if (this.cursor.isStored(uid)) {
      this.done.push(uid);
      return;
    }
    if (size > max_message_bytes) return this.putAside(uid, `its ${size} bytes are more than ${max_message_bytes}`);
    if (this.cursor.triesOf(uid) >= max_failures) return this.putAside(uid, `${max_failures} tries came to nothing`);
    await this.cursor.begin(uid);
    try {
      // A mail that somebody else has moved meanwhile is nothing to wonder about.
      if (!(await takeMail(this.client, mail, this.cursor.uidValidity, this.config, this.context))) {
        this.cursor.putAway(uid);
        return;
      }
    } catch (error) {
      if (error instanceof UnreadableMail) return this.putAside(uid, error.message);
      if (error instanceof NotStored) await this.cursor.undo(uid);
      if (error instanceof NotStored || !this.client.usable) throw error;
      this.context.log.warn(
        { uid, tries: this.cursor.triesOf(uid), error: (error as Error).message },
        'mail not taken',
      );
      return;
    }
    this.cursor.setStored(uid);
    this.done.push(uid);
  }

  /** Moves, marks or deletes the mails that the kernel has. */
  private async putAway(): Promise<void> {
    const uids = this.done.splice(0);
    if (uids.length === 0) return;
    const { after, processed_folder, only_unseen } = this.config.settings;
    if (after === 'delete') {
      await this.client.messageDelete(uids, { uid: true });
      this.cursor.putAway(...uids);
    } else if (after === 'move') {
      if (await this.move(uids, processed_folder)) this.cursor.putAway(...uids);
    } else {
      await this.client.messageFlagsAdd(uids, ['\\Seen'], { uid: true });
      // Still remembered: who looks at all mails sees these again.
      if (only_unseen) this.cursor.putAway(...uids);
    }
    await this.cursor.save();
  }

  /** Moves a mail that cannot be taken out of the way of the others. */
  private async putAside(uid: number, why: string): Promise<void> {
    const { failed_folder } = this.config.settings;
    this.context.log.error({ uid, why, folder: failed_folder }, 'mail put aside');
    if (await this.move([uid], failed_folder)) this.cursor.putAway(uid);
  }

  private async move(uids: number[], folder: string): Promise<boolean> {
    let moved = await this.client.messageMove(uids, folder, { uid: true });
    if (!moved && (await this.made(folder))) moved = await this.client.messageMove(uids, folder, { uid: true });
    if (moved) return true;
    this.context.log.error({ uids, folder }, 'mails could not be moved: they stay, and are not taken again');
    // Not a second time, even what was not stored: it would be tried at every look.
    for (const uid of uids) this.cursor.setStored(uid);
    await this.client.messageFlagsAdd(uids, ['\\Seen'], { uid: true });
    return false;
  }

  private async made(folder: string): Promise<boolean> {
    try {
      await this.client.mailboxCreate(folder);
      return true;
    } catch {
      return false;
    }
  }
}
