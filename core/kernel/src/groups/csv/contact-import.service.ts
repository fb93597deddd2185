import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Actor, IctError, notFound, wrongState } from '@ictcore/contract';
import { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { Config } from '../../boot/config';
import { CONFIG } from '../../boot/injection';
import { Database } from '../../database/database';
import { sqlOn } from '../../database/sql';
import { GroupService } from '../group.service';
import { takeImportLock } from '../group-lock';
import * as sql from './contact-import.sql';
import { csvRecords } from './csv-records';
import { CsvRows, type RowError, STAGED_COLUMNS } from './csv-rows';
import { Turns } from './turns';

/** Imports that one process runs at once; further ones wait. */
const AT_ONCE = 3;
/** Bytes from which on what has been gathered is sent by one COPY. */
const BATCH = 1_048_576;
/** What one chunk of the file may become beyond that: 64 KiB of the shortest rows (`1`) are 1.2 MB for COPY. */
const MARGIN = 4 * 1_048_576;
/** From here on PostgreSQL joins sets; below it looks up row by row. */
const MANY = 20_000;
const COPY = `copy import_row (${STAGED_COLUMNS.join(', ')}) from stdin`;

/** What to import, and how. */
export interface ContactImport {
  groupId: number;
  /** The uploaded file. */
  file: string;
  /** Character set other than UTF-8, as TextDecoder knows it. */
  charset: string | undefined;
  /** True: a new contact of each row. False: one that the owner has already is linked. */
  createDuplicates: boolean;
}

/** Answer of S12. */
export interface ImportReport {
  group_id: number;
  /** Contacts made and linked. */
  imported: number;
  /** Rows whose contact was there already (before or earlier in the file) and is in the group now. */
  linked: number;
  /** Rows not taken: blank ones and those in error. */
  skipped: number;
  errors: RowError[];
}

/**
 * Imports CSV files of contacts into groups (S12), on a connection of its own. The file is read piece by piece into a
 * temporary table, in many short transactions; one transaction then makes contacts and links of it. So an import
 * happens as a whole or not at all, whatever is killed meanwhile, and nothing waits for the reading of a large file.
 */
@scoped(Lifecycle.ContainerScoped)
export class ContactImportService {
  private readonly turns = new Turns(AT_ONCE);

  constructor(
    @inject(Database) private readonly database: Database,
    @inject(CONFIG) private readonly config: Config,
    @inject(GroupService) private readonly groups: GroupService,
  ) {}

  /**
   * @param signal ends the import without a trace
   * @throws 404 if the group is not the actor's to see, 412 for a file that is no CSV, 413 for too many rows, 423 while
   * another import into the group runs
   */
  async run(actor: Actor, task: ContactImport, signal: AbortSignal): Promise<ImportReport> {
    await this.groups.get(actor, task.groupId);
    return this.turns.take(signal, () => this.connected(actor, task, signal));
  }

  private async connected(actor: Actor, task: ContactImport, signal: AbortSignal): Promise<ImportReport> {
    const client = new Client({ connectionString: this.database.url, application_name: 'ictcore import' });
    // A connection that breaks shows in the statement under way.
    client.on('error', () => undefined);
    const cancel = () => void this.cancel(client);
    try {
      await client.connect();
      signal.addEventListener('abort', cancel, { once: true });
      await prepare(client);
      if (!(await takeImportLock(sqlOn(client), task.groupId))) {
        throw wrongState('Another import into this group is running; try again when it has ended');
      }
      const rows = new CsvRows({ maxRows: this.config.import.max_rows, country: this.config.country });
      await stage(client, task, rows, signal);
      const imported = rows.taken === 0 ? 0 : await this.apply(client, actor, task, rows.taken, signal);
      return {
        group_id: task.groupId,
        imported,
        linked: rows.taken - imported,
        skipped: rows.skipped,
        errors: rows.errors,
      };
    } catch (error) {
      if (signal.aborted) throw cutOff(error);
      throw error;
    } finally {
      signal.removeEventListener('abort', cancel);
      // The temporary tables and the lock go with the connection.
      await client.end().catch(() => undefined);
    }
  }

  /** One transaction: all contacts and links, or none. */
  private async apply(
    client: Client,
    actor: Actor,
    task: ContactImport,
    rows: number,
    signal: AbortSignal,
  ): Promise<number> {
    const all = task.createDuplicates;
    await client.query('begin');
    const held = await client.query('select 1 from contact_group where group_id = $1 for key share', [task.groupId]);
    if (held.rowCount === 0) throw notFound('Group');
    await client.query(`set local work_mem = '64MB'`);
    await client.query(sql.ANALYZE_STAGING);
    if (rows > MANY) await client.query('set local enable_nestloop = off');
    const find = all ? [] : [sql.CREATE_KEYS, sql.createFound(actor.userId), sql.HOLD_FOUND, sql.DROP_LOST];
    for (const step of find) {
      signal.throwIfAborted();
      await client.query(step);
    }
    signal.throwIfAborted();
    const made = await client.query<{ imported: number }>(sql.insertContacts(all), [task.groupId, actor.userId]);
    // Only now is the group's row locked: until here others could go on to put contacts into it.
    if (!all) await client.query(sql.LINK_FOUND, [task.groupId]);
    signal.throwIfAborted();
    await client.query('commit');
    return made.rows[0]?.imported ?? 0;
  }

  /** Ends the statement under way and the connection; what it did is rolled back. */
  private async cancel(client: Client): Promise<void> {
    const { processID, connection } = client as Client & ClientInside;
    if (processID) await this.database.query('select pg_cancel_backend($1)', [processID]).catch(() => undefined);
    connection.stream.destroy();
  }
}

/** What pg's types leave out. */
interface ClientInside {
  processID?: number | null;
  connection: { stream: Socket };
}

/** No limits of time: large files take minutes. The server gives up by itself soon after this process is gone. */
async function prepare(client: Client): Promise<void> {
  await client.query(`set statement_timeout = 0; set jit = off; set client_min_messages = warning`);
  // Not to be had on every system that PostgreSQL runs on.
  await client.query(`set client_connection_check_interval = '2s'`).catch(() => undefined);
  await client.query(sql.CREATE_STAGING);
}

/**
 * Reads the file into the temporary table; while PostgreSQL takes one batch, the next is read. The bytes go through the
 * same two buffers again and again: a hundred megabytes of new ones would lie about until they are collected.
 */
async function stage(client: Client, task: ContactImport, rows: CsvRows, signal: AbortSignal): Promise<void> {
  let [filling, sending] = [Buffer.allocUnsafe(BATCH + MARGIN), Buffer.allocUnsafe(BATCH + MARGIN)];
  let used = 0;
  let copying: Promise<void> = Promise.resolve();
  const flush = async () => {
    await copying;
    [filling, sending] = [sending, filling];
    copying = copy(client, sending.subarray(0, used), signal);
    // Awaited with the next batch; until then its failure is nobody's.
    copying.catch(() => undefined);
    used = 0;
  };
  try {
    for await (const chunk of csvRecords(task.file, task.charset, signal)) {
      const text = rows.take(chunk);
      const bytes = Buffer.byteLength(text);
      if (bytes > MARGIN) throw new RangeError(`${bytes} bytes came of one chunk`);
      used += filling.write(text, used);
      if (used >= BATCH) await flush();
    }
    if (used > 0) await flush();
  } finally {
    await copying;
  }
}

async function copy(client: Client, batch: Buffer, signal: AbortSignal): Promise<void> {
  await pipeline(Readable.from([batch]), client.query(copyFrom(COPY)), { signal });
}

function cutOff(cause: unknown): IctError {
  return new IctError('The client went away; nothing was imported', { code: 'CLIENT_GONE', status: 400, cause });
}
