/** One `[section]` of an Asterisk configuration file: keys in order, a key may come more than once. */
export interface IniSection {
  readonly name: string;
  /** What stands in parentheses after the name, e.g. `+`. */
  readonly entries: readonly (readonly [key: string, value: string | number | boolean])[];
}

/** A value that cannot be written to a configuration file without changing its meaning. */
export class UnwritableValueError extends Error {
  readonly code = 'UNWRITABLE_VALUE';

  constructor(key: string, why: string) {
    super(`${key}: ${why}`);
    this.name = 'UnwritableValueError';
  }
}

/** Asterisk reads lines of at most 8191 characters (config.c); ours stay far below. */
const MAX_VALUE = 1000;

/**
 * A value as it must stand in the file: `;` begins a comment unless escaped (config.c takes away just that one
 * backslash). Refuses what ends the line, and outer blanks, which Asterisk would strip in silence.
 *
 * @throws UnwritableValueError naming the key only: the value may be a password
 */
export function iniValue(key: string, value: string | number | boolean): string {
  const text = typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value);
  if (/\p{Cc}/u.test(text)) throw new UnwritableValueError(key, 'line breaks and control characters cannot be written');
  if (text !== text.trim()) throw new UnwritableValueError(key, 'blanks at the ends cannot be written');
  if (text.length > MAX_VALUE) throw new UnwritableValueError(key, `longer than ${MAX_VALUE} characters`);
  return text.replaceAll(';', '\\;');
}

/** The text of a configuration file. */
export function renderIni(sections: readonly IniSection[]): string {
  return sections
    .map(({ name, entries }) => {
      if (!/^[A-Za-z0-9_.-]+$/.test(name))
        throw new UnwritableValueError('section', `the name ${JSON.stringify(name)}`);
      return `[${name}]\n${entries.map(([key, value]) => `${iniKey(key)}=${iniValue(key, value)}\n`).join('')}`;
    })
    .join('\n');
}

function iniKey(key: string): string {
  if (!/^[A-Za-z0-9_/-]+$/.test(key)) throw new UnwritableValueError('key', 'not a plain word');
  return key;
}
