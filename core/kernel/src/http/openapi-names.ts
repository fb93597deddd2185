import type { AnyRoute } from '@ictcore/contract';

/**
 * Operation ids: made from method and path, so that they stay the same when wordings change. A row is named in the
 * singular: `createContact`, `listContacts`, `getContact`, `putTemplateMedia`, `getTransmissionResult`.
 */
export function operationIds(routes: readonly AnyRoute[]): Map<AnyRoute, string> {
  const ids = new Map<AnyRoute, string>();
  const taken = new Set<string>();
  for (const route of routes) {
    const short = operationId(route);
    const long = `${route.method}${pascal(route.path.split('/'))}`;
    let id = taken.has(short) ? long : short;
    for (let n = 2; taken.has(id); n++) id = `${long}${n}`;
    taken.add(id);
    ids.set(route, id);
  }
  return ids;
}

function operationId(route: AnyRoute): string {
  const segments = route.path.split('/').filter((segment) => segment !== '' && segment !== 'messages');
  const words: string[] = [];
  let own = false;
  for (const [index, segment] of segments.entries()) {
    const parameter = /^\{(\w+)\}$/.exec(segment)?.[1];
    const before = segments[index - 1] ?? '';
    own = parameter !== undefined && singular(before) === parameter.replace(/_id$/, '');
    if (parameter === undefined) words.push(segment);
    else if (own) words[words.length - 1] = singular(before);
    else words.push('by', parameter);
  }
  const last = segments.at(-1) ?? '';
  return verbFor(route, words, last, own) + pascal(words);
}

/** May put the last word into the singular. */
function verbFor(route: AnyRoute, words: string[], last: string, own: boolean): string {
  if (route.method === 'get') return isList(route) ? 'list' : 'get';
  if (route.method === 'put' && own) return 'update';
  const creates = [route.permission].flat().includes(`${singular(last)}_create`);
  if (route.method !== 'post' || !creates || !last.endsWith('s')) return route.method;
  words[words.length - 1] = singular(last);
  return 'create';
}

function isList(route: AnyRoute): boolean {
  return (route.response as { _zod?: { def?: { type?: string } } } | undefined)?._zod?.def?.type === 'array';
}

function singular(word: string): string {
  return word.endsWith('s') ? word.slice(0, -1) : word;
}

function pascal(words: readonly string[]): string {
  return words
    .flatMap((word) => word.split(/[^A-Za-z0-9]+/))
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
}
