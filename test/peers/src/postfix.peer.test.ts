import { existsSync } from 'node:fs';
import { LineDialogue } from './line-dialogue';
import { listeningAddresses } from './listeners';
import { describeWithPeer } from './peer-availability';
import { answers, processesIn } from './peer-process';
import { type PostfixPeer, startPostfix } from './postfix.peer';

const FINAL = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/;

/** Sends one mail by hand; returns the server's last answer. */
async function send(smtp: LineDialogue, from: string, to: string, text: string, rcptOptions = ''): Promise<string> {
  await smtp.ask(`MAIL FROM:<${from}>`, FINAL);
  const recipient = await smtp.ask(`RCPT TO:<${to}>${rcptOptions}`, FINAL);
  if (!recipient.startsWith('250')) return recipient;
  await smtp.ask('DATA', FINAL);
  return smtp.ask(`${text.replace(/^\./gm, '..')}\r\n.`, FINAL);
}

async function greet(peer: PostfixPeer): Promise<LineDialogue> {
  const smtp = await LineDialogue.connect(peer.port);
  await smtp.expect(FINAL);
  await smtp.ask('EHLO client.test', FINAL);
  return smtp;
}

describeWithPeer('postfix', 'Postfix that keeps mail', () => {
  let peer: PostfixPeer;

  beforeAll(async () => {
    peer = await startPostfix({
      mode: 'mailbox',
      rejectRecipients: { 'Nobody@example.org': '550 5.1.1 no such user' },
      deferRecipients: { 'busy@example.org': '450 4.2.1 mailbox busy' },
      bounceRecipients: { 'gone@example.org': '5.1.6 moved away' },
    });
  });
  afterAll(() => peer?.stop());

  test('delivers the bytes of DATA with their envelope', async () => {
    const smtp = await greet(peer);
    const text = 'Subject: =?utf-8?q?caf=C3=A9?=\r\nReceived: from the client\r\n\r\n.dot\r\nb\xe9ta\r\n';
    expect(await send(smtp, 'bounce+spool42@example.com', 'Anna+tag@example.org', text)).toMatch(/^250 2\.0\.0/);
    const [mail] = await peer.waitForMessages('anna+TAG@example.org', 1);
    // The dialogue ends every mail in one more line end before the final dot.
    expect(mail?.data.toString('latin1')).toBe(`${text}\r\n`);
    expect(mail?.envelopeFrom).toBe('bounce+spool42@example.com');
    expect(mail?.envelopeTo).toBe('Anna+tag@example.org');
    expect(mail?.raw.toString('latin1')).toContain('Delivered-To: Anna+tag@example.org\n');
    expect(await peer.messages('else@example.org')).toEqual([]);
    smtp.close();
  });

  test('refuses, defers and bounces the recipients it was told to', async () => {
    const smtp = await greet(peer);
    expect(await send(smtp, 'a@example.com', 'nobody@example.org', 'x')).toMatch(/^550 5\.1\.1 .*no such user/);
    await smtp.ask('RSET', FINAL);
    expect(await send(smtp, 'a@example.com', 'busy@example.org', 'x')).toMatch(/^450 4\.2\.1 .*mailbox busy/);
    await smtp.ask('RSET', FINAL);
    expect(await send(smtp, 'bounce+7@example.com', 'gone@example.org', 'Subject: x\r\n')).toMatch(/^250/);
    const [report] = await peer.waitForMessages('bounce+7@example.com', 1);
    expect(report?.envelopeFrom).toBe('');
    expect(report?.data.toString()).toContain('Content-Type: message/delivery-status');
    expect(report?.data.toString()).toContain('Status: 5.1.6');
    smtp.close();
  });

  test('takes other rules while it runs', async () => {
    for (const text of ['450 4.2.1 first', '450 4.2.1 second']) {
      await peer.setRecipients({ deferRecipients: { 'late@example.org': text } });
      const smtp = await greet(peer);
      expect(await send(smtp, 'a@example.com', 'late@example.org', 'x')).toContain(text.slice(10));
      smtp.close();
    }
    await peer.setRecipients({});
    const smtp = await greet(peer);
    expect(await send(smtp, 'a@example.com', 'late@example.org', 'x')).toMatch(/^250/);
    await peer.waitForMessages('late@example.org', 1);
    smtp.close();
    await expect(peer.setRecipients({ rejectRecipients: { 'a@b': '250 ok' } })).rejects.toThrow('not an answer');
  });

  test('sends a notification of success when DSN asks for it (RFC 3461)', async () => {
    const smtp = await greet(peer);
    await send(smtp, 'dsn@example.com', 'ok@example.org', 'Subject: x\r\n', ' NOTIFY=SUCCESS');
    const [report] = await peer.waitForMessages('dsn@example.com', 1);
    expect(report?.data.toString()).toContain('Action: delivered');
    smtp.close();
  });

  test('a killed server refuses connections and comes back on the same port with its mail', async () => {
    const smtp = await greet(peer);
    await send(smtp, 'a@example.com', 'kept@example.org', 'x');
    await peer.waitForMessages('kept@example.org', 1);
    await peer.kill();
    await smtp.untilClosed();
    expect(processesIn(peer.dir)).toEqual([]);
    await expect(LineDialogue.connect(peer.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await peer.restart();
    const again = await greet(peer);
    expect(await send(again, 'a@example.com', 'kept@example.org', 'y')).toMatch(/^250/);
    expect(await peer.waitForMessages('kept@example.org', 2)).toHaveLength(2);
    expect(await peer.log()).toContain('status=sent (delivered to maildir)');
    again.close();
  });

  test('a mail that does not come is an error with the log in it', async () => {
    await expect(peer.waitForMessages('never@example.org', 1, 100)).rejects.toThrow(/timed out[\s\S]*postfix/);
  });
});

describeWithPeer('postfix', 'Postfix with TLS and authentication, beside another that discards', () => {
  let secure: PostfixPeer;
  let sink: PostfixPeer;

  beforeAll(async () => {
    const auth = { username: 'anna', password: 's3cret word' };
    [secure, sink] = await Promise.all([
      startPostfix({ mode: 'mailbox', tls: true, auth }),
      startPostfix({ mode: 'discard', messageSizeLimit: 2000 }),
    ]);
  });
  afterAll(() => Promise.all([secure?.stop(), sink?.stop()]));

  const plain = (password: string) => `AUTH PLAIN ${Buffer.from(`\0anna\0${password}`).toString('base64')}`;

  test('STARTTLS with the given certificate, then the right password only', async () => {
    const smtp = await greet(secure);
    expect(await send(smtp, 'a@example.com', 'b@example.org', 'x')).toMatch(/^554 5\.7\.1/);
    expect(await smtp.ask(plain('s3cret word'), FINAL)).toMatch(/^530|^503/);
    await smtp.ask('STARTTLS', /^220 .*\r\n/);
    await smtp.startTls(secure.caPem ?? '');
    expect(await smtp.ask('EHLO client.test', FINAL)).toMatch(/AUTH .*PLAIN/);
    expect(await smtp.ask(plain('wrong'), FINAL)).toMatch(/^535 5\.7\.8/);
    expect(await smtp.ask(plain('s3cret word'), FINAL)).toMatch(/^235 2\.7\.0/);
    expect(await send(smtp, 'a@example.com', 'b@example.org', 'Subject: inside\r\n')).toMatch(/^250/);
    const [mail] = await secure.waitForMessages('b@example.org', 1);
    expect(mail?.data.toString()).toContain('Subject: inside');
    smtp.close();
  });

  test('both listen on loopback only', () => {
    expect(listeningAddresses(secure.dir)).toEqual(['0100007F']);
    expect(listeningAddresses(sink.dir)).toEqual(['0100007F']);
  });

  test('TLS from the first byte on the second port', async () => {
    const smtp = await LineDialogue.connect(secure.smtpsPort ?? 0, secure.caPem);
    expect(await smtp.expect(FINAL)).toMatch(/^220 postfix\.test/);
    smtp.close();
  });

  test('the discarding one accepts, keeps nothing and holds to its size limit', async () => {
    const smtp = await greet(sink);
    expect(await send(smtp, 'a@example.com', 'b@example.org', 'x')).toMatch(/^250/);
    await smtp.ask('MAIL FROM:<a@example.com> SIZE=5000', /^552 5\.3\.4/);
    await expect(sink.messages('b@example.org')).rejects.toThrow('discard mode');
    smtp.close();
  });

  test('stop leaves no process and no folder, and the other one runs on', async () => {
    await sink.stop();
    expect(processesIn(sink.dir)).toEqual([]);
    expect(existsSync(sink.dir)).toBe(false);
    expect(await answers(secure.port, '220 ')).toBe(true);
  });
});
