import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startEmbeddedPostgres } from '@ictcore/postgres';
import type { CleanUp } from './benchmark';

/** A folder of this benchmark's own, removed at its end. */
export function scratchFolder(cleanUp: CleanUp): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'ictcore-bench-'));
  cleanUp.add(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The PostgreSQL that a server would start for itself, with the same settings; its URL. */
export async function startDatabase(folder: string, cleanUp: CleanUp): Promise<string> {
  const postgres = await startEmbeddedPostgres({ dataDir: path.join(folder, 'postgres') });
  cleanUp.add(() => postgres.stop());
  return postgres.url();
}
