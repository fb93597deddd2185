import { type FieldError, IctError, isIctError } from '@ictcore/contract';
import type { ZodError } from 'zod';
import { fromDatabaseError } from '../database/database-errors';

/** The one error shape of the API (section 0.2). */
export interface ErrorBody {
  error: {
    code: number;
    message: string;
    /** The stable name of the error, e.g. `VALIDATION_FAILED`. */
    name: string;
    request_id: string;
    details?: readonly FieldError[];
  };
}

/** Errors that express, body parsers and multer raise with a status of their own. */
interface ParserError {
  type?: string;
  status?: number;
  code?: string;
  field?: string;
  limit?: number;
}

const PARSER_ERRORS: Readonly<Record<string, [number, string]>> = {
  'entity.parse.failed': [400, 'The body is not valid JSON'],
  'entity.too.large': [413, 'The body is too large'],
  'encoding.unsupported': [415, 'This content encoding is not supported'],
  'charset.unsupported': [415, 'This character set is not supported'],
  'request.aborted': [400, 'The request was cut off'],
  'request.size.invalid': [400, 'The body is not as long as Content-Length says'],
  'parameters.too.many': [413, 'Too many form fields'],
  LIMIT_FILE_SIZE: [413, 'The file is too large'],
  LIMIT_FILE_COUNT: [413, 'Too many files'],
  LIMIT_UNEXPECTED_FILE: [413, 'Too many files'],
  LIMIT_PART_COUNT: [413, 'Too many parts'],
  LIMIT_FIELD_COUNT: [413, 'Too many form fields'],
  LIMIT_FIELD_VALUE: [413, 'A form field is too long'],
  LIMIT_FIELD_KEY: [413, 'The name of a form field is too long'],
  Z_DATA_ERROR: [400, 'The body is not what its Content-Encoding says'],
  Z_BUF_ERROR: [400, 'The body ends too early for its Content-Encoding'],
  MISSING_FIELD_NAME: [400, 'A form field has no name'],
};

/**
 * Turns anything thrown while answering a request into an {@link IctError}. What is not known to be safe to show
 * becomes a bare 500; the log has the rest under the same request id.
 */
export function toIctError(error: unknown): IctError {
  if (isIctError(error)) return error;
  const parser = error as ParserError;
  const known = PARSER_ERRORS[parser?.type ?? ''] ?? PARSER_ERRORS[parser?.code ?? ''];
  if (known) return new IctError(known[1], { code: 'BODY_REFUSED', status: known[0] });
  if (error instanceof URIError) return new IctError('The path is not valid', { code: 'BAD_REQUEST', status: 400 });
  const mapped = fromDatabaseError(error);
  if (isIctError(mapped)) return mapped;
  return new IctError('Something went wrong on our side; the log has more under this request id', {
    code: 'INTERNAL',
    status: 500,
    cause: error,
  });
}

/** The error's body as sent. */
export function errorBody(error: IctError, requestId: string): ErrorBody {
  return {
    error: {
      code: error.status,
      message: error.message,
      name: error.code,
      request_id: requestId,
      ...(error.details.length > 0 && { details: error.details }),
    },
  };
}

/** What zod refused, as an error with one entry per field. `status` is 412 for bodies and queries, 400 for paths. */
export function fromZod(error: ZodError, status: 400 | 412, whole: string): IctError {
  const details = error.issues.map((issue) => ({
    field: issue.path.join('.') || whole,
    message: issue.message,
    rule: issue.code ?? 'invalid',
  }));
  const message = details.map((detail) => `${detail.field}: ${detail.message}`).join('; ');
  return new IctError(message.slice(0, 500), {
    code: status === 400 ? 'BAD_REQUEST' : 'VALIDATION_FAILED',
    status,
    details: details.slice(0, 100),
  });
}
