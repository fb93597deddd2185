import { IctError } from '@ictcore/contract';

/**
 * The token language (API section 4.7): `[contact:first_name]`, with a default `[contact:first_name|there]`. A text is
 * compiled once and rendered for each recipient, for a campaign some 100,000 times.
 */

/** A value that a token may stand for. Null and undefined count as unknown. */
export type TokenValue = string | number | null | undefined | TokenContext;

/** What tokens may refer to: plain nested objects. Only own properties count, so prototypes cannot be reached. */
export interface TokenContext {
  readonly [name: string]: TokenValue;
}

/** What becomes of a token that is unknown or null and has no default (configuration key `tokens.unknown`). */
export type UnknownTokens = 'keep' | 'empty' | 'fail';

/**
 * What is done to inserted values. `html`: escaped for element content and quoted attributes. `header`: line breaks and
 * other control characters of the whole result become spaces, so that no header field can be smuggled in (RFC 5322).
 */
export type TokenEscape = 'none' | 'html' | 'header';

/** How {@link render} works. */
export interface RenderOptions {
  mode: UnknownTokens;
  escape: TokenEscape;
  /** Most characters of the result; default {@link MAX_RENDERED}. */
  maxLength?: number;
}

/** A token of a compiled text. */
export interface Token {
  /** As written, with brackets. */
  readonly source: string;
  readonly path: readonly string[];
  /** Text of the author's own, inserted as it is where the value is unknown, null or blank. */
  readonly fallback: string | undefined;
  /** False for a path outside the white list: such a token is never looked up. */
  readonly allowed: boolean;
}

/** A text taken apart; made by {@link compileTemplate}. */
export interface Compiled {
  readonly source: string;
  readonly parts: readonly (string | Token)[];
  /** True if there is at least one token, so that the text differs from one recipient to the next. */
  readonly dynamic: boolean;
}

/** Most characters a rendered text may have: many tokens for a long value must not fill the memory. */
export const MAX_RENDERED = 16 * 1024 * 1024;

const PERSON = ['first_name', 'last_name', 'phone', 'email', 'address'];
const CONTACT = [...PERSON, 'contact_id', 'custom1', 'custom2', 'custom3', 'description'];
const SPOOL = ['spool_id', 'status', 'response', 'amount', 'time_spool', 'time_start', 'time_connect', 'time_end'];

/** Sub-tree of allowed names; `true` for a value, `'any'` for whatever is below. */
type Allowed = true | 'any' | { readonly [name: string]: Allowed };

const leaves = (names: readonly string[]): Allowed => Object.fromEntries(names.map((name) => [name, true]));
const PARTIES = {
  contact: leaves(CONTACT),
  account: leaves(PERSON),
  source: leaves(CONTACT),
  destination: leaves(CONTACT),
};

/** The white list. Configuration, secrets and the environment are not in it, whatever the context holds. */
const ALLOWED: Allowed = {
  ...PARTIES,
  user: leaves(['first_name', 'last_name', 'email', 'phone', 'company']),
  company: leaves(['name', 'email', 'phone', 'address']),
  transmission: {
    ...(leaves([
      ...['transmission_id', 'title', 'status', 'response', 'direction'],
      ...['try_done', 'try_allowed', 'last_run'],
    ]) as object),
    ...PARTIES,
    spool: leaves(SPOOL),
    result: 'any',
  },
  document: leaves(['name', 'pages']),
  campaign: leaves(['campaign_id', 'name']),
  // Notifications: what was asked by mail, and what became of the fax.
  request: 'any',
  fax: 'any',
  date: true,
  time: true,
  datetime: true,
};

function isAllowed(path: readonly string[]): boolean {
  let at: Allowed = ALLOWED;
  for (const name of path) {
    if (at === 'any') return true;
    if (at === true || !Object.hasOwn(at, name)) return false;
    at = at[name] as Allowed;
  }
  return at === true || at === 'any';
}

function isNameCode(code: number): boolean {
  return (
    (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95 // 0-9 A-Z a-z _
  );
}

const [OPEN, CLOSE, COLON, BAR] = [91, 93, 58, 124];

/**
 * Reads a token that begins with the bracket at `start`. Gives the token and the index after it, or only the index
 * where plain text ends and reading goes on: each character is looked at once, whatever the text.
 */
function readToken(text: string, start: number): { token?: Token; next: number } {
  const path: string[] = [];
  let at = start + 1;
  for (;;) {
    const begin = at;
    while (at < text.length && isNameCode(text.charCodeAt(at))) at++;
    if (at === begin) return { next: at };
    path.push(text.slice(begin, at));
    if (text.charCodeAt(at) !== COLON) break;
    at++;
  }
  let fallback: string | undefined;
  if (text.charCodeAt(at) === BAR) {
    const begin = ++at;
    while (at < text.length && text.charCodeAt(at) !== CLOSE && text.charCodeAt(at) !== OPEN) at++;
    fallback = text.slice(begin, at);
  }
  if (text.charCodeAt(at) !== CLOSE) return { next: at };
  const source = text.slice(start, at + 1);
  return { token: { source, path, fallback, allowed: isAllowed(path) }, next: at + 1 };
}

/** Takes a text apart into plain parts and tokens. Linear in its length; brackets that are no token stay text. */
export function compileTemplate(text: string): Compiled {
  const parts: (string | Token)[] = [];
  let plain = 0;
  let at = text.indexOf('[');
  while (at !== -1) {
    const { token, next } = readToken(text, at);
    if (token) {
      if (at > plain) parts.push(text.slice(plain, at));
      parts.push(token);
      plain = next;
    }
    at = text.indexOf('[', next);
  }
  if (plain < text.length) parts.push(text.slice(plain));
  return { source: text, parts, dynamic: parts.some((part) => typeof part !== 'string') };
}

/** True if the value is exactly one token, such as a program parameter that was never filled in. */
export function isToken(value: unknown): boolean {
  if (typeof value !== 'string' || value.charCodeAt(0) !== OPEN) return false;
  const { token, next } = readToken(value, 0);
  return token !== undefined && next === value.length;
}

/**
 * Fills a compiled text in for one recipient.
 *
 * @throws `TOKEN_UNKNOWN` (412) in mode `fail`, naming every token without a value; `RENDERED_TOO_LARGE` (413)
 */
export function render(compiled: Compiled, context: TokenContext, options: RenderOptions): string {
  const missing: string[] = [];
  const limit = options.maxLength ?? MAX_RENDERED;
  let result = '';
  for (const part of compiled.parts) {
    result += typeof part === 'string' ? part : valueFor(part, context, options, missing);
    if (result.length > limit) {
      throw new IctError(`The message becomes longer than ${limit} characters when its tokens are filled in`, {
        code: 'RENDERED_TOO_LARGE',
        status: 413,
      });
    }
  }
  if (missing.length > 0) {
    const names = [...new Set(missing)].slice(0, 20).join(', ');
    throw new IctError(`There is no value for ${names}`, { code: 'TOKEN_UNKNOWN', status: 412 });
  }
  return options.escape === 'header' ? withoutControls(result) : result;
}

function valueFor(token: Token, context: TokenContext, options: RenderOptions, missing: string[]): string {
  const value = token.allowed ? lookUp(context, token.path) : undefined;
  if (token.fallback !== undefined && (value === undefined || value.trim() === '')) return token.fallback;
  if (value !== undefined) return options.escape === 'html' ? escapeHtml(value) : value;
  if (options.mode === 'fail') missing.push(token.source);
  return options.mode === 'keep' ? token.source : '';
}

function lookUp(context: TokenContext, path: readonly string[]): string | undefined {
  let at: TokenValue = context;
  for (const name of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined;
    at = at[name];
  }
  return typeof at === 'string' ? at : typeof at === 'number' ? String(at) : undefined;
}

const HTML: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Escapes text for HTML element content and quoted attribute values. */
export function escapeHtml(text: string): string {
  return /[&<>"']/.test(text) ? text.replace(/[&<>"']/g, (character) => HTML[character] as string) : text;
}

/** One line: each run of control characters (CR and LF among them) becomes one space. */
function withoutControls(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what must go
  return text.replace(/[\u0000-\u001f\u007f\u0085\u2028\u2029]+/g, ' ');
}
