import { conflict, IctError, isIctError, wrongState } from '@ictcore/contract';

interface PgError {
  code?: string;
  constraint?: string;
  detail?: string;
  message?: string;
  severity?: string;
}

/** Errors that mean "the database is away", by PostgreSQL class 08 and 57P0x and by Node's socket codes. */
const AWAY = /^(08...|57P0[123]|53300|ECONNREFUSED|ECONNRESET|EPIPE|ENOTFOUND|ETIMEDOUT)$/;

/** True if this error says that the database cannot be reached, rather than that a statement was wrong. */
export function isDatabaseAway(error: unknown): boolean {
  const own = pgErrorOf(error);
  if (own.code !== undefined && AWAY.test(own.code)) return true;
  // FATAL ends the session whatever its code: shut down, not accepting connections, too many, wrong password.
  if (own.severity === 'FATAL') return true;
  return /Connection terminated|timeout exceeded when trying to connect|SequelizeConnection/.test(
    `${(error as Error)?.name} ${own.message ?? ''}`,
  );
}

/**
 * Turns what PostgreSQL (directly or through Sequelize) refuses into what a caller may see: 409 for a clash, 423 for a
 * row that others still refer to, 503 when the database is away. Anything else passes as it is and becomes a 500.
 */
export function fromDatabaseError(error: unknown): unknown {
  if (isIctError(error)) return error;
  const pg = pgErrorOf(error);
  if (pg.code === '23505') return conflict(uniqueMessage(pg), [uniqueField(pg)]);
  if (pg.code === '23503')
    return wrongState(`Still in use: ${pg.detail ?? pg.constraint ?? 'another row refers to it'}`);
  if (isDatabaseAway(error)) {
    return new IctError('The database does not answer; try again in a moment', {
      code: 'DATABASE_AWAY',
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
