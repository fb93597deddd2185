import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { findPlugin } from './plugin-package';

describe('the entry of a plugin package', () => {
  const base = mkdtempSync(path.join(tmpdir(), 'ictcore-plugin-package-'));
  afterAll(() => rmSync(base, { recursive: true, force: true }));

  let made = 0;

  /** A package with these files and this manifest; its entry below its own folder. */
  function entry(manifest: Record<string, unknown>): string {
    const name = `acme-${made++}`;
    const folder = path.join(base, 'node_modules', name);
    mkdirSync(path.join(folder, 'lib'), { recursive: true });
    for (const name of ['index.js', 'lib/a.mjs', 'lib/b.cjs']) writeFileSync(path.join(folder, name), '');
    writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ name, ictcore: { api: '^1' }, ...manifest }));
    return path.relative(folder, findPlugin(name, [base]).main);
  }

  test.each<[string, Record<string, unknown>, string]>([
    ['neither main nor exports', {}, 'index.js'],
    ['main', { main: './lib/b.cjs' }, 'lib/b.cjs'],
    ['main without its extension', { main: './index' }, 'index.js'],
    ['exports as a text', { exports: './lib/a.mjs' }, 'lib/a.mjs'],
    ['exports win over main', { main: './index.js', exports: { '.': './lib/b.cjs' } }, 'lib/b.cjs'],
    ['import only', { exports: { '.': { import: './lib/a.mjs' } } }, 'lib/a.mjs'],
    ['conditions without a dot', { exports: { types: './x.d.ts', import: './lib/a.mjs' } }, 'lib/a.mjs'],
    ['both: import is taken', { exports: { '.': { require: './lib/b.cjs', import: './lib/a.mjs' } } }, 'lib/a.mjs'],
    ['require only', { exports: { '.': { require: './lib/b.cjs' } } }, 'lib/b.cjs'],
    ['nested', { exports: { '.': { import: { types: './x.d.ts', default: './lib/a.mjs' } } } }, 'lib/a.mjs'],
    ['a list of fallbacks', { exports: { '.': [{ browser: './x.js' }, './lib/b.cjs'] } }, 'lib/b.cjs'],
    ['a condition closed by null', { exports: { '.': { browser: null, default: './lib/b.cjs' } } }, 'lib/b.cjs'],
  ])('%s', (_name, manifest, file) => {
    expect(entry(manifest)).toBe(file);
  });

  test.each<[string, unknown]>([
    ['a sub-path only', { './other': './index.js' }],
    ['conditions that do not hold', { '.': { browser: './index.js' } }],
    ['nothing', null],
    ['another package', 'left-pad'],
  ])('exports of %s are refused', (_name, exports) => {
    expect(() => entry({ exports })).toThrow(expect.objectContaining({ code: 'PLUGIN_INVALID' }));
  });
});
