import fs from 'node:fs';
import path from 'node:path';
import type { PostgresBinaries } from './binaries';
import { type DataDir, giveTo } from './data-dir';
import { EmbeddedPostgresError } from './errors';
import { programComplaint, runProgram } from './run-program';

/** As whom PostgreSQL runs, and how it learns that Node.js is gone. */
export interface Identity {
  /** `self`: an ordinary user. The other two are for root, whom PostgreSQL refuses. */
  kind: 'self' | 'namespace' | 'setuid';
  /** Whether the server is told when this process dies (Linux, with setpriv of util-linux). */
  diesWithParent: boolean;
  /** Gives the data directory to the user the server runs as, when that is another one. */
  own(): void;
  /** The command line that runs a program under this identity, signalled when this thread of Node.js ends. */
  command(program: string[], onParentDeath: 'INT' | 'KILL'): string[];
}

const NOBODY = 65534;

/**
 * Decides how to run PostgreSQL. It refuses user id 0, so root needs another one:
 * 1. a directory that already belongs to an ordinary user keeps that user (setpriv);
 * 2. a user namespace: the process sees itself as nobody while its files stay root's. Needs no account and no chown,
 *    and works below a 0700 folder such as /root;
 * 3. setpriv to nobody with a chowned data directory, where namespaces are forbidden (many containers).
 *
 * @throws EmbeddedPostgresError ROOT_NOT_POSSIBLE when root can become nobody else
 */
export async function chooseIdentity(binaries: PostgresBinaries, dir: DataDir): Promise<Identity> {
  const diesWithParent =
    process.platform === 'linux' && (await runProgram(['setpriv', '--pdeathsig', 'INT', 'true'])).status === 0;
  const make = (kind: Identity['kind'], prefix: string[], own: () => void = () => undefined): Identity => ({
    kind,
    diesWithParent,
    own,
    // Last in the chain: the kernel forgets the death signal when a process changes its user id.
    command: (program, onParentDeath) => [
      ...prefix,
      ...(diesWithParent ? ['setpriv', '--pdeathsig', onParentDeath] : []),
      ...program,
    ],
  });
  if (process.getuid?.() !== 0) return make('self', []);

  const tried: string[] = [];
  const works = async (prefix: string[], ...checks: string[][]): Promise<boolean> => {
    for (const check of [[path.join(binaries.binDir, 'postgres'), '--version'], ...checks]) {
      const result = await runProgram([...prefix, ...check]);
      if (result.status === 0) continue;
      tried.push(`"${[...prefix, ...check].join(' ')}": ${programComplaint(result)}`);
      return false;
    }
    return true;
  };
  const owner = fs.statSync(dir.root);
  if (owner.uid === 0) {
    const namespace = ['unshare', '--user', `--map-user=${NOBODY}`, `--map-group=${NOBODY}`];
    if (process.platform === 'linux' && (await works(namespace))) return make('namespace', namespace);
  }
  const uid = owner.uid || NOBODY;
  const gid = owner.uid === 0 ? NOBODY : owner.gid;
  const setuid = ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--no-new-privs'];
  // The folder above must let that user through; the data directory itself is given to it later.
  if (await works(setuid, ['test', '-x', path.dirname(dir.root)]))
    return make('setuid', setuid, () => giveTo(dir, uid, gid));
  throw new EmbeddedPostgresError(
    'ROOT_NOT_POSSIBLE',
    'PostgreSQL refuses to run as root, and no other user could be taken on. Start as an ordinary user ' +
      '(docker run --user 1000, systemd User=), install util-linux (unshare, setpriv), make node_modules and the ' +
      `folder above ${dir.root} readable for user id ${uid}, or set DATABASE_URL. Tried ${tried.join('; ')}`,
  );
}
