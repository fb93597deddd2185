/** E.164 has at most 15 digits; national forms with carrier prefixes may be longer. */
const NUMBER = /^\+?[0-9]{1,24}$/;
/** Extensions and service codes. */
const EXTENSION = /^[0-9*#]{1,16}$/;

/**
 * A destination that may reach a dial string: E.164 with or without `+`, or an extension. Blanks and the usual
 * punctuation of written numbers are dropped; anything else makes it invalid.
 *
 * @returns undefined if it is none
 */
export function dialable(destination: string): string | undefined {
  if (destination.length > 40) return undefined;
  const plain = destination.replace(/[ ().\-/\u00a0]/g, '');
  return NUMBER.test(plain) || EXTENSION.test(plain) ? plain : undefined;
}

/**
 * Applies a provider's number rules (API section 1.16): a comma list of `strip|add`, of which the first whose `strip`
 * begins the number is used; a rule without `|` is put in front of every number.
 *
 * @returns undefined if the result cannot be dialled
 */
export function applyPrefixRules(number: string, rules: string): string | undefined {
  for (const rule of rules.split(',').map((each) => each.trim())) {
    if (rule === '') continue;
    const [strip = '', add] = rule.split('|');
    if (add === undefined) return dialable(`${strip}${number}`);
    if (number.startsWith(strip)) return dialable(`${add}${number.slice(strip.length)}`);
  }
  return dialable(number);
}

/**
 * The value of Originate's `CallerID`: `"Name" <number>`. What is no number is left out; of the name, what could end
 * the quotes or the header.
 */
export function callerId(phone: string | null, name: string): string {
  const number = phone === null ? '' : (dialable(phone) ?? '');
  const shown = name
    .normalize('NFC')
    .replace(/[\p{C}"\\<>]/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 60);
  return `"${shown}" <${number}>`;
}
