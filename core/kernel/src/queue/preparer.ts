import type { Logger } from '@ictcore/contract';
import type { Database } from '../database/database';
import { LOCK_CAMPAIGN, PREPARABLE, PREPARE_CHUNK } from './campaign.sql';

/** Members of a group looked at in one statement: short enough that nobody notices, long enough to be quick. */
const CHUNK = 5000;
/** Milliseconds between chunks: the API and the pacer come first. */
const PAUSE_MS = 5;

/** Makes the transmissions of campaigns, chunk by chunk in the background; a restart goes on where it was. */
export class Preparer {
  private working: Promise<void> | undefined;
  private stopped = false;

  constructor(
    private readonly database: Database,
    private readonly log: Logger,
    /** A chunk is there to be released. */
    private readonly onChunk: () => void,
  ) {}

  /** There may be something to prepare. */
  wake(): void {
    if (this.stopped) return;
    this.working ??= this.work()
      .catch((error: unknown) => this.log.warn({ error }, 'preparing campaigns pauses; the next tick goes on'))
      .finally(() => {
        this.working = undefined;
      });
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.working;
  }

  /** Campaigns take turns, so that a large one does not hold up a small one. */
  private async work(): Promise<void> {
    for (let more = true; more && !this.stopped; ) {
      more = false;
      for (const { campaign_id } of await this.database.query<{ campaign_id: number }>(PREPARABLE)) {
        if (this.stopped) return;
        if (await this.chunk(campaign_id)) more = true;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }

  /** True if this node made a chunk and there is more. */
  private async chunk(campaignId: number): Promise<boolean> {
    const row = await this.database.rawTransaction(async (sql) => {
      // A statement of its own: the next one then sees everything that earlier chunks have committed.
      if ((await sql.query(LOCK_CAMPAIGN, [campaignId])).length === 0) return undefined;
      const [made] = await sql.query<{ preparing: number; contact_total: number; contact_skipped: number }>(
        PREPARE_CHUNK,
        [campaignId, CHUNK],
      );
      return made;
    });
    if (!row) return false;
    if (row.preparing === 0) {
      const { contact_total, contact_skipped } = row;
      this.log.info({ campaign_id: campaignId, contact_total, contact_skipped }, 'campaign prepared');
    }
    this.onChunk();
    return row.preparing === 1;
  }
}
