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
    const [page] = await this.database.adHoc<ExportPage>(
      `select string_agg(row, '' order by contact_id) as csv, max(contact_id) as last from (
         select l.contact_id, ${rowSql(safe)} as row
           from contact_link l join contact t on t.contact_id = l.contact_id ${conditions.where}
          order by l.contact_id limit ${PAGE}) page`,
      conditions.values,
    );
    return page ?? { csv: null, last: null };
  }
}

async function* pages(first: ExportPage, next: (after: number) => Promise<ExportPage>, header: boolean) {
  if (header) yield `${CSV_COLUMN_NAMES.join(',')}\r\n`;
  for (let page = first; page.csv !== null && page.last !== null; page = await next(page.last)) yield page.csv;
}

/** One row in the order of the columns; quotes where RFC 4180 wants them. */
function rowSql(safe: boolean): string {
  const cells = CSV_COLUMN_NAMES.map((name) => {
    const value = safe
      ? `case when t.${name} ~ E'^[-=+@\\t\\r]' then '''' || t.${name} else t.${name} end`
      : `t.${name}`;
    return `coalesce(case when t.${name} ~ E'[",\\r\\n]' then '"' || replace(${value}, '"', '""') || '"' else ${value} end, '')`;
  });
  return `${cells.join(` || ',' || `)} || E'\\r\\n'`;
}
