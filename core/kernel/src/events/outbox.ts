import type { KernelEvent, Logger, PluginContext } from '@ictcore/contract';
import type { Database } from '../database/database';

/** A handler of a plugin. */
export interface EventHandler {
  /** Cursor's name: the plugin and its position in registration order. */
  consumer: string;
  /** `noun.what` or `noun.*`. */
  event: string;
  context: PluginContext<never>;
  handle: (event: KernelEvent, context: PluginContext<never>) => Promise<void>;
}

interface EventRow {
  event_id: number;
  xid: string;
  type: string;
  user_id: number | null;
  data: Record<string, unknown>;
  at: number;
}

const BATCH = 200;
/** Times a handler may fail on one event before it is skipped (and logged). */
const MAX_TRIES = 5;

/**
 * Tells handlers what happened, from the outbox: after the commit, at least once, in order. Each handler has a cursor
 * of its own; a new handler begins with what happens from now on. Events of transactions still running are waited for:
 * only rows below the oldest running transaction are read, ordered by transaction and id.
 */
export class Outbox {
  private readonly tries = new Map<string, number>();

  constructor(
    private readonly database: Database,
    private readonly handlers: readonly EventHandler[],
    private readonly log: Logger,
  ) {}

  /** New consumers start at the present. */
  async start(): Promise<void> {
    for (const { consumer } of this.handlers) {
      await this.database.query(
        `insert into event_cursor (consumer, xid, event_id)
         select $1, pg_snapshot_xmin(pg_current_snapshot()), 0 on conflict do nothing`,
        [consumer],
      );
    }
  }

  /** Tells everything there is to tell. Several nodes may call it: a consumer's cursor is locked meanwhile. */
  async run(): Promise<void> {
    for (const handler of this.handlers) {
      while (await this.runBatch(handler));
    }
  }

  private async runBatch(handler: EventHandler): Promise<boolean> {
    return this.database.rawTransaction(async (sql) => {
      const [cursor] = await sql.query<{ xid: string; event_id: number }>(
        'select xid::text as xid, event_id from event_cursor where consumer = $1 for update skip locked',
        [handler.consumer],
      );
      if (!cursor) return false;
      const rows = await sql.query<EventRow>(
        `select event_id, xid::text as xid, type, user_id, data, (extract(epoch from at) * 1000)::int8 as at from event
          where (xid, event_id) > ($1::xid8, $2) and xid < pg_snapshot_xmin(pg_current_snapshot())
          order by xid, event_id limit ${BATCH}`,
        [cursor.xid, cursor.event_id],
      );
      let last: EventRow | undefined;
      for (const row of rows) {
        if (matches(handler.event, row.type) && !(await this.tell(handler, row))) break;
        last = row;
      }
      if (last) {
        await sql.query('update event_cursor set xid = $2::xid8, event_id = $3 where consumer = $1', [
          handler.consumer,
          last.xid,
          last.event_id,
        ]);
      }
      return rows.length === BATCH && last?.event_id === rows.at(-1)?.event_id;
    });
  }

  /** True if the handler is done with the event: told, or given up after several tries. */
  private async tell(handler: EventHandler, row: EventRow): Promise<boolean> {
    const key = `${handler.consumer} ${row.event_id}`;
    const event = { eventId: row.event_id, type: row.type, userId: row.user_id, data: row.data, at: row.at };
    try {
      await handler.handle(event, handler.context);
      this.tries.delete(key);
      return true;
    } catch (error) {
      const tried = (this.tries.get(key) ?? 0) + 1;
      this.tries.set(key, tried);
      this.log.error(
        { consumer: handler.consumer, event_id: row.event_id, type: row.type, tried, error },
        'event handler failed',
      );
      if (tried < MAX_TRIES) return false;
      this.tries.delete(key);
      return true;
    }
  }
}

/** `transmission.*` matches every event of the noun. */
function matches(pattern: string, type: string): boolean {
  return pattern.endsWith('.*') ? type.startsWith(pattern.slice(0, -1)) : pattern === type;
}
