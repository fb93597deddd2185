import type { FinalOutcome, Logger } from '@ictcore/contract';
import type { Config } from '../boot/config';
import type { Database } from '../database/database';
import {
  BREAK,
  BREAK_ORPHANS,
  CANCEL_WAITING,
  COMPLETE,
  DELETING,
  END_HELD,
  FOLD,
  HOLD_DEFERRED,
  MEASURE,
  RELEASE_CAMPAIGN,
  REMOVE_DELETED,
  RUNNING,
  TAKE_BACK,
} from './campaign.sql';
import { LANE } from './lanes';

/** Milliseconds between rounds while a campaign runs; at 6,000 per minute that is ten releases of ten. */
const ROUND_MS = 100;
/** The same while an unlimited campaign finds its queue drained. */
const HURRY_MS = 10;
/** Batches of the dispatcher that a campaign may have waiting in the queue: enough not to run dry, no more. */
const DEPTH_BATCHES = 8;
/** Rows per statement of taking back and cancelling. */
const CHUNK = 5000;

export interface PacerParts {
  database: Database;
  config: Config;
  log: Logger;
  /** There is something in the queue. */
  onReleased: () => void;
}

/**
 * Lets campaigns go at their pace: a little at a time, so that stop, a new pace and new limits act at once. All state is
 * in the database; several nodes share each campaign's bucket, and a restart simply goes on.
 */
export class Pacer {
  private timer: NodeJS.Timeout | undefined;
  private working: Promise<void> | undefined;
  private wanted = false;
  private stopped = false;
  /** Hand-overs in a row that failed because of the provider, by campaign; this node's own experience. */
  private readonly strikes = new Map<number, number>();

  constructor(private readonly parts: PacerParts) {}

  /** A campaign has started, stopped or changed: look at once. */
  nudge(): void {
    this.wanted = true;
    if (this.stopped) return;
    clearTimeout(this.timer);
    this.working ??= this.work();
  }

  /** About once a second: what is not in a hurry. */
  async tick(): Promise<void> {
    const { database, log } = this.parts;
    for (const row of await database.query<{ campaign_id: number; reason: string }>(BREAK_ORPHANS)) {
      log.warn(row, 'campaign broken');
    }
    await this.takeBack();
    for (const { campaign_id } of await database.query<{ campaign_id: number }>(DELETING))
      await this.clear(campaign_id);
    for (const row of await database.query<{ campaign_id: number }>(COMPLETE)) log.info(row, 'campaign completed');
    await database.query(MEASURE);
    await database.query(FOLD);
    this.nudge();
  }

  /** Learns from an attempt of a campaign whether its provider is there at all. */
  noteEnd(campaignId: number, outcome: FinalOutcome): void {
    const down =
      outcome.kind !== 'delivered' && (outcome.reason === 'provider_down' || outcome.reason === 'unauthorized');
    if (!down) {
      this.strikes.delete(campaignId);
      return;
    }
    const strikes = (this.strikes.get(campaignId) ?? 0) + 1;
    this.strikes.set(campaignId, strikes);
    if (strikes < this.parts.config.campaign.broken_after) return;
    this.strikes.delete(campaignId);
    const reason = `${strikes} hand-overs in a row failed: ${outcome.detail ?? ''}`.slice(0, 500);
    this.parts.log.error({ campaign_id: campaignId, reason }, 'campaign broken');
    this.parts.database
      .query(BREAK, [campaignId, reason])
      .catch((error: unknown) => this.parts.log.warn({ campaign_id: campaignId, error }, 'could not be marked broken'));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.working;
  }

  private async work(): Promise<void> {
    let next: number | undefined;
    while (this.wanted && !this.stopped) {
      this.wanted = false;
      next = await this.round().catch((error: unknown) => {
        this.parts.log.warn({ error }, 'pacing pauses');
        return undefined;
      });
    }
    // In the same turn as the check above, so that no nudge can slip in between.
    this.working = undefined;
    if (next !== undefined && !this.stopped) this.timer = setTimeout(() => this.nudge(), next).unref();
  }

  /** Releases what may go now. Milliseconds until the next round; undefined if nothing runs (the next tick looks). */
  private async round(): Promise<number | undefined> {
    const { database, config, onReleased } = this.parts;
    const running = await database.query<{ campaign_id: number; cpm: number | null; ready: boolean }>(RUNNING);
    if (running.length === 0) return undefined;
    const depth = config.engine.batch * DEPTH_BATCHES;
    let hurry = false;
    for (const { campaign_id, cpm, ready } of running) {
      if (!ready || this.stopped) continue;
      const [row] = await database.query<{ released: number }>(RELEASE_CAMPAIGN, [campaign_id, depth, LANE.campaign]);
      if (!row || row.released === 0) continue;
      hurry ||= cpm === null;
      onReleased();
    }
    return hurry ? HURRY_MS : ROUND_MS;
  }

  /** What campaigns that do not run still have in the queue. */
  private async takeBack(): Promise<void> {
    while ((await this.parts.database.query(TAKE_BACK, [CHUNK])).length === CHUNK);
    await this.parts.database.query(HOLD_DEFERRED);
  }

  /** Brings a deleted campaign to its end, a chunk at a time. */
  private async clear(campaignId: number): Promise<void> {
    const { database } = this.parts;
    while (!this.stopped && (await database.query(CANCEL_WAITING, [campaignId, CHUNK])).length > 0);
    await database.query(END_HELD, [campaignId]);
    await database.query(REMOVE_DELETED, [campaignId]);
  }
}
