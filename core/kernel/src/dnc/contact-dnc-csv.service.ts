import { Readable } from 'node:stream';
import { type Actor, type Channel, IctError } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { Config } from '../boot/config';
import { CONFIG } from '../boot/injection';
import { Database, type Tx } from '../database/database';
import type { ListQuery } from '../database/list-query';
import { csvRecords } from '../groups/csv/csv-records';
import { type ContactDncImport, contactDncCreate } from './contact-dnc.schema';
import { ContactDncService, ownerOf } from './contact-dnc.service';
import { DoNotContact } from './do-not-contact';

/** The columns of the file, in order where it has no header. */
export const DNC_COLUMNS = ['channel', 'address', 'description'] as const;

const ERRORS_SHOWN = 100;
/** Rows written by one statement. */
const BATCH = 1000;
/** Rows read by one statement. */
const PAGE = 5000;

const INSERT = `
with given as (
  select distinct on (channel, normalized) channel, address, normalized, description
    from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as g(channel, address, normalized, description)
)
insert into contact_dnc (channel, address, normalized, description, origin, created_by)
select channel, address, normalized, description, 'csv', $5 from given
on conflict (channel, normalized, created_by) do nothing returning contact_dnc_id`;

interface Entry {
  channel: Channel;
  address: string;
  description: string;
}

export interface DncImport {
  file: string;
  /** For rows that name no channel. */
  channel: Channel | undefined;
  everyone: number | undefined;
}

/** Import and export of the do-not-contact list. */
@scoped(Lifecycle.ContainerScoped)
export class ContactDncCsv {
  constructor(
    @inject(Database) private readonly database: Database,
    @inject(CONFIG) private readonly config: Config,
    @inject(DoNotContact) private readonly entries: DoNotContact,
    @inject(ContactDncService) private readonly service: ContactDncService,
  ) {}

  /** Rows in error are told and passed over; a file that cannot be read to its end changes nothing. */
  import(actor: Actor, task: DncImport, signal: AbortSignal): Promise<ContactDncImport> {
    const ownerId = ownerOf(actor, task.everyone);
    return this.database.transaction(async (tx) => {
      const report: ContactDncImport = { imported: 0, duplicates: 0, skipped: 0, errors: [] };
      const reader = new RowReader(task.channel, report);
      let batch: Entry[] = [];
      const flush = async () => {
        const made = await this.insert(tx, ownerId, batch);
        report.imported += made;
        report.duplicates += batch.length - made;
        batch = [];
      };
      for await (const { records } of csvRecords(task.file, undefined, signal)) {
        for (const cells of records) {
          const entry = reader.read(cells);
          if (entry) batch.push(entry);
          if (batch.length === BATCH) await flush();
        }
        this.refuseTooMany(reader.rows);
      }
      if (batch.length > 0) await flush();
      return report;
    });
  }

  /** The actor's entries, streamed page by page; what it gives can be imported as it is. */
  async export(actor: Actor, query: ListQuery): Promise<Readable> {
    const next = (after: number) => this.page(actor, query, after);
    const first = await next(0);
    return Readable.from(pages(first, next), { objectMode: false });
  }

  private async insert(tx: Tx, ownerId: number | null, batch: readonly Entry[]): Promise<number> {
    const rows = await tx.query(INSERT, [
      batch.map((entry) => entry.channel),
      batch.map((entry) => entry.address),
      batch.map((entry) => this.entries.normalize(entry.channel, entry.address)),
      batch.map((entry) => entry.description),
      ownerId,
    ]);
    return rows.length;
  }

  private refuseTooMany(rows: number): void {
    const { max_rows } = this.config.import;
    if (rows <= max_rows) return;
    throw new IctError(`The file has more than ${max_rows} rows; split it`, { code: 'UPLOAD_TOO_LARGE', status: 413 });
  }

  private page(actor: Actor, query: ListQuery, after: number): Promise<ExportRow[]> {
    const conditions = this.service.repository.conditionsFor(actor, query).add('t.contact_dnc_id > ?', after);
    return this.database.adHoc<ExportRow>(
      `select t.contact_dnc_id, t.channel, t.address, t.description from contact_dnc t ${conditions.where}
        order by t.contact_dnc_id limit ${PAGE}`,
      conditions.values,
    );
  }
}

interface ExportRow extends Entry {
  contact_dnc_id: number;
}

async function* pages(first: readonly ExportRow[], next: (after: number) => Promise<ExportRow[]>) {
  yield `${DNC_COLUMNS.join(',')}\r\n`;
  let page = first;
  for (let last = page.at(-1); last; last = page.at(-1)) {
    yield page.map((row) => `${DNC_COLUMNS.map((name) => cell(row[name])).join(',')}\r\n`).join('');
    page = await next(last.contact_dnc_id);
  }
}

/** Quoted where RFC 4180 wants it; a `'` keeps spreadsheets from running a description as a formula. */
function cell(value: string): string {
  const safe = /^[-=@\t\r]|^\+(?![0-9])/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Turns records into entries and keeps the account of what was not taken. */
class RowReader {
  rows = 0;
  private columns: readonly (keyof Entry | undefined)[] | undefined;

  constructor(
    private readonly channel: Channel | undefined,
    private readonly report: ContactDncImport,
  ) {}

  read(cells: readonly string[]): Entry | undefined {
    this.columns ??= headerOf(cells) ?? (cells.length === 1 ? ['address'] : DNC_COLUMNS);
    if (this.rows++ === 0 && headerOf(cells)) return undefined;
    const found: Partial<Record<keyof Entry, string>> = {};
    cells.forEach((value, index) => {
      const name = this.columns?.[index];
      if (name) found[name] = value.trim().replace(/^'(?=[-+=@])/, '');
    });
    if (!found.address && !found.channel) return this.skip(undefined);
    const channel = (found.channel?.toLowerCase() || this.channel) ?? (found.address?.includes('@') ? 'email' : '');
    const target = channel === 'email' ? { email: found.address } : { phone: found.address };
    const parsed = contactDncCreate.safeParse({ channel, ...target, description: found.description ?? '' });
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      return this.skip(`${issue?.path.join('.') || 'row'}: ${issue?.message}`);
    }
    const { email, phone, description } = parsed.data;
    return { channel: channel as Channel, address: (email || phone) as string, description: description ?? '' };
  }

  private skip(message: string | undefined): undefined {
    this.report.skipped++;
    if (message && this.report.errors.length < ERRORS_SHOWN) this.report.errors.push({ row: this.rows, message });
    return undefined;
  }
}

const HEADERS: Readonly<Record<string, keyof Entry>> = {
  channel: 'channel',
  address: 'address',
  phone: 'address',
  email: 'address',
  number: 'address',
  description: 'description',
  reason: 'description',
};

/** Which cell holds what, if the first row names columns. */
function headerOf(cells: readonly string[]): (keyof Entry | undefined)[] | undefined {
  const names = cells.map((value) => HEADERS[value.trim().toLowerCase()]);
  return names[0] === undefined ? undefined : names;
}
