import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeWithPeer } from '@ictcore/test-peers';
import { gatewayOptions, removeFolder } from '../testing/gateway';
import { Line, reportOf } from '../testing/line';
import { AsteriskInstance } from './asterisk-instance';

describeWithPeer('asterisk', 'an Asterisk of our own', () => {
  test('boots, is adopted by the next server, is revived when killed, stops without a trace', async () => {
    const options = await gatewayOptions();
    const first = await AsteriskInstance.prepare(options);
    expect(await first.start()).toBe('started');
    const { pid } = first;
    expect(pid).toBeGreaterThan(0);
    for (const name of await readdir(join(options.dir, 'etc'))) {
      expect([name, (await stat(join(options.dir, 'etc', name))).mode & 0o777]).toEqual([name, 0o600]);
    }
    first.release();
    const second = await AsteriskInstance.prepare(options);
    expect(second.layout).toEqual(first.layout);
    expect(await second.start()).toBe('adopted');
    expect(second.pid).toBe(pid);
    process.kill(pid as number, 'SIGKILL');
    while (second.pid === undefined || second.pid === pid) await sleep(50);
    while (!(await second.command('core waitfullybooted').catch(() => '')).includes('booted')) await sleep(50);
    await second.stop();
    expect(second.pid).toBeUndefined();
    await sleep(700);
    expect(second.pid).toBeUndefined();
    expect(options.log.text()).toContain('died, is started again');
    expect(options.log.text()).not.toContain(first.layout.ami.secret);
    await removeFolder(options.dir);
  });

  test('one that does not start says why', async () => {
    const options = await gatewayOptions();
    const broken = await AsteriskInstance.prepare({ ...options, binary: '/bin/false', launcher: [] });
    await expect(broken.start()).rejects.toThrow('Asterisk does not start: it ended with status 1');
    const absent = await AsteriskInstance.prepare({ ...options, binary: '/nonexistent/asterisk', launcher: [] });
    await expect(absent.start()).rejects.toThrow(/ENOENT/);
    await removeFolder(options.dir);
  });

  test('without Asterisk the provider is there and says why; orders are proven not accepted', async () => {
    const line = await Line.start({}, { binary: '/nonexistent/asterisk', launcher: [] });
    const { session, context } = await line.open();
    const { signal } = new AbortController();
    expect(await session.check(signal)).toMatchObject({ state: 'error', detail: expect.stringContaining('ENOENT') });
    expect(await session.submit?.(line.voice('1001'), signal)).toMatchObject({
      reason: 'provider_down',
      notAccepted: true,
    });
    expect(context.events).toEqual([]);
    await line.stop();
  });

  test('a trunk password of every nasty sign registers', async () => {
    const password = 'a;b;--c#d"e\\f,g=h[i]$' + '{x}%20';
    const line = await Line.start({ users: [{ name: 'gateway', password, t38: true }] });
    const { session, context } = await line.open({ password });
    expect((await session.check(new AbortController().signal)).state).toBe('registered');
    expect(context.log.text()).not.toContain(password);
    await session.close();
    await line.stop();
  });

  test('a provider opened a second time, to test it, leaves the first as it is', async () => {
    const line = await Line.start();
    const { signal } = new AbortController();
    const first = await line.open();
    const second = await line.open();
    expect((await second.session.check(signal)).state).toBe('registered');
    await second.session.close();
    expect((await first.session.check(signal)).state).toBe('registered');
    const order = line.voice('1002');
    expect(await first.session.submit?.(order, signal)).toMatchObject({ kind: 'accepted' });
    expect(await reportOf(first.context, `ict3-${order.spoolId}`)).toMatchObject({ reason: 'busy' });
    expect(second.context.events.filter(({ kind }) => kind === 'report')).toEqual([]);
    await line.stop();
  });

  test('a wrong trunk password is told; lines are limited; number rules are applied', async () => {
    const line = await Line.start();
    const { signal } = new AbortController();
    const wrong = await line.open({ providerId: 5, password: 'wrong' });
    expect(await wrong.session.check(signal)).toMatchObject({ state: 'unregistered' });
    const narrow = await line.open({ providerId: 6, register: false, prefix: '77|10', settings: { max_calls: 1 } });
    const outcomes = [];
    for (const phone of ['771405', '771405']) outcomes.push(await narrow.session.submit?.(line.voice(phone), signal));
    expect(outcomes).toMatchObject([{ kind: 'accepted' }, { kind: 'deferred', reason: 'throttled' }]);
    const unwritable = await line.open({ providerId: 7, password: 'a\nb' });
    expect(await unwritable.session.check(signal)).toMatchObject({
      state: 'error',
      detail: expect.stringContaining('password'),
    });
    await line.stop();
  }, 60_000);
});
