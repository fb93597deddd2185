import { join } from 'node:path';
import { driverContract, pluginContract } from '@ictcore/test-kit';
import { FaultySmtpServer } from '@ictcore/test-peers';
import { createSmtpInboundDriver, smtpInboundPlugin } from './index';
import { freePort, offlineResolver } from './testing/running-listener';

let other: FaultySmtpServer;
let silent: FaultySmtpServer;
let port = 0;

beforeAll(async () => {
  other = await FaultySmtpServer.start({ fault: 'none' });
  silent = await FaultySmtpServer.start({ fault: 'hang_after_connect' });
  port = await freePort();
});
afterAll(async () => {
  await other?.stop();
  await silent?.stop();
});

const settings = { domains: ['fax.test'], self_signed: true, auth: 'optional', auth_users: 'anna:very-secret-word' };
const row = { host: '127.0.0.1', username: 'kit', password: 'another-secret-word', settings };

pluginContract(smtpInboundPlugin, { packageFolder: join(__dirname, '..') });

// Away means for a listener: somebody else has its address.
driverContract(createSmtpInboundDriver({ resolver: offlineResolver({}) }), {
  config: () => ({ ...row, port }),
  unreachable: () => ({ ...row, port: other.port }),
  stalling: () => ({ ...row, port: silent.port }),
  orders: () => [],
  receivesOnly: true,
});
