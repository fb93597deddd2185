import fs from 'node:fs';
import { lockDataDir } from './lock';
import { Workplace } from './testing/child.test.support';

const workplace = new Workplace();
afterAll(() => workplace.close());

test('one process holds a directory; a second is refused with its pid and start time; release lets it in', async () => {
  const dir = workplace.dir('two');
  const lock = await lockDataDir(dir);
  const startedAt = JSON.parse(fs.readFileSync(`${dir}/.lock`, 'utf8')).startedAt as string;
  const refused = await workplace.child('lock', dir).answer();
  expect(refused).toMatchObject({ event: 'failed', code: 'DATA_DIR_IN_USE' });
  expect(refused.message).toContain(`process ${process.pid} on`);
  expect(refused.message).toContain(startedAt);
  await expect(lockDataDir(dir)).rejects.toMatchObject({ code: 'DATA_DIR_IN_USE' });
  await lock.release();
  await lock.release();
  const next = workplace.child('lock', dir);
  expect(await next.answer()).toMatchObject({ event: 'ready' });
  await next.stop();
  expect(fs.statSync(dir).mode & 0o777).toBe(0o700);
});

test('kill -9 leaves no stale lock, whoever has the process id now', async () => {
  const dir = workplace.dir('killed');
  const child = workplace.child('lock', dir);
  expect(await child.answer()).toMatchObject({ event: 'ready' });
  await child.kill9();
  const left = JSON.parse(fs.readFileSync(`${dir}/.lock`, 'utf8')) as { pid: number };
  expect(left.pid).toBe(child.pid);
  // As if the number had been given to a living process: this one.
  fs.writeFileSync(`${dir}/.lock`, JSON.stringify({ ...left, pid: process.pid }));
  const lock = await lockDataDir(dir);
  await lock.release();
});

test('of several processes that start at once exactly one wins, each time', async () => {
  for (let round = 0; round < 3; round++) {
    const dir = workplace.dir(`race-${round}`);
    const racers = Array.from({ length: 4 }, () => workplace.child('lock', dir));
    const answers = await Promise.all(racers.map((racer) => racer.answer()));
    expect(answers.filter((answer) => answer.event === 'ready')).toHaveLength(1);
    const winner = racers[answers.findIndex((answer) => answer.event === 'ready')];
    for (const answer of answers.filter((one) => one.event === 'failed')) {
      expect(answer).toMatchObject({ code: 'DATA_DIR_IN_USE', message: expect.stringContaining(`${winner?.pid}`) });
    }
    await Promise.all(racers.map((racer) => racer.kill9()));
  }
});

test('within one process a hundred simultaneous tries have one winner', async () => {
  const dir = workplace.dir('within');
  const results = await Promise.allSettled(Array.from({ length: 100 }, () => lockDataDir(dir)));
  const winners = results.filter((result) => result.status === 'fulfilled');
  expect(winners).toHaveLength(1);
  await winners[0]?.value.release();
});

test('a lock file that was deleted and made anew still has one holder', async () => {
  const dir = workplace.dir('deleted');
  const first = await lockDataDir(dir);
  await first.release();
  fs.rmSync(`${dir}/.lock`);
  const second = await lockDataDir(dir);
  await expect(lockDataDir(dir)).rejects.toMatchObject({ code: 'DATA_DIR_IN_USE' });
  await second.release();
});

test("the holder's other children do not prolong the lock", async () => {
  const dir = workplace.dir('children');
  const lock = await lockDataDir(dir);
  const sibling = workplace.child('lock', workplace.dir('elsewhere'));
  await sibling.answer();
  await lock.release();
  await (await lockDataDir(dir)).release();
  await sibling.stop();
});
