import type manager from 'asterisk-manager';

/** One response or event of the Asterisk Manager Interface in one shape, whatever the library made of it. */
export interface AmiMessage {
  /** The event's name as Asterisk writes it (`Hangup`), empty for a plain response. */
  readonly event: string;
  /** Every header by its name in lower case; one that came several times is joined by line breaks. */
  readonly fields: Readonly<Record<string, string>>;
  /** Channel variables (`ChanVariable`, `Variable`): those that `channelvars` of manager.conf names. */
  readonly variables: Readonly<Record<string, string>>;
}

const VARIABLE_KEYS = new Set(['variable', 'chanvariable']);

/**
 * Evens out what asterisk-manager yields: arrays for repeated keys, objects for variables, and for `VarSet`
 * `{variable: {NAME: ''}, value}` instead of a name and its value.
 */
export function normalise(raw: manager.RawMessage): AmiMessage {
  const fields: Record<string, string> = {};
  const variables: Record<string, string> = {};
  for (const [key, value] of Object.entries(raw)) {
    if (typeof value === 'string') fields[key.toLowerCase()] = value;
    else if (Array.isArray(value)) fields[key.toLowerCase()] = value.join('\n');
    else if (value && VARIABLE_KEYS.has(key.toLowerCase())) Object.assign(variables, value);
  }
  const event = fields.event ?? '';
  if (event === 'VarSet') {
    for (const name of Object.keys(variables)) variables[name] = fields.value ?? '';
  }
  return { event, fields, variables };
}

/** A header of a message, empty if it is not there. */
export function field(message: AmiMessage, name: string): string {
  return message.fields[name] ?? '';
}
