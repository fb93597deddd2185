import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compareFax, measureWav, writeFaxTiff, writeTone } from './asterisk.media';
import { type AsteriskPeer, startAsterisk } from './asterisk.peer';
import { describeWithPeer } from './peer-availability';
import { processesIn } from './peer-process';

describeWithPeer('asterisk', 'Asterisk', () => {
  let asterisk: AsteriskPeer;
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'ictcore-asterisk-media-'));
    asterisk = await startAsterisk();
  });
  afterAll(async () => {
    await asterisk?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  test('boots in seconds with every module it asks for', async () => {
    expect(asterisk.startedInMs).toBeLessThan(15_000);
    expect(await asterisk.log()).not.toMatch(/error loading module|Unable to load/i);
    expect(await asterisk.command('core show version')).toContain('Asterisk 22');
    expect(await asterisk.command('dialplan show carrier-in')).toContain("'1008'");
  });

  test('records its own calls: one to itself by a local channel', async () => {
    await asterisk.command('channel originate Local/101401@carrier-in application Wait 3');
    const call = await asterisk.waitForCall('101401', ({ dst }) => dst === '101401');
    expect(call.disposition).toBe('ANSWERED');
    expect(Number(call.billsec)).toBeGreaterThanOrEqual(1);
  });

  test('listens on its loopback address only', async () => {
    const sockets = await asterisk.command('pjsip show transports');
    expect(sockets).toContain(`127.0.0.2:${asterisk.port}`);
    expect(sockets).not.toContain('0.0.0.0:');
  });

  test('test media: what is written is what is measured', async () => {
    const tone = join(dir, 'tone.wav');
    await writeTone(tone, 2.5);
    expect(await measureWav(tone)).toEqual({
      seconds: 2.5,
      soundSeconds: expect.closeTo(2.5, 2),
      rms: expect.closeTo(0.25 / Math.SQRT2, 3),
    });
    await writeFaxTiff(join(dir, 'a.tif'), ['light', 'dense']);
    await writeFaxTiff(join(dir, 'b.tif'), ['light', 'light']);
    const same = [0, 1].map(() => ({ headerRows: 0, differing: 0 }));
    expect(await compareFax(join(dir, 'a.tif'), join(dir, 'a.tif'))).toEqual(same);
    expect((await compareFax(join(dir, 'a.tif'), join(dir, 'b.tif')))[1]?.differing).toBeGreaterThan(900);
  });

  test('comes back after a kill, stop leaves nothing', async () => {
    await asterisk.kill();
    await expect(asterisk.command('core show version')).rejects.toThrow();
    await asterisk.restart();
    expect(await asterisk.command('core show uptime')).toContain('second');
    await asterisk.stop();
    expect(processesIn(asterisk.dir)).toEqual([]);
    expect(existsSync(asterisk.dir)).toBe(false);
  });
});
