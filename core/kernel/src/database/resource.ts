/** How a list may be filtered by one query parameter. */
export type Filter =
  /** Equal. `value` says what is accepted; a comma list means any of them. `folded`: compared in lower case. `prefix`: `word*` stands for all that begin so. */
  | { kind: 'exact'; value: 'int' | 'text' | 'folded'; sql: string; prefix?: true }
  /** Linked with any of these rows; the condition is made from how their id must compare: `= $1` or `= any ($1)`. */
  | { kind: 'linked'; sql: (compares: string) => string }
  /** Case-insensitive part of the text, its end or its beginning. */
  | { kind: 'contains' | 'endsWith' | 'startsWith'; sql: string }
  /** Any bit in common (`service_flag`). */
  | { kind: 'bits'; sql: string }
  /** 0 or 1. */
  | { kind: 'flag'; sql: string };

/**
 * What the repository layer needs to know of a noun: its table, its owner column, what the API shows, what lists may
 * be filtered and sorted by. SQL in here is constant text of our own, never input.
 */
export interface ResourceSpec {
  /** Permission prefix and name in messages, e.g. `contact`. */
  readonly name: string;
  /** Begins a sentence: "Contact not found". */
  readonly title: string;
  /** Table (alias `t`) and joins. */
  readonly from: string;
  /** Primary key, as API field and as column of `t`. */
  readonly key: string;
  /** SQL of the owner's user id; null for rows that belong to nobody (providers, roles). */
  readonly owner: string | null;
  /** API field → SQL expression, for single reads. */
  readonly fields: Readonly<Record<string, string>>;
  /** The fields shown in lists; default: all. */
  readonly listFields?: readonly string[];
  readonly filters: Readonly<Record<string, Filter>>;
  /** Fields that `sort` accepts besides the key; each must have an index or a small table. */
  readonly sortable?: readonly string[];
  /** Columns (SQL) that `q` searches. */
  readonly search?: readonly string[];
  /** SQL of the creation time, for `before` and `after`; default `t.date_created`. */
  readonly createdAt?: string | null;
}

/** A timestamptz as whole Unix seconds, the API's form of time (API section 0.2). */
export function unixTime(sql: string): string {
  return `floor(extract(epoch from ${sql}))::int8`;
}

/** The fields every owned row shows (API section 1). */
export const OWNED_FIELDS = {
  user_id: 't.created_by',
  date_created: unixTime('t.date_created'),
  last_updated: unixTime('t.last_updated'),
} as const;

/** `{ a: 't.a', b: 't.b' }` for plain columns. */
export function columns<const N extends string>(...names: readonly N[]): Record<N, string> {
  return Object.fromEntries(names.map((name) => [name, `t.${name}`])) as Record<N, string>;
}
