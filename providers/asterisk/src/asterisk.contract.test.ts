import { createSocket, type Socket } from 'node:dgram';
import { join } from 'node:path';
import { driverContract, pluginContract } from '@ictcore/test-kit';
import { describeWithPeer } from '@ictcore/test-peers';
import { type SipDriver, sipDriver } from './asterisk.driver';
import { asteriskPlugin } from './index';
import { Line } from './testing/line';

pluginContract(asteriskPlugin, { packageFolder: join(__dirname, '..') });

describeWithPeer('asterisk', 'the driver sip', () => {
  let line: Line;
  let silent: Socket;
  let sip: SipDriver;

  beforeAll(async () => {
    line = await Line.start();
    sip = sipDriver(() => ({ local: line.options }));
    silent = createSocket('udp4');
    await new Promise<void>((resolve) => void silent.bind(0, '127.0.0.2', resolve));
  }, 60_000);
  afterAll(async () => {
    await line?.stop();
    silent.close();
  });

  const lazy = {
    ...sipDriver(() => ({ local: line.options })).driver,
    open: ((config, context) => sip.driver.open(config, context)) as SipDriver['driver']['open'],
  };
  const row = () => ({
    host: line.far.host,
    port: line.far.port,
    username: 'gateway',
    password: 'trunk-pass',
    register: true,
    settings: { qualify_seconds: 1 },
  });
  driverContract(lazy, {
    config: row,
    // Nobody is at this port: the carrier is probed before anything is dialled.
    unreachable: () => ({ ...row(), port: 9, register: false }),
    // Takes everything and answers nothing.
    stalling: () => ({ ...row(), port: silent.address().port, settings: { qualify_seconds: 0 } }),
    orders: () => [line.voice('101401'), line.fax('1002')],
  });
});
