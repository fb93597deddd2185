import { readFileSync } from 'node:fs';
import path from 'node:path';

/** The repository's root. */
export const ROOT = path.resolve(__dirname, '../../../..');

/** The code blocks of one language below one heading of a Markdown file, in order. `heading` with its `#`s. */
export function codeBlocks(file: string, language: string, heading?: string): string[] {
  const text = readFileSync(path.join(ROOT, file), 'utf8');
  const section = heading === undefined ? text : sectionOf(file, text, heading);
  return [...section.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
    .filter(([, found]) => found === language)
    .map(([, , code]) => code ?? '');
}

function sectionOf(file: string, text: string, heading: string): string {
  const lines = text.split('\n');
  const from = lines.indexOf(heading);
  if (from < 0) throw new Error(`${file} has no heading "${heading}"`);
  const level = /^#+ /.exec(heading)?.[0] ?? '';
  const length = lines.slice(from + 1).findIndex((line) => line.startsWith(level));
  return lines.slice(from, length < 0 ? undefined : from + 1 + length).join('\n');
}

/** Gives shell variables other values where a script sets them; fails if one of them is not set there any more. */
export function withValues(script: string, values: Readonly<Record<string, string>>): string {
  let changed = script;
  for (const [name, value] of Object.entries(values)) {
    const assignment = new RegExp(`^${name}=.*$`, 'm');
    if (!assignment.test(changed)) throw new Error(`no line sets ${name}`);
    changed = changed.replace(assignment, () => `${name}='${value.replaceAll("'", `'\\''`)}'`);
  }
  return changed;
}
