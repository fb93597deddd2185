import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * Replaces a file in one step, readable by its owner only: a reader sees the old text or the new one, never half of
 * it, also after a power cut. A file that already holds this text is left alone.
 *
 * @returns whether anything changed
 */
export async function writeAtomic(path: string, text: string): Promise<boolean> {
  const before = await readFile(path, 'utf8').catch(() => undefined);
  if (before === text) return false;
  const temporary = join(dirname(path), `.${randomBytes(8).toString('hex')}.new`);
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
    await file.close();
    await rename(temporary, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }
  return true;
}
