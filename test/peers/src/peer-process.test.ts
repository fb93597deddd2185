import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { freePort, killProcessesIn, makePeerFolder, processesIn, removePeer, spawnPeer, waitFor } from './peer-process';

let dir = '';
beforeEach(async () => {
  dir = await makePeerFolder('process-test');
});
afterEach(() => removePeer(dir));

const sleepers = (count: number) =>
  waitFor(`${count} processes`, 5000, () => (processesIn(dir).length === count ? processesIn(dir) : undefined));

test('a guarded daemon ends when its guard is told that the test process died', async () => {
  const guard = spawnPeer('sleep', ['60'], { dir });
  const [, daemon = 0] = (await sleepers(2)).sort((a, b) => a - b);
  await waitFor('the daemon', 2000, () => processesIn(dir).includes(daemon) || undefined);
  guard.kill('SIGTERM'); // what the kernel sends
  await sleepers(0);
});

test('the guard passes on the exit status of a daemon that ends by itself', async () => {
  const [status] = await once(spawnPeer('false', [], { dir }), 'exit');
  expect(status).toBe(1);
});

test('kills what works in the folder and nothing else', async () => {
  const other = spawn('sleep', ['60'], { cwd: '/' });
  spawnPeer('sleep', ['60'], { dir });
  await sleepers(2);
  await killProcessesIn(dir);
  expect(processesIn(dir)).toEqual([]);
  expect(other.exitCode ?? other.signalCode).toBeNull();
  other.kill();
  await removePeer(dir);
  expect(existsSync(dir)).toBe(false);
});

test('refuses folders that are in use or have special characters; ports differ', async () => {
  spawnPeer('true', [], { dir }); // makes console.log
  await expect(makePeerFolder('x', dir)).rejects.toThrow('not empty');
  await expect(makePeerFolder('x', '/tmp/a b')).rejects.toThrow('not a plain absolute folder');
  const ports = await Promise.all(Array.from({ length: 5 }, freePort));
  for (const port of ports) expect(port).toBeGreaterThanOrEqual(20_000);
  await expect(waitFor('nothing', 50, () => undefined)).rejects.toThrow('timed out after 50 ms waiting for nothing');
});
