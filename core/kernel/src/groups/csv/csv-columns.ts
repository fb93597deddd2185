/** The columns of a CSV file of contacts, in the order of API section S11, with the most characters each may hold. */
export const CSV_COLUMNS = {
  phone: 32,
  first_name: 64,
  last_name: 64,
  email: 64,
  address: 128,
  custom1: 128,
  custom2: 128,
  custom3: 128,
  description: 255,
} as const;

export type CsvColumn = keyof typeof CSV_COLUMNS;

/** Their names, in order. */
export const CSV_COLUMN_NAMES = Object.keys(CSV_COLUMNS) as readonly CsvColumn[];

/** `First Name`, `first_name` and `firstName` mean one column. */
function folded(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}

const BY_NAME: ReadonlyMap<string, CsvColumn> = new Map(CSV_COLUMN_NAMES.map((name) => [folded(name), name]));

/** The column that a header cell names; undefined for any other cell. */
export function columnNamed(cell: string): CsvColumn | undefined {
  return BY_NAME.get(folded(cell));
}

/**
 * Which cell holds which column. A first row whose first cell names a column is a header (S12): its columns may come
 * in any order, and unknown ones are passed over (null). Undefined if the row is no header.
 */
export function headerOf(cells: readonly string[]): (CsvColumn | null)[] | undefined {
  if (columnNamed(cells[0] ?? '') === undefined) return undefined;
  return cells.map((cell) => columnNamed(cell) ?? null);
}
