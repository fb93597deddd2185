import { conflict, IctError, isIctError, wrongState } from '@ictcore/contract';

interface PgError {
  code?: string;
  constraint?: string;
  detail?: string;
  message?: string;
  severity?: string;
}

/**
 * Errors that mean "the database is away", by PostgreSQL class 08 and 57P0x and by Node's socket codes; and those of a
 * database that is there but can store nothing for now: class 53 (disk full, out of memory, too many connections), 58
 * (its disk does not answer), 25006 (read-only: a standby that has not taken over yet).
 */
const AWAY =
  /^(08...|57P0[1235]|53...|580..|25006|ECONNREFUSED|ECONNRESET|EPIPE|EHOSTUNREACH|EAI_AGAIN|ENOTFOUND|ETIMEDOUT)$/;

/** The code of the error that callers see. */
const DATABASE_AWAY = 'DATABASE_AWAY';

/** Values that PostgreSQL cannot store, of which only input can be the cause: SQLSTATE and what is said about it. */
const UNSTORABLE: Readonly<Record<string, string>> = {
  '22003': 'A number is out of range',
  '22008': 'A time is out of range',
  '22021': 'A text holds characters that cannot be stored',
  '22P05': 'A text holds characters that cannot be stored',
};

/** True if this error says that the database cannot be reached, rather than that a statement was wrong. */
export function isDatabaseAway(error: unknown): boolean {
  // As `Database` throws it.
  if (isIctError(error)) return error.code === DATABASE_AWAY;
  const own = pgErrorOf(error);
  if (own.code !== undefined && AWAY.test(own.code)) return true;
  // FATAL ends the session whatever its code: shut down, not accepting connections, too many, wrong password.
  if (own.severity === 'FATAL') return true;
  return /Connection terminated|not queryable|timeout exceeded when trying to connect|SequelizeConnection/.test(
    `${(error as Error)?.name} ${own.message ?? ''}`,
  );
}

/**
 * Turns what PostgreSQL (directly or through Sequelize) refuses into what a caller may see: 409 for a clash, 423 for a
 * row that others still refer to, 412 for a value that no column can hold, 503 when the database is away. Anything else passes as it is and becomes a 500.
 */
export function fromDatabaseError(error: unknown): unknown {
  if (isIctError(error)) return error;
  const pg = pgErrorOf(error);
  if (pg.code === '23505') return conflict(uniqueMessage(pg), [uniqueField(pg)]);
  if (pg.code === '23503')
    return wrongState(`Still in use: ${pg.detail ?? pg.constraint ?? 'another row refers to it'}`);
  const unstorable = UNSTORABLE[pg.code ?? ''];
  if (unstorable) return new IctError(unstorable, { code: 'VALIDATION_FAILED', status: 412, cause: error });
  if (isDatabaseAway(error)) {
    return new IctError('The database does not answer; try again in a moment', {
      code: DATABASE_AWAY,
      status: 503,
      cause: error,
      headers: { 'Retry-After': '2' },
    });
  }
  return error;
}

function pgErrorOf(error: unknown): PgError {
  const outer = error as { original?: PgError; parent?: PgError } & PgError;
  return outer?.original ?? outer?.parent ?? outer ?? {};
}

/** `Key (type, username)=(did, 4420)` → field `username`. */
function uniqueField(pg: PgError): { field: string; message: string; rule: string } {
  const columns = /^Key \((.+?)\)=/.exec(pg.detail ?? '')?.[1] ?? '';
  const field =
    columns
      .replace(/lower\((\w+).*?\)+/g, '$1')
      .split(',')
      .pop()
      ?.trim() ?? '';
  return { field, message: 'is already taken', rule: 'unique' };
}

function uniqueMessage(pg: PgError): string {
  const { field } = uniqueField(pg);
  return field ? `${field} is already taken` : 'This already exists';
}
