import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FileRef } from '@ictcore/contract';

/** Below the provider's scratch folder. */
const INCOMING = 'incoming';
/** What a crash left behind is removed after this many milliseconds: a day. */
const STALE_MS = 86_400_000;

/**
 * Makes a folder for one mail on its way in. It is removed when the mail is stored or refused, so the files of an
 * inbound event are there until `emit` has settled.
 */
export async function makeMailFolder(scratch: string): Promise<string> {
  const incoming = join(scratch, INCOMING);
  await mkdir(incoming, { recursive: true, mode: 0o700 });
  return mkdtemp(join(incoming, 'mail-'));
}

/** Removes the folder of a mail. */
export function removeMailFolder(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true, maxRetries: 2 });
}

/** Removes folders that a process left behind when it was killed. Those of today may belong to another process. */
export async function removeStaleMail(scratch: string): Promise<void> {
  const incoming = join(scratch, INCOMING);
  for (const name of await readdir(incoming).catch(() => [])) {
    const path = join(incoming, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
    if (mtimeMs < Date.now() - STALE_MS) await removeMailFolder(path);
  }
}

/** A file of a mail as the kernel sees it. */
export function fileOf(path: string, name: string, mediaType: string, size: number): FileRef {
  return { name, mediaType, size, open: async () => createReadStream(path), localPath: async () => path };
}
