import fs from 'node:fs';
import { startEmbeddedPostgres } from './embedded-postgres';
import { type Child, query, until, Workplace } from './testing/child.test.support';

/** Who starts the server decides how it runs; another user can only be taken on by root. */
const workplace = new Workplace();
const asRoot = process.platform === 'linux' && process.getuid?.() === 0 ? test : test.skip;
const NOBODY = 65_534;
afterAll(() => workplace.close());

/** Starts, uses and stops a cluster in another process, and looks at the server's user id from outside. */
async function useOnce(child: Child): Promise<{ uid: number; seenAs: string }> {
  const { pid, url } = await child.answer();
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  const map = fs.readFileSync(`/proc/${pid}/uid_map`, 'utf8').trim().split(/\s+/)[0] ?? '';
  expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  await child.stop();
  return { uid: Number(/^Uid:\s+(\d+)/m.exec(status)?.[1]), seenAs: map };
}

asRoot('root: in a user namespace, below a folder that only root may enter', async () => {
  fs.mkdirSync(workplace.dir('private'), { mode: 0o700 });
  const dir = workplace.dir('private/data');
  expect(await useOnce(workplace.child('start', dir))).toEqual({ uid: 0, seenAs: String(NOBODY) });
  expect(fs.statSync(`${dir}/cluster/PG_VERSION`).uid).toBe(0);
});

asRoot('root where namespaces are missing: as nobody; the next start stays with that user', async () => {
  const dir = workplace.dir('setuid');
  const PATH = workplace.pathWith('no-unshare', ['setpriv', 'flock', 'test', 'true']);
  expect(await useOnce(workplace.child('start', dir, { PATH }))).toMatchObject({ uid: NOBODY });
  expect(fs.statSync(dir)).toMatchObject({ uid: NOBODY });
  expect(fs.statSync(dir).mode & 0o777).toBe(0o700);
  expect(await useOnce(workplace.child('start', dir))).toMatchObject({ uid: NOBODY });
  expect(await useOnce(workplace.child('start', dir, { uid: NOBODY }))).toMatchObject({ uid: NOBODY });
});

asRoot("root: a directory that was root's is handed over when namespaces are gone", async () => {
  const dir = workplace.dir('moved');
  await useOnce(workplace.child('start', dir));
  const PATH = workplace.pathWith('no-unshare-2', ['setpriv', 'flock', 'test', 'true']);
  expect(await useOnce(workplace.child('start', dir, { PATH }))).toMatchObject({ uid: NOBODY });
});

asRoot('root who can become nobody is told what to do', async () => {
  const PATH = workplace.pathWith('nothing', ['flock', 'test', 'true']);
  const answer = await workplace.child('start', workplace.dir('stuck'), { PATH }).answer();
  expect(answer).toMatchObject({ event: 'failed', code: 'ROOT_NOT_POSSIBLE' });
  expect(answer.message).toMatch(/docker run --user.*unshare.*setpriv/s);
});

asRoot('without flock(1) the lock says what to install', async () => {
  const PATH = workplace.pathWith('no-flock', ['setpriv', 'unshare', 'test', 'true']);
  const answer = await workplace.child('lock', workplace.dir('unlocked'), { PATH }).answer();
  expect(answer).toMatchObject({ event: 'failed', code: 'LOCK_UNAVAILABLE' });
  expect(answer.message).toContain('util-linux');
});

asRoot('an ordinary user: starts, restarts; another user is refused', async () => {
  const home = workplace.dir('nobody');
  fs.mkdirSync(home);
  fs.chownSync(home, NOBODY, NOBODY);
  const dir = `${home}/data`;
  const uid = NOBODY;
  expect(await useOnce(workplace.child('start', dir, { uid }))).toMatchObject({ uid });
  expect(await useOnce(workplace.child('start', dir, { uid }))).toMatchObject({ uid });
  const stranger = await workplace.child('start', dir, { uid: 65_533 }).answer();
  expect(stranger).toMatchObject({ event: 'failed', code: 'DATA_DIR_NOT_OWNED' });
  const killed = workplace.child('start', dir, { uid });
  await killed.answer();
  await killed.kill9();
  await until('the server is gone', async () => (await workplace.processes()).length === 0);
});

asRoot('without setpriv a killed Node.js leaves its server; the next start adopts it and stop() ends it', async () => {
  const dir = workplace.dir('orphan');
  const PATH = workplace.pathWith('no-setpriv', ['unshare', 'flock', 'test', 'true']);
  const child = workplace.child('start', dir, { PATH });
  const { pid } = await child.answer();
  await child.kill9();
  const postgres = await startEmbeddedPostgres({ dataDir: dir });
  expect(postgres).toMatchObject({ adopted: true, pid });
  expect(await query(postgres.url(), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  await postgres.stop();
  expect(await workplace.processes()).toEqual([]);
});

(process.getuid?.() === 0 ? test.skip : test)('an ordinary user (skipped as root, who has tests above)', async () => {
  const postgres = await startEmbeddedPostgres({ dataDir: workplace.dir('self') });
  expect(await query(postgres.url(), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  await postgres.stop();
});
