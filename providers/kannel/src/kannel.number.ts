/**
 * A number by the row's prefix rules (API section 3.11): of `strip|add` pairs, separated by commas, the first whose
 * `strip` begins the number rewrites it; a plain prefix is put before every number. Numbers are tried with their `+`
 * and without.
 */
export function applyPrefix(number: string, rules: string): string {
  const bare = number.replace(/^\+/, '');
  for (const rule of rules.split(',').map((each) => each.trim())) {
    if (rule === '') continue;
    const [strip, add] = rule.split('|');
    if (add === undefined) return `${rule}${bare}`;
    for (const form of number === bare ? [number] : [number, bare]) {
      if (form.startsWith(strip ?? '')) return `${add}${form.slice((strip ?? '').length)}`;
    }
  }
  return number;
}

/** A number as Kannel dials it, or undefined if it is none. */
export function destinationOf(phone: string | null, prefix: string): string | undefined {
  const number = applyPrefix((phone ?? '').replace(/[\s().\-/]/g, ''), prefix);
  return /^\+?[0-9*#]{1,20}$/.test(number) ? number : undefined;
}
