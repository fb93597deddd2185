import { setTimeout as sleep } from 'node:timers/promises';
import { FaultySmtpServer, type SmtpFault } from './faulty-smtp-server';
import { LineDialogue } from './line-dialogue';

const FINAL = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/;
let server: FaultySmtpServer;

afterEach(() => server?.stop());

/** Starts the server and goes as far as the answer to DATA. */
async function upToData(fault: SmtpFault): Promise<LineDialogue> {
  server = await FaultySmtpServer.start({ fault });
  const smtp = await LineDialogue.connect(server.port);
  await smtp.expect(/^220 .*fake\r\n/);
  expect(await smtp.ask('EHLO client.test', FINAL)).toContain('250-SIZE');
  await smtp.ask('MAIL FROM:<a@example.com> SIZE=10', /^250 .*\r\n/);
  await smtp.ask('RCPT TO:<b@example.org>', /^250 .*\r\n/);
  await smtp.ask('DATA', /^354 .*\r\n/);
  return smtp;
}

/** Whether nothing at all comes within 200 ms. */
async function silent(smtp: LineDialogue): Promise<boolean> {
  return Promise.race([smtp.expect(/[\s\S]/).then(() => false), sleep(200, true)]);
}

test('without a fault it accepts, unstuffs dots and takes several mails on one connection', async () => {
  const smtp = await upToData('none');
  expect(await smtp.ask('Subject: x\r\n\r\n..dot\r\n.', FINAL)).toMatch(/^250/);
  await smtp.ask('DATA', /^503 .*\r\n/);
  await smtp.ask('MAIL FROM:<>', FINAL);
  await smtp.ask('RCPT TO:<c@example.org>', FINAL);
  await smtp.ask('DATA', FINAL);
  expect(await smtp.ask('.', FINAL)).toMatch(/^250/);
  await smtp.ask('QUIT', /^221 .*\r\n/);
  await smtp.untilClosed();
  expect(server.transactions).toEqual([
    {
      from: 'a@example.com',
      to: ['b@example.org'],
      data: Buffer.from('Subject: x\r\n\r\n.dot\r\n'),
      complete: true,
      accepted: true,
    },
    { from: '', to: ['c@example.org'], data: Buffer.alloc(0), complete: true, accepted: true },
  ]);
  expect(server.connections).toBe(1);
  expect(server.commands[0]).toBe('EHLO client.test');
});

test('hang_after_connect never greets', async () => {
  server = await FaultySmtpServer.start({ fault: 'hang_after_connect' });
  const smtp = await LineDialogue.connect(server.port);
  expect(await silent(smtp)).toBe(true);
  smtp.close();
});

test('greeting_421 says so and closes', async () => {
  server = await FaultySmtpServer.start({ fault: 'greeting_421' });
  const smtp = await LineDialogue.connect(server.port);
  expect(await smtp.untilClosed()).toMatch(/^421 4\.3\.2 .*\r\n$/);
});

test('garbage is no SMTP', async () => {
  server = await FaultySmtpServer.start({ fault: 'garbage' });
  const smtp = await LineDialogue.connect(server.port);
  expect(await smtp.expect(/\r\n\r\n/)).not.toMatch(/^\d{3}[ -]/m);
  smtp.close();
  await server.stop();
  const late = await upToData('garbage_after_data');
  expect(await late.ask('x\r\n.', /\r\n\r\n/)).not.toMatch(/^\d{3}[ -]/m);
  expect(server.transactions[0]).toMatchObject({ complete: true, accepted: false });
  late.close();
});

test('drop_during_data closes in the middle of the mail', async () => {
  const smtp = await upToData('drop_during_data');
  smtp.send('Subject: half a ma');
  expect(await smtp.untilClosed()).toBe('');
  expect(server.transactions[0]).toMatchObject({
    data: Buffer.from('Subject: half a ma'),
    complete: false,
    accepted: false,
  });
});

test('hang_after_data takes the mail and never answers; once repaired, the next client is served', async () => {
  const smtp = await upToData('hang_after_data');
  smtp.send('Subject: x\r\n.\r\n');
  expect(await silent(smtp)).toBe(true);
  expect(server.transactions[0]).toMatchObject({
    data: Buffer.from('Subject: x\r\n'),
    complete: true,
    accepted: false,
  });
  server.fault = 'none';
  const next = await LineDialogue.connect(server.port);
  await next.expect(/^220/);
  next.close();
  smtp.close();
});

test('drop_after_data closes without an answer, drop_after_accept after 250', async () => {
  const unanswered = await upToData('drop_after_data');
  unanswered.send('x\r\n.\r\n');
  expect(await unanswered.untilClosed()).toBe('');
  expect(server.transactions[0]).toMatchObject({ complete: true, accepted: false });
  await server.stop();
  const accepted = await upToData('drop_after_accept');
  accepted.send('x\r\n.\r\n');
  expect(await accepted.untilClosed()).toMatch(/^250 2\.0\.0 .*\r\n$/);
  expect(server.transactions[0]).toMatchObject({ complete: true, accepted: true });
});

test('stop ends open connections and frees the port', async () => {
  const smtp = await upToData('none');
  const { port } = server;
  await server.stop();
  await smtp.untilClosed();
  await expect(LineDialogue.connect(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});
