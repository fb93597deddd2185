import { Readable } from 'node:stream';
import type { Actor } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { ContactService } from '../../contacts';
import { Database } from '../../database/database';
import type { ListQuery } from '../../database/list-query';
import { GroupService } from '../group.service';
import { CSV_COLUMN_NAMES } from './csv-columns';

/** Contacts fetched at once. */
const PAGE = 5000;

/**
 * Link by link, in the order of the index, and only as far as a page goes. Right after an import PostgreSQL has no
 * statistics that would tell it so: it would fetch and sort all that is left of the group for each page.
 */
const IN_ORDER = `
select set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true),
       set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)`;

export interface ExportOptions {
  /** A first row with the names of the columns. */
  header: boolean;
  /** A `'` before what a spreadsheet would run as a formula. */
  safe: boolean;
}

interface ExportPage {
  csv: string | null;
  last: number | null;
}

/**
 * Writes a group's contacts as CSV (S11; RFC 4180: CRLF, UTF-8). PostgreSQL makes the text page by page, each page a
 * short query of its own: a client that reads slowly holds no connection and no snapshot, and nothing of size stays in
 * memory. A contact that is there all the while appears exactly once.
 */
@scoped(Lifecycle.ContainerScoped)
export class ContactExportService {
  constructor(
    @inject(Database) private readonly database: Database,
    @inject(GroupService) private readonly groups: GroupService,
    @inject(ContactService) private readonly contacts: ContactService,
  ) {}

  /** @throws 404 if the group is not the actor's to see */
  async run(actor: Actor, groupId: number, query: ListQuery, options: ExportOptions): Promise<Readable> {
    await this.groups.get(actor, groupId);
    const next = (after: number) => this.page(actor, groupId, query, options.safe, after);
    // Before the answer begins, so that a failure still has a status of its own.
    const first = await next(0);
    return Readable.from(pages(first, next, options.header), { objectMode: false });
  }

  private async page(
    actor: Actor,
    groupId: number,
    query: ListQuery,
    safe: boolean,
    after: number,
  ): Promise<ExportPage> {
    const conditions = this.contacts.repository
      .conditionsFor(actor, query)
      .add('l.group_id = ?', groupId)
      .add('l.contact_id > ?', after);
    const select = `
      select string_agg(row, '' order by contact_id) as csv, max(contact_id) as last from (
        select l.contact_id, ${rowSql(safe)} as row
          from contact_link l
          cross join lateral (select * from contact c where c.contact_id = l.contact_id offset 0) t
         ${conditions.where}
         order by l.contact_id limit ${PAGE}) page`;
    const [page] = await this.database.rawTransaction(async (sql) => {
      await sql.query(IN_ORDER);
      return sql.adHoc<ExportPage>(select, conditions.values);
    });
    return page ?? { csv: null, last: null };
  }
}

async function* pages(first: ExportPage, next: (after: number) => Promise<ExportPage>, header: boolean) {
  if (header) yield `${CSV_COLUMN_NAMES.join(',')}\r\n`;
  for (let page = first; page.csv !== null && page.last !== null; page = await next(page.last)) yield page.csv;
}

const BREAK = `E'\\r\\n'`;
/** What makes a cell need quotes (RFC 4180). */
const NEEDS_QUOTES = `E'[",\\r\\n]'`;
/** What a spreadsheet takes for the beginning of a formula. */
const FORMULA = `E'^[-=+@\\t\\r]'`;

/** One row in the order of the columns, as SQL. Most rows need no quotes: one look at all their cells tells. */
function rowSql(safe: boolean): string {
  const raw = CSV_COLUMN_NAMES.map((name) => `t.${name}`);
  const values = raw.map((sql) => (safe ? `case when ${sql} ~ ${FORMULA} then '''' || ${sql} else ${sql} end` : sql));
  const quoted = values.map((sql, i) => {
    return `case when ${raw[i]} ~ ${NEEDS_QUOTES} then '"' || replace(${sql}, '"', '""') || '"' else ${sql} end`;
  });
  const joined = (cells: readonly string[]) => `concat(${cells.join(`, ',', `)}, ${BREAK})`;
  return `case when concat(${raw.join(', ')}) ~ ${NEEDS_QUOTES} then ${joined(quoted)} else ${joined(values)} end`;
}
