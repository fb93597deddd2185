import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { driverContract, pluginContract, smsOrder } from '@ictcore/test-kit';
import { describeWithPeer, type KannelPeer, type SmscPeer, startKannel, startSmppSmsc } from '@ictcore/test-peers';
import { kannelDriver, kannelPlugin } from './index';
import { FaultyKannel } from './testing/faulty-kannel';

pluginContract(kannelPlugin, { packageFolder: join(__dirname, '..') });

describeWithPeer(['kannel', 'smsc'], 'with a real Kannel', () => {
  let smsc: SmscPeer;
  let kannel: KannelPeer;
  let recorder: FaultyKannel;
  let silent: Server;

  beforeAll(async () => {
    smsc = await startSmppSmsc();
    kannel = await startKannel({ smsc });
    recorder = await FaultyKannel.start(kannel.port);
    silent = createServer((socket) => void socket.resume().on('error', () => undefined));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    await recorder?.stop();
    await kannel?.stop();
    await smsc?.stop();
    silent?.close();
  });

  const row = {
    host: '127.0.0.1',
    username: 'tester',
    password: 'foobar',
    settings: { callback_secret: 'the-secret-of-callbacks' },
  };
  driverContract(kannelDriver, {
    config: () => ({ ...row, port: recorder.port }),
    unreachable: () => ({ ...row, port: 1 }),
    stalling: () => ({ ...row, port: (silent.address() as { port: number }).port }),
    orders: () => [smsOrder(), smsOrder({ text: 'я'.repeat(100), encoding: 'ucs2', segments: 2 })],
    peer: {
      handOvers: async () =>
        recorder.queries
          .filter((query) => query.has('to'))
          .map((query) => /ref=([\w-]+)/.exec(query.get('dlr-url') ?? '')?.[1] ?? 'none'),
    },
  });
});
