import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { driverContract, emailOrder, memoryFile, pluginContract } from '@ictcore/test-kit';
import { FaultySmtpServer } from '@ictcore/test-peers';
import { smtpDriver, smtpPlugin } from './index';

let working: FaultySmtpServer;
let silent: FaultySmtpServer;

beforeAll(async () => {
  working = await FaultySmtpServer.start({ fault: 'none' });
  silent = await FaultySmtpServer.start({ fault: 'hang_after_connect' });
});
afterAll(async () => {
  await working?.stop();
  await silent?.stop();
});

const dkim_private_key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
  type: 'pkcs8',
  format: 'pem',
}) as string;
const settings = { dkim_domain: 'example.com', dkim_selector: 'kit', dkim_private_key };
const attachments = [memoryFile('report.pdf', 'application/pdf', Buffer.alloc(300_000, 'pdf'))];

pluginContract(smtpPlugin, { packageFolder: join(__dirname, '..') });

// The server is a fake that knows no authentication, so the password is planted where the link is refused.
driverContract(smtpDriver, {
  config: () => ({ host: '127.0.0.1', port: working.port, password: 'very-secret-word', settings }),
  unreachable: () => ({
    host: '127.0.0.1',
    port: 1,
    username: 'kit',
    password: 'very-secret-word',
    settings,
  }),
  stalling: () => ({ host: '127.0.0.1', port: silent.port, settings }),
  orders: () => [
    emailOrder({ attachments }),
    emailOrder({ subject: 'Grüße 🎉', headers: { 'Auto-Submitted': 'auto-generated' } }),
  ],
  peer: {
    handOvers: async () =>
      working.transactions
        .filter((each) => each.accepted)
        .map((each) => /^Message-ID:\s*(\S+)/im.exec(each.data.toString('latin1'))?.[1] ?? 'none'),
  },
});
