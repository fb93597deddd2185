import { IctError } from '@ictcore/contract';
import { normalizePhone } from '../../contacts/phone';
import { EMAIL_ADDRESS, PHONE_CHARACTERS, PHONE_MESSAGE } from '../../http/fields';
import { CSV_COLUMN_NAMES, CSV_COLUMNS, type CsvColumn, headerOf } from './csv-columns';
import type { CsvChunk } from './csv-records';

/** Errors that are told one by one (S12). */
export const ERRORS_SHOWN = 100;

/** One row that was not taken. */
export interface RowError {
  /** Line of the file at which the row begins, from 1. */
  line: number;
  message: string;
}

export interface CsvRowsOptions {
  /** Most rows; one more is 413. */
  maxRows: number;
  /** Default country of phone numbers. */
  country: string | undefined;
}

/** Columns of the staging table, in the order of {@link CsvRows.take}'s lines. */
export const STAGED_COLUMNS = ['line', ...CSV_COLUMN_NAMES, 'phone_normalized'] as const;

const NULL = '\\N';
const LENGTHS = CSV_COLUMN_NAMES.map((name) => CSV_COLUMNS[name]);
const INDEX_OF = Object.fromEntries(CSV_COLUMN_NAMES.map((name, index) => [name, index])) as Record<CsvColumn, number>;
const PHONE = INDEX_OF.phone;
const EMAIL = INDEX_OF.email;
/** What COPY's text format must not meet as it is, and what no text of ours may hold. */
const SPECIAL = /[\\\t\n\r\0\ufffd]/;
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** Turns the records of one file into lines for COPY (text format), and keeps the account of what was not taken. */
export class CsvRows {
  /** Rows taken. */
  taken = 0;
  /** Rows not taken: blank ones and those in error. Empty lines at the end of the file are no rows. */
  skipped = 0;
  /** The first {@link ERRORS_SHOWN}. */
  readonly errors: RowError[] = [];
  private line = 1;
  private rows = 0;
  private emptyLines = 0;
  private started = false;
  private positions: readonly (number | null)[] | undefined;

  constructor(private readonly options: CsvRowsOptions) {}

  /**
   * The chunk's rows, ready for COPY.
   *
   * @throws 413 beyond the most rows
   */
  take(chunk: CsvChunk): string {
    let copy = '';
    for (const cells of chunk.records) {
      const line = this.line;
      this.line += 1 + lineBreaks(cells);
      if (!this.started) {
        this.started = true;
        if (this.takeHeader(cells)) continue;
      }
      if (cells.length === 1 && cells[0] === '') {
        this.emptyLines++;
        continue;
      }
      this.countRow();
      copy += this.takeRow(line, cells, chunk.wellFormed);
    }
    return copy;
  }

  private takeHeader(cells: readonly string[]): boolean {
    const header = headerOf(cells);
    if (!header) return false;
    const twice = header.find((name, index) => name !== null && header.indexOf(name) !== index);
    if (twice) {
      throw new IctError(`file: its header names the column ${twice} twice`, {
        code: 'VALIDATION_FAILED',
        status: 412,
        details: [{ field: 'file', message: `its header names the column ${twice} twice`, rule: 'csv' }],
      });
    }
    this.positions = header.map((name) => (name === null ? null : INDEX_OF[name]));
    return true;
  }

  private countRow(): void {
    this.skipped += this.emptyLines;
    this.emptyLines = 0;
    if (++this.rows > this.options.maxRows) {
      throw new IctError(`The file has more than ${this.options.maxRows} rows; split it`, {
        code: 'UPLOAD_TOO_LARGE',
        status: 413,
      });
    }
  }

  private takeRow(line: number, cells: readonly string[], wellFormed: boolean): string {
    const values = this.valuesOf(cells);
    if (values === undefined) {
      const most = this.positions ? `the header has ${this.positions.length}` : `at most ${LENGTHS.length} are known`;
      return this.refuse(line, `has ${cells.length} columns; ${most}`);
    }
    if (values.every((value) => value === '')) {
      this.skipped++;
      return '';
    }
    const problem = problemOf(values, wellFormed);
    if (problem !== undefined) return this.refuse(line, problem);
    let copy = String(line);
    for (const value of values) copy += `\t${copyText(value)}`;
    this.taken++;
    const phone = values[PHONE] as string;
    return `${copy}\t${phone === '' ? NULL : (normalizePhone(phone, this.options.country) ?? NULL)}\n`;
  }

  /** The nine values in our order, `''` for none; undefined if there are more cells than columns. */
  private valuesOf(cells: readonly string[]): string[] | undefined {
    const values: string[] = ['', '', '', '', '', '', '', '', ''];
    for (let i = 0; i < cells.length; i++) {
      const cell = cells[i] as string;
      const at = this.positions ? this.positions[i] : i < LENGTHS.length ? i : undefined;
      // A comma too many at the end of a row does no harm.
      if (at === undefined && cell !== '') return undefined;
      if (typeof at === 'number') values[at] = cell;
    }
    // The mark that an export with ?safe=1 puts before a leading + is no part of a number.
    values[PHONE] = (values[PHONE] as string).trim().replace(/^'(?=[+=@-])/, '');
    values[EMAIL] = (values[EMAIL] as string).trim();
    return values;
  }

  private refuse(line: number, message: string): string {
    this.skipped++;
    if (this.errors.length < ERRORS_SHOWN) this.errors.push({ line, message });
    return '';
  }
}

function problemOf(values: readonly string[], wellFormed: boolean): string | undefined {
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as string;
    if (value.length > (LENGTHS[i] as number)) {
      return `${CSV_COLUMN_NAMES[i]}: must be at most ${LENGTHS[i]} characters`;
    }
    if (!SPECIAL.test(value)) continue;
    if (value.includes('\0')) return `${CSV_COLUMN_NAMES[i]}: must not contain the NUL character`;
    if (!wellFormed && value.includes('\ufffd')) {
      return `${CSV_COLUMN_NAMES[i]}: is not UTF-8; save the file as "CSV UTF-8"`;
    }
  }
  const phone = values[PHONE] as string;
  const email = values[EMAIL] as string;
  if (phone === '' && email === '') return 'has neither a phone nor an email';
  if (phone !== '') {
    if (!PHONE_CHARACTERS.test(phone)) return `phone: ${PHONE_MESSAGE}`;
    if (!/[0-9]/.test(phone)) return 'phone: must hold at least one digit';
    // 4.42079E+11: what a spreadsheet makes of a long number. The digits are lost.
    if (/^\d([.,]\d+)?E\+\d+$/i.test(phone)) return 'phone: was rounded by a spreadsheet; format the column as text';
  }
  if (email !== '' && !EMAIL_ADDRESS.test(email)) return 'email: is not an e-mail address';
  return undefined;
}

function copyText(value: string): string {
  if (value === '') return NULL;
  return SPECIAL.test(value) ? value.replace(/[\\\t\n\r]/g, (character) => ESCAPES[character] as string) : value;
}

/** Line breaks inside the cells: the row takes that many more lines of the file. */
function lineBreaks(cells: readonly string[]): number {
  let count = 0;
  for (const cell of cells) {
    if (cell.includes('\n') || cell.includes('\r')) count += cell.match(/\r\n|\n|\r/g)?.length ?? 0;
  }
  return count;
}
