import { isIctError, type Logger } from '@ictcore/contract';
import pino from 'pino';

/** Names of fields whose values never reach the log, at whatever depth. */
const SECRET =
  /^(password|passwd|passwd_pin|pass|secret|secrets|token|access_token|authorization|cookie|private_key|dkim_private_key|admin_password|secret_key|database_url)$/i;
/** Levels below which nothing is written: a log line is no dump. */
const MAX_DEPTH = 5;

/** Where log lines go; tests collect them in memory. */
export interface LogTarget {
  write(line: string): void;
}

/** A JSON-lines logger that removes secrets by field name. Times are ISO 8601 in UTC. */
export function createLogger(level: string, target: LogTarget): Logger {
  return wrap(
    pino(
      {
        level,
        base: null,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
        serializers: { error: (value) => value, err: (value) => value },
        messageKey: 'message',
      },
      target,
    ),
  );
}

/**
 * A copy fit for the log: secrets removed, errors described, depth bounded. Logging must never fail, so what cannot be
 * looked at (a getter that throws) is left out.
 */
function presentable(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null) return typeof value === 'bigint' ? String(value) : value;
  if (value instanceof Error) return describeError(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (depth >= MAX_DEPTH) return '[deep]';
  if (Array.isArray(value)) return value.slice(0, 100).map((item) => presentable(item, depth + 1));
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(value)) {
    try {
      copy[name] = SECRET.test(name) ? '[removed]' : presentable((value as Record<string, unknown>)[name], depth + 1);
    } catch {
      copy[name] = '[unreadable]';
    }
  }
  return copy;
}

/**
 * An error for the log. Of errors that carry more (a driver's, the ORM's) only name, message, code and stack are
 * written: their other fields may hold SQL parameters or credentials.
 */
function describeError(error: Error): unknown {
  const { code } = error as { code?: unknown };
  return {
    name: error.name,
    message: error.message,
    ...(code !== undefined && { code }),
    stack: isIctError(error) && error.status < 500 ? undefined : error.stack,
  };
}

function wrap(logger: pino.Logger): Logger {
  const write =
    (level: 'debug' | 'info' | 'warn' | 'error') => (fields: Readonly<Record<string, unknown>>, message: string) => {
      if (logger.isLevelEnabled(level)) logger[level](presentable(fields), message);
    };
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (fields) => wrap(logger.child(presentable(fields) as object)),
  };
}
