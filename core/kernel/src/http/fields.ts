import { z } from '@ictcore/contract';

/**
 * Field schemas with the API's rules for input (section 0.2): strings, numbers and booleans are taken for each other,
 * `null` clears, `""` clears a string and sets a number to null, and PostgreSQL's forbidden NUL is refused.
 */

/** What a phone number as typed may consist of. */
export const PHONE_CHARACTERS = /^[0-9A-Za-z+*#()./ -]*$/;
/** Why a phone number was refused for its characters. */
export const PHONE_MESSAGE = 'may hold digits, letters, spaces and + * # ( ) . / - only';
/** One e-mail address (RFC 5321 limits), no display name. */
export const EMAIL_ADDRESS =
  /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.)*[A-Za-z0-9-]{1,63}$/;

function asText(value: unknown): unknown {
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
}

function emptyAsNull(value: unknown): unknown {
  return value === '' ? null : value;
}

const noNul = (value: string) => !value.includes('\0');
const NUL_MESSAGE = 'must not contain the NUL character';

/** Text of at most `max` characters. */
export function text(max: number) {
  return z.preprocess(asText, z.string().max(max, `must be at most ${max} characters`).refine(noNul, NUL_MESSAGE));
}

/** Text of 1 to `max` characters that is not only white space. */
export function requiredText(max: number) {
  return z.preprocess(
    asText,
    z
      .string({ error: (issue) => (issue.input === undefined ? 'is required' : 'must be a text') })
      .max(max, `must be at most ${max} characters`)
      .refine(noNul, NUL_MESSAGE)
      .refine((value) => value.trim() !== '', 'must not be empty'),
  );
}

/** Text that may be cleared by `null` or `""`; stored as null. */
export function nullableText(max: number) {
  return z.preprocess(
    (value) => emptyAsNull(asText(value)),
    z.string().max(max, `must be at most ${max} characters`).refine(noNul, NUL_MESSAGE).nullable(),
  );
}

/** Whole number; `""` and `null` mean null. */
export function nullableInt(min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER) {
  return z.preprocess((value) => emptyAsNull(numeric(value)), intBetween(min, max).nullable());
}

/** Whole number. */
export function int(min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER) {
  return z.preprocess(numeric, intBetween(min, max));
}

/** Id of a row: a positive whole number that fits PostgreSQL's int8 and JavaScript's safe integers. */
export function rowId() {
  return int(1);
}

/** A flag: 0 or 1; true, false and their texts are taken too. */
export function flag() {
  return z.preprocess(
    (value) => (value === true || value === 'true' ? 1 : value === false || value === 'false' ? 0 : numeric(value)),
    z.union([z.literal(0), z.literal(1)], { error: 'must be 0 or 1' }),
  );
}

/** An e-mail address (RFC 5321 limits, one address, no display name), trimmed; `""` and `null` mean null. */
export function nullableEmail(max: number) {
  return z.preprocess((value) => emptyAsNull(trimmed(value)), emailAddress(max).nullable());
}

/** An e-mail address that must be there. */
export function requiredEmail(max: number) {
  return z.preprocess(trimmed, emailAddress(max));
}

/** A phone number as typed: trimmed, at least one digit, nothing that could be more than a number. */
export function nullablePhone(max: number) {
  return z.preprocess(
    (value) => emptyAsNull(trimmed(asText(value))),
    z
      .string()
      .max(max, `must be at most ${max} characters`)
      .regex(PHONE_CHARACTERS, PHONE_MESSAGE)
      .regex(/[0-9]/, 'must hold at least one digit')
      .nullable(),
  );
}

/** A path parameter that names a row. Not a number: 400. */
export function idParam() {
  return z
    .string()
    .regex(/^\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .meta({ id: undefined, type: 'integer' });
}

function intBetween(min: number, max: number) {
  return z
    .number({ error: (issue) => (issue.input === undefined ? 'is required' : 'must be a whole number') })
    .int('must be a whole number')
    .min(min, `must be at least ${min}`)
    .max(max, `must be at most ${max}`);
}

function numeric(value: unknown): unknown {
  if (typeof value === 'boolean') return Number(value);
  if (typeof value === 'string' && /^\s*-?\d{1,16}\s*$/.test(value)) return Number(value);
  return value;
}

function trimmed(value: unknown): unknown {
  return typeof value === 'string' ? value.trim() : value;
}

function emailAddress(max: number) {
  return z.string().max(max, `must be at most ${max} characters`).regex(EMAIL_ADDRESS, 'is not an e-mail address');
}
