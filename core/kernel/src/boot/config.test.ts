import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { configKeys, loadConfig } from './config';

const cwd = mkdtempSync(path.join(tmpdir(), 'ictcore-config-'));
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

/** What is said of a wrong configuration. */
function words(env: Record<string, string>): string {
  try {
    loadConfig(env, cwd);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('it was not refused');
}

test('defaults, the data directory made absolute', () => {
  expect(loadConfig({}, cwd)).toMatchObject({
    host: '127.0.0.1',
    port: 8080,
    role: 'all',
    data_dir: path.join(cwd, 'data'),
  });
});

test('the environment sets keys of every kind', () => {
  const config = loadConfig(
    {
      ICTCORE_PORT: '9000',
      ICTCORE_BASIC_AUTH: 'false',
      ICTCORE_PLUGINS: 'a, @b/c ,',
      ICTCORE_ENGINE_BATCH: '7',
      ICTCORE_TOKENS_UNKNOWN: 'empty',
      DATABASE_URL: 'postgres://u:p@h/db',
    },
    cwd,
  );
  expect(config).toMatchObject({
    port: 9000,
    basic_auth: false,
    plugins: ['a', '@b/c'],
    engine: { batch: 7 },
    tokens: { unknown: 'empty' },
    database_url: 'postgres://u:p@h/db',
  });
});

test('the file sets keys, the environment stands above it, an empty variable counts as unset', () => {
  mkdirSync(path.join(cwd, 'config'), { recursive: true });
  const file = path.join(cwd, 'config', 'local.json');
  writeFileSync(file, JSON.stringify({ port: 1, host: '::1', plugin_config: { x: { y: 1 } } }));
  expect(loadConfig({ ICTCORE_PORT: '2', ICTCORE_HOST: '' }, cwd)).toMatchObject({
    port: 2,
    host: '::1',
    plugin_config: { x: { y: 1 } },
  });
  rmSync(file);
});

test('every wrong key is named at once, with its variable', () => {
  const said = words({ ICTCORE_PORT: 'x', ICTCORE_ROLE: 'boss', ICTCORE_NONSENSE: '1', ICTCORE_ENGINE_LEASE: '1' });
  for (const name of ['ICTCORE_PORT', 'ICTCORE_ROLE', 'ICTCORE_NONSENSE', 'ICTCORE_ENGINE_LEASE'])
    expect(said).toContain(name);
});

test('a number out of range is told the range', () => {
  expect(words({ ICTCORE_PORT: '99999' })).toContain('from 0 to 65535');
});

test('a secret value is not repeated in the refusal', () => {
  expect(words({ ICTCORE_SECRET_KEY: 'my-own-secret' })).not.toContain('my-own-secret');
  expect(words({ DATABASE_URL: 'mysql://u:hush@h/db' })).not.toContain('hush');
});

test('a file that is missing, broken or no object is refused by name', () => {
  expect(words({ ICTCORE_CONFIG: 'missing.json' })).toContain('missing.json');
  for (const text of ['{', '[]', 'null']) {
    writeFileSync(path.join(cwd, 'bad.json'), text);
    expect(words({ ICTCORE_CONFIG: 'bad.json' })).toContain('bad.json');
  }
});

test('every key has a description, and no two share a variable', () => {
  const keys = configKeys();
  expect(keys.filter((key) => key.description === '')).toEqual([]);
  const variables = keys.flatMap((key) => key.env ?? []);
  expect(new Set(variables).size).toBe(variables.length);
});
