import { randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { IctError } from '@ictcore/contract';

/**
 * Makes the data directory (0700) if need be and returns its identity, a UUID kept in it.
 *
 * @throws `DATA_DIR_UNUSABLE` saying what is wrong with it
 */
export function prepareDataDir(dir: string): string {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    if ((statSync(dir).mode & 0o077) !== 0) chmodSync(dir, 0o700);
    const file = path.join(dir, 'instance');
    try {
      writeFileSync(file, `${randomUUID()}\n`, { flag: 'wx', mode: 0o600 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? (cause as Error).message;
    throw new IctError(
      `ICTCORE_DATA_DIR: ${dir} cannot be used (${reason}); it must be a folder this user may write to`,
      {
        code: 'DATA_DIR_UNUSABLE',
        cause,
      },
    );
  }
}
