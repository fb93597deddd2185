import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadConfig } from '@ictcore/kernel';
import { renderDefaults, renderPage } from './support/configuration-docs';

const ROOT = path.resolve(__dirname, '../../..');
const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8');

test('docs/configuration.md is what the schema says (else: node test/configuration-docs.cjs)', () => {
  expect(read('docs/configuration.md')).toBe(renderPage());
});

test('config/default.json is what the schema says (else: node test/configuration-docs.cjs)', () => {
  expect(read('config/default.json')).toBe(renderDefaults());
});

test('a server with config/default.json is configured as one with nothing', () => {
  const file = path.join(ROOT, 'config/default.json');
  expect(loadConfig({ ICTCORE_CONFIG: file }, '/nowhere')).toEqual(loadConfig({}, '/nowhere'));
});

test('null unsets a key, and only where a key is', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'ictcore-config-'));
  try {
    const file = path.join(folder, 'some.json');
    writeFileSync(file, JSON.stringify({ port: null, engine: { batch: null, lease: 60 }, plugin_config: { a: null } }));
    const config = loadConfig({ ICTCORE_CONFIG: file }, folder);
    expect(config.port).toBe(8080);
    expect(config.engine).toMatchObject({ batch: 100, lease: 60 });
    expect(config.plugin_config).toEqual({ a: null });
    writeFileSync(file, JSON.stringify({ no_such_key: null }));
    expect(() => loadConfig({ ICTCORE_CONFIG: file }, folder)).toThrow('no_such_key: there is no such key');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('the page names every key, every variable and every default', () => {
  const page = read('docs/configuration.md');
  for (const name of ['`port`', 'ICTCORE_PORT', '`8080`', 'DATABASE_URL', '`engine.retry_backoff`', 'plugin_config']) {
    expect(page).toContain(name);
  }
  expect(page).not.toContain('undefined');
});
