/** One thing wrong with one field of a request. `rule` is machine-readable, `message` is for people. */
export interface FieldError {
  field: string;
  message: string;
  rule: string;
}

/** What an {@link IctError} is made of. */
export interface IctErrorOptions {
  /** Stable, upper-case, machine-readable name, e.g. `PLUGIN_INCOMPATIBLE`. */
  code: string;
  /** HTTP status this error becomes at the edge (API section 0.2). Default 500. */
  status?: number;
  details?: readonly FieldError[];
  cause?: unknown;
  /** Extra response headers, e.g. `Retry-After`. */
  headers?: Readonly<Record<string, string>>;
}

const MARK = '@ictcore/error';

/**
 * An error that a user may see: it says what was refused, why, and how to mend it.
 * Recognise it with {@link isIctError}, never by `instanceof`: several copies of the contract may be loaded.
 */
export class IctError extends Error {
  readonly code: string;
  readonly status: number;
  readonly details: readonly FieldError[];
  readonly headers: Readonly<Record<string, string>>;
  readonly mark = MARK;

  constructor(message: string, options: IctErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'IctError';
    this.code = options.code;
    this.status = options.status ?? 500;
    this.details = options.details ?? [];
    this.headers = options.headers ?? {};
  }
}

/** True for an {@link IctError} of any loaded copy of the contract. */
export function isIctError(error: unknown): error is IctError {
  return typeof error === 'object' && error !== null && (error as { mark?: unknown }).mark === MARK;
}

/** 400: the request could not be read at all (malformed JSON, an id that is no number). */
export function badRequest(message: string, details?: readonly FieldError[]): IctError {
  return new IctError(message, { code: 'BAD_REQUEST', status: 400, ...(details && { details }) });
}

/** 403: the caller lacks a permission. */
export function forbidden(message: string): IctError {
  return new IctError(message, { code: 'FORBIDDEN', status: 403 });
}

/** 404: no such row, or one that the caller may not see. `what` begins the sentence: "Contact not found". */
export function notFound(what: string): IctError {
  return new IctError(`${what} not found`, { code: 'NOT_FOUND', status: 404 });
}

/** 409: it would clash with something that is already there. */
export function conflict(message: string, details?: readonly FieldError[]): IctError {
  return new IctError(message, { code: 'CONFLICT', status: 409, ...(details && { details }) });
}

/** 412: a field of the body or query is wrong (the API's validation status). */
export function invalid(field: string, message: string, rule = 'invalid'): IctError {
  return new IctError(`${field}: ${message}`, {
    code: 'VALIDATION_FAILED',
    status: 412,
    details: [{ field, message, rule }],
  });
}

/** 423: the row is in a state that does not allow this (running, processing, completed, in use). */
export function wrongState(message: string): IctError {
  return new IctError(message, { code: 'WRONG_STATE', status: 423 });
}
