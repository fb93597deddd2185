import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { EmbeddedPostgresError } from './errors';

/**
 * What lies in a data directory. PostgreSQL's own files are one level down, so that a cluster appears by one atomic
 * rename (a killed initdb leaves nothing that looks like a cluster), and so that the folder may be a mount point.
 */
export interface DataDir {
  root: string;
  /** PostgreSQL's PGDATA. */
  cluster: string;
  /** The superuser's password, mode 0600. */
  passwordFile: string;
  /** The port of last time, so that logs and tools keep working. */
  portFile: string;
  /** Held by the process that supervises the server. */
  ownerLock: string;
}

const INIT_PREFIX = '.initdb-';
/** What may be in a folder without a cluster: the traces of a start that did not come to its end, and dust. */
const HARMLESS = new Set(['.lock', '.owner.lock', 'password', 'port', 'lost+found', '.gitkeep', '.gitignore']);

/** The paths of a data directory; touches nothing. */
export function dataDirAt(dir: string): DataDir {
  const root = path.resolve(dir);
  return {
    root,
    cluster: path.join(root, 'cluster'),
    passwordFile: path.join(root, 'password'),
    portFile: path.join(root, 'port'),
    ownerLock: path.join(root, '.owner.lock'),
  };
}

/**
 * Creates the folder (mode 0700) or takes over an existing one of ours. A folder with other things in it is refused
 * before anything is changed: a mistyped path must not close somebody's home directory to the world.
 *
 * @throws EmbeddedPostgresError DATA_DIR_FOREIGN, DATA_DIR_NOT_OWNED
 */
export function prepareDataDir(dir: DataDir): void {
  fs.mkdirSync(dir.root, { recursive: true, mode: 0o700 });
  const stat = fs.statSync(dir.root);
  const uid = process.getuid?.() ?? stat.uid;
  if (uid !== 0 && stat.uid !== uid) {
    throw new EmbeddedPostgresError(
      'DATA_DIR_NOT_OWNED',
      `${dir.root} belongs to user id ${stat.uid}, this process is user id ${uid}: start as that user, ` +
        `or stop every server and run "chown -R ${uid} ${dir.root}" as root`,
    );
  }
  const entries = fs.readdirSync(dir.root).filter((name) => !HARMLESS.has(name) && !name.startsWith(INIT_PREFIX));
  if (!isInitialised(dir) && entries.length > 0) {
    const hint = entries.includes('PG_VERSION')
      ? 'It is itself a PostgreSQL cluster: start that one with its own programs and set DATABASE_URL'
      : 'Name an empty or a new folder';
    throw new EmbeddedPostgresError(
      'DATA_DIR_FOREIGN',
      `${dir.root} holds ${entries.slice(0, 5).join(', ')}, which this program did not make. ${hint}`,
    );
  }
  if ((stat.mode & 0o777) !== 0o700) fs.chmodSync(dir.root, 0o700);
}

/** Whether a complete cluster is there. */
export function isInitialised(dir: DataDir): boolean {
  return fs.existsSync(path.join(dir.cluster, 'PG_VERSION'));
}

/** The major version that made the cluster, as PostgreSQL wrote it. */
export function clusterMajor(dir: DataDir): string {
  return fs.readFileSync(path.join(dir.cluster, 'PG_VERSION'), 'utf8').trim();
}

/** The password, made on first use. @throws EmbeddedPostgresError PASSWORD_MISSING for a cluster without its file */
export function ensurePassword(dir: DataDir): string {
  const known = readTrimmed(dir.passwordFile);
  if (known) return known;
  if (isInitialised(dir)) {
    throw new EmbeddedPostgresError(
      'PASSWORD_MISSING',
      `${dir.passwordFile} is missing or empty, and the database in ${dir.cluster} accepts no other password: ` +
        'put the file back from a backup, or set a new password with ' +
        `"postgres --single -D ${dir.cluster} postgres" (ALTER USER postgres PASSWORD '...') and write it into the file`,
    );
  }
  const password = randomBytes(24).toString('base64url');
  writeAtomically(dir.passwordFile, `${password}\n`);
  return password;
}

/** The port of last time, or undefined. */
export function rememberedPort(dir: DataDir): number | undefined {
  const port = Number(readTrimmed(dir.portFile));
  return Number.isInteger(port) && port > 1023 && port < 65536 ? port : undefined;
}

/** Remembers the port for the next start. */
export function rememberPort(dir: DataDir, port: number): void {
  if (rememberedPort(dir) !== port) writeAtomically(dir.portFile, `${port}\n`);
}

/** A fresh folder for initdb beside the cluster; what an interrupted initdb left behind is removed first. */
export function newInitDir(dir: DataDir): string {
  for (const name of fs.readdirSync(dir.root)) {
    if (!name.startsWith(INIT_PREFIX)) continue;
    // Retries: children of an initdb that was killed a moment ago may still be writing.
    fs.rmSync(path.join(dir.root, name), { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
  return path.join(dir.root, INIT_PREFIX + randomBytes(6).toString('hex'));
}

/** Gives everything of ours to a user: the root folder last, so that an interrupted run is repeated. */
export function giveTo(dir: DataDir, uid: number, gid: number): void {
  const walk = (file: string): void => {
    const stat = fs.lstatSync(file, { throwIfNoEntry: false });
    if (!stat) return;
    if (stat.isDirectory()) for (const name of fs.readdirSync(file)) walk(path.join(file, name));
    if (stat.uid !== uid || stat.gid !== gid) fs.lchownSync(file, uid, gid);
  };
  for (const file of [dir.cluster, dir.passwordFile, dir.portFile, dir.ownerLock]) walk(file);
  fs.chownSync(dir.root, uid, gid);
}

function readTrimmed(file: string): string | undefined {
  try {
    return fs.readFileSync(file, 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}

/** Written beside, synced, renamed: after a crash there is the old content or the new one. */
function writeAtomically(file: string, text: string): void {
  const temporary = path.join(path.dirname(file), `${INIT_PREFIX}${randomBytes(6).toString('hex')}`);
  const fd = fs.openSync(temporary, 'wx', 0o600);
  try {
    fs.writeSync(fd, text);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  fs.renameSync(temporary, file);
}
