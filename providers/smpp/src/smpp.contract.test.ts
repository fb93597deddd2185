import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { driverContract, pluginContract, smsOrder } from '@ictcore/test-kit';
import { describeWithPeer, type SmscPeer, startSmppSmsc } from '@ictcore/test-peers';
import { smppDriver, smppPlugin } from './index';

pluginContract(smppPlugin, { packageFolder: join(__dirname, '..') });

describeWithPeer('smsc', 'with a real SMSC', () => {
  let smsc: SmscPeer;
  let silent: Server;

  beforeAll(async () => {
    smsc = await startSmppSmsc({ password: 'pa55word' });
    silent = createServer((socket) => void socket.resume().on('error', () => undefined));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    await smsc?.stop();
    silent?.close();
  });

  const row = { host: '127.0.0.1', username: 'test', password: 'pa55word' };
  driverContract(smppDriver, {
    config: () => ({ ...row, port: smsc.port }),
    unreachable: () => ({ ...row, port: 1 }),
    stalling: () => ({ ...row, port: (silent.address() as { port: number }).port }),
    // Long ones: the reference number of their parts is the one key of a message that SMPP carries.
    orders: () => [smsOrder({ text: 'x'.repeat(200) }), smsOrder({ text: 'я'.repeat(100), encoding: 'ucs2' })],
    peer: {
      handOvers: async () =>
        smsc.submits.filter(({ hex }) => hex.slice(10, 12) === '01').map(({ hex }) => hex.slice(6, 8)),
    },
    // How ids look, not an id of anybody.
    notSecret: ['message_id_format'],
  });
});
