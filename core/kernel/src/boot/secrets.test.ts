import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadMasterKey, SecretBox } from './secrets';

const box = new SecretBox(Buffer.alloc(32, 1));

test('what is sealed opens again, and looks different each time', () => {
  const sealed = box.seal('provider:1', 'hush ✓');
  expect(sealed).not.toContain('hush');
  expect(box.seal('provider:1', 'hush ✓')).not.toBe(sealed);
  expect(box.open('provider:1', sealed)).toBe('hush ✓');
});

test.each([
  ['another purpose', () => box.open('provider:2', box.seal('provider:1', 'hush'))],
  ['another key', () => new SecretBox(Buffer.alloc(32, 2)).open('p', box.seal('p', 'hush'))],
  ['a changed text', () => box.open('p', `${box.seal('p', 'hush').slice(0, -2)}AA`)],
  ['nonsense', () => box.open('p', 'nonsense')],
])('%s does not open it', (_what, open) => {
  expect(open).toThrow(expect.objectContaining({ code: 'SECRET_UNREADABLE' }));
});

test('fingerprints are equal for equal texts and differ with the key', () => {
  expect(box.fingerprint('a')).toBe(box.fingerprint('a'));
  expect(box.fingerprint('a')).not.toBe(box.fingerprint('b'));
  expect(box.fingerprint('a')).not.toBe(new SecretBox(Buffer.alloc(32, 2)).fingerprint('a'));
});

test('the master key is made once, readable by its owner only, and stays', () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'ictcore-keys-'));
  const key = loadMasterKey(undefined, dir);
  const file = path.join(dir, 'keys', 'master.key');
  expect(key).toHaveLength(32);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(loadMasterKey(undefined, dir)).toEqual(key);
  expect(loadMasterKey(Buffer.alloc(32, 9).toString('base64'), dir)).toEqual(Buffer.alloc(32, 9));
  writeFileSync(file, readFileSync(file, 'utf8').slice(0, 10));
  expect(() => loadMasterKey(undefined, dir)).toThrow(/master\.key/);
  rmSync(dir, { recursive: true });
});
