import { AmiError } from './ami-error';

/** What an action carries. Headers of an object value become one `Name: key=value` line each. */
export type AmiAction = { readonly action: string } & Readonly<
  Record<string, string | number | boolean | undefined | Readonly<Record<string, string | number | boolean>>>
>;

/** Asterisk's own limit of one manager line, less the header's name (manager.c: 1024 bytes with the header). */
const MAX_VALUE_BYTES = 900;

const BREAKS = /[\r\n\0]/;

/**
 * Refuses what would end a header and begin another (asterisk-manager writes values as they are, so a line break
 * injects actions of any kind).
 *
 * @throws AmiError with code `invalid`, naming the header and not its value, which may be a secret
 */
export function cleanValue(value: unknown, where: string): string {
  const text = String(value);
  if (BREAKS.test(text)) throw new AmiError(`a line break or NUL in ${where}`, 'invalid');
  if (Buffer.byteLength(text) > MAX_VALUE_BYTES) throw new AmiError(`${where} is too long`, 'invalid');
  return text;
}

/** Header and variable names: a colon or `=` in a name would move the border between name and value. */
function cleanName(name: string): string {
  if (!/^[A-Za-z_][\w-]*(\([\w-]*\))?$/.test(name)) throw new AmiError('a header name that is none', 'invalid');
  return name;
}

/**
 * The value of one variable of Originate: Asterisk splits the list at commas and eats quotes and backslashes, so quote
 * and escape. (`Setvar` takes its value as it is.)
 */
export function amiVariable(value: string | number | boolean): string {
  return `"${cleanValue(value, 'a variable').replace(/["\\]/g, '\\$&')}"`;
}

/** An action ready for asterisk-manager: checked, without empty values. */
export function encodeAction(action: AmiAction, id: string): Record<string, unknown> {
  const out: Record<string, unknown> = { actionid: cleanValue(id, 'ActionID') };
  for (const [name, value] of Object.entries(action)) {
    if (value === undefined || name.toLowerCase() === 'actionid') continue;
    cleanName(name);
    out[name] =
      typeof value === 'object'
        ? Object.fromEntries(Object.entries(value).map(([key, each]) => [cleanName(key), cleanValue(each, key)]))
        : cleanValue(value, name);
  }
  return out;
}
