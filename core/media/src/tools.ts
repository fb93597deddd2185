import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';

const execFileAsync = promisify(execFile);

/** Path of a program in PATH; undefined when there is none that may be run. */
export async function findTool(...names: readonly string[]): Promise<string | undefined> {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => isAbsolute(folder));
  for (const name of names) {
    for (const folder of folders) {
      const path = join(folder, name);
      if (await isRunnable(path)) return path;
    }
  }
  return undefined;
}

async function isRunnable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** What a program prints, or undefined when it fails or takes longer than 20 seconds. */
export async function outputOf(command: string, args: readonly string[]): Promise<string | undefined> {
  return execFileAsync(command, args, { timeout: 20_000, killSignal: 'SIGKILL', maxBuffer: 1 << 20 }).then(
    ({ stdout }) => stdout.trim(),
    () => undefined,
  );
}
