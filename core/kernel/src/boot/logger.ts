import { isIctError, type Logger } from '@ictcore/contract';
import pino from 'pino';

/** Field names whose values never reach the log, at the top level and one below. */
const SECRET_FIELDS = [
  'password',
  'passwd',
  'passwd_pin',
  'secret',
  'secrets',
  'token',
  'access_token',
  'authorization',
  'cookie',
  'private_key',
  'admin_password',
  'secret_key',
  'database_url',
];

/** Where log lines go; tests collect them in memory. */
export interface LogTarget {
  write(line: string): void;
}

/** A JSON-lines logger that removes secrets by field name. Times are ISO 8601 in UTC. */
export function createLogger(level: string, target: LogTarget): Logger {
  const paths = SECRET_FIELDS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);
  return wrap(
    pino(
      {
        level,
        base: null,
        timestamp: pino.stdTimeFunctions.isoTime,
        redact: { paths, censor: '[removed]' },
        formatters: { level: (label) => ({ level: label }) },
        serializers: { error: describeError },
        messageKey: 'message',
      },
      target,
    ),
  );
}

/**
 * An error for the log. Of errors that carry more (a driver's, the ORM's) only name, message, code and stack are
 * written: their other fields may hold SQL parameters or credentials.
 */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code } = error as { code?: unknown };
  return {
    name: error.name,
    message: error.message,
    ...(code !== undefined && { code }),
    stack: isIctError(error) && error.status < 500 ? undefined : error.stack,
  };
}

function wrap(logger: pino.Logger): Logger {
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    child: (fields) => wrap(logger.child(fields)),
  };
}
