import { access, constants, mkdir, readdir, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { FileRef } from '@ictcore/contract';

/** A link nobody removed (we were killed) is swept after this time. */
const STALE_MS = 24 * 3_600_000;

/**
 * Gives the files of orders names of our own in a folder of our own. Asterisk's applications split paths at commas and
 * ampersands and choose the format by suffix, so no name of a user may reach them.
 */
export class MediaStage {
  constructor(private readonly folder: string) {}

  /** Makes the folder and sweeps links that are left from long ago. */
  async open(): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.folder)) {
      const path = join(this.folder, name);
      const age =
        Date.now() -
        (await stat(path).then(
          (found) => found.ctimeMs,
          () => 0,
        ));
      if (age > STALE_MS) await rm(path, { force: true });
    }
  }

  /**
   * Stages a file and returns its path; for sounds without the suffix, as Playback wants it.
   *
   * @throws Error if there is no readable file
   */
  async put(ref: string, index: number, file: FileRef, kind: 'tif' | 'wav'): Promise<string> {
    const source = await file.localPath();
    await access(source, constants.R_OK);
    const base = join(this.folder, `${ref}-${index}`);
    await rm(`${base}.${kind}`, { force: true });
    await symlink(source, `${base}.${kind}`);
    return kind === 'wav' ? base : `${base}.${kind}`;
  }

  /** Removes all files of an attempt. */
  async remove(ref: string): Promise<void> {
    for (const name of await readdir(this.folder).catch(() => [])) {
      if (name.startsWith(`${ref}-`)) await rm(join(this.folder, name), { force: true });
    }
  }
}
