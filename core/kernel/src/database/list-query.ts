import { invalid, z } from '@ictcore/contract';
import type { Filter, ResourceSpec } from './resource';

/** Rows a list gives at most (API section 7.1). */
export const LIST_CAP = 5000;
/** Rows counted at most for `X-Total-Count`; beyond it the header says so. Counting must not grow with the table. */
export const COUNT_CAP = 100_000;

const wholeNumber = z
  .string()
  .regex(/^-?\d{1,15}$/, 'must be a whole number')
  .transform(Number);
const notNegative = z
  .string()
  .regex(/^\d{1,10}$/, 'must be a whole number, 0 or more')
  .transform(Number);
/** A set of flags: PostgreSQL's int4. */
const bitSet = notNegative.pipe(z.number().max(2 ** 31 - 1, `must be at most ${2 ** 31 - 1}`));
/** Unix seconds that PostgreSQL's timestamps reach: from 1 January of 4713 BC to the year 294276. */
const unixSeconds = wholeNumber.pipe(
  z.number().min(-210_000_000_000, 'is too far in the past').max(9_000_000_000_000, 'is too far in the future'),
);
const oneOrZero = z.enum(['0', '1', 'true', 'false']).transform((value) => (value === '1' || value === 'true' ? 1 : 0));
const words = z
  .string()
  .max(255)
  .refine((value) => !value.includes('\0'), 'must not contain NUL');

function valueSchema(filter: Filter): z.ZodType {
  if (filter.kind === 'flag') return oneOrZero;
  if (filter.kind === 'bits') return bitSet;
  if (filter.kind === 'linked' || (filter.kind === 'exact' && filter.value === 'int')) {
    return z.string().regex(/^-?\d{1,15}(,-?\d{1,15}){0,99}$/, 'must be a whole number or a comma list of them');
  }
  return words;
}

const PAGING = {
  limit: notNegative.optional().describe(`Rows at most, up to ${LIST_CAP}`),
  offset: notNegative.optional().describe('Rows to skip'),
  page: notNegative.optional().describe('Page, from 1; with page_size'),
  page_size: notNegative.optional(),
  pageIndex: notNegative.optional().describe('As page'),
  pageSize: notNegative.optional().describe('As page_size'),
  totalrows: oneOrZero.optional().describe('1: answer the bare number of rows instead of the rows'),
};

/** The query parameters that narrow a list, with their schemas (API section 7.1). */
export function filterShape(spec: ResourceSpec): Record<string, z.ZodType> {
  const shape: Record<string, z.ZodType> = {};
  for (const [name, filter] of Object.entries(spec.filters)) shape[name] = valueSchema(filter).optional();
  if (spec.createdAt !== null) {
    shape.before = unixSeconds.optional().describe('Created at or before this Unix second');
    shape.after = unixSeconds.optional().describe('Created at or after this Unix second');
  }
  if (spec.owner) {
    shape.user_id = wholeNumber.optional().describe('Owner');
    shape.created_by = wholeNumber.optional().describe('As user_id');
  }
  if (spec.search) shape.q = words.optional().describe('Text to look for');
  return shape;
}

/** The zod schema of a list's query string: its filters, paging, sorting (API section 7.1). Unknown keys are ignored. */
export function listQuerySchema(spec: ResourceSpec): z.ZodType<ListQuery> {
  const shape: Record<string, z.ZodType> = { ...PAGING, ...filterShape(spec) };
  const sortable = [spec.key, ...(spec.sortable ?? [])];
  shape.sort = z.enum(sortable.flatMap((field) => [field, `-${field}`])).optional();
  return z.object(shape) as unknown as z.ZodType<ListQuery>;
}

/** A validated list query: filters by name beside the paging keys. */
export type ListQuery = Readonly<Record<string, string | number | undefined>>;

/** SQL conditions with their values; `$n` are numbered by {@link Conditions.add}. */
export class Conditions {
  readonly parts: string[] = [];
  readonly values: unknown[] = [];

  /** Adds a condition; each `?` in it takes the next value. */
  add(sql: string, ...values: readonly unknown[]): this {
    let next = 0;
    this.parts.push(
      sql.replace(/\?/g, () => {
        this.values.push(values[next++]);
        return `$${this.values.length}`;
      }),
    );
    return this;
  }

  get where(): string {
    return this.parts.length === 0 ? '' : `where ${this.parts.map((part) => `(${part})`).join(' and ')}`;
  }
}

/** Escapes what LIKE would take for a wildcard. */
function likeText(value: unknown): string {
  return String(value).replace(/[\\%_]/g, (character) => `\\${character}`);
}

function addFilter(conditions: Conditions, filter: Filter, value: string | number): void {
  switch (filter.kind) {
    case 'exact': {
      const text = filter.value === 'folded' ? String(value).toLowerCase() : String(value);
      const wanted = text.split(',');
      if (filter.prefix && wanted.some((word) => word.endsWith('*'))) {
        const patterns = wanted.map((word) =>
          word.endsWith('*') ? `${likeText(word.slice(0, -1))}%` : likeText(word),
        );
        conditions.add(`${filter.sql} like any(?::text[])`, patterns);
        return;
      }
      conditions.add(`${filter.sql} = any(?::${filter.value === 'int' ? 'int8' : 'text'}[])`, wanted);
      return;
    }
    case 'linked': {
      const ids = String(value).split(',');
      // Of one id PostgreSQL knows that its links are distinct, and walks them in order instead of collecting them.
      if (ids.length === 1) conditions.add(filter.sql('= ?::int8'), ids[0]);
      else conditions.add(filter.sql('= any(?::int8[])'), ids);
      return;
    }
    case 'contains':
      conditions.add(`${filter.sql} ilike ?`, `%${likeText(value)}%`);
      return;
    case 'startsWith':
      conditions.add(`${filter.sql} ilike ?`, `${likeText(value)}%`);
      return;
    case 'endsWith':
      conditions.add(`${filter.sql} ilike ?`, `%${likeText(value)}`);
      return;
    case 'bits':
      conditions.add(`(${filter.sql} & ?::int) <> 0`, value);
      return;
    case 'flag':
      conditions.add(`${filter.sql} = ?`, value);
  }
}

/** Adds what the query asks for to the conditions. */
export function addFilters(conditions: Conditions, spec: ResourceSpec, query: ListQuery): void {
  for (const [name, filter] of Object.entries(spec.filters)) {
    const value = query[name];
    if (value !== undefined && value !== '') addFilter(conditions, filter, value);
  }
  const createdAt = spec.createdAt ?? 't.date_created';
  if (query.before !== undefined) conditions.add(`${createdAt} < to_timestamp(?::int8 + 1)`, query.before);
  if (query.after !== undefined) conditions.add(`${createdAt} >= to_timestamp(?::int8)`, query.after);
  const owner = query.user_id ?? query.created_by;
  if (owner !== undefined && spec.owner) conditions.add(`${spec.owner} = ?`, owner);
  if (query.q !== undefined && query.q !== '' && spec.search) {
    const pattern = `%${likeText(query.q)}%`;
    conditions.add(spec.search.map((sql) => `${sql} ilike ?`).join(' or '), ...spec.search.map(() => pattern));
  }
}

/** Limit and offset, from any of the three spellings. */
export function pageOf(query: ListQuery): { limit: number; offset: number } {
  const size = Number(query.page_size ?? query.pageSize ?? query.limit ?? LIST_CAP);
  if (size > LIST_CAP) throw invalid('limit', `must be at most ${LIST_CAP}; fetch further pages with offset`, 'max');
  const page = query.page ?? query.pageIndex;
  const offset = page === undefined ? Number(query.offset ?? 0) : Math.max(0, Number(page) - 1) * size;
  return { limit: size, offset };
}

/** `order by` of a whitelisted `sort`; always ends with the key, so that pages never overlap. */
export function orderOf(spec: ResourceSpec, query: ListQuery): string {
  const sort = String(query.sort ?? spec.key);
  const descending = sort.startsWith('-');
  const field = descending ? sort.slice(1) : sort;
  const direction = descending ? 'desc' : 'asc';
  const key = `t.${spec.key}`;
  if (field === spec.key) return `order by ${key} ${direction}`;
  return `order by ${spec.fields[field]} ${direction} nulls last, ${key} ${direction}`;
}
