import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { providerConfig } from '@ictcore/test-kit';
import { createTransport, type SendMailOptions } from 'nodemailer';
import { createSmtpInboundDriver, smtpInboundSettings } from './index';
import { factsOf, type RunningListener, startListener } from './testing/running-listener';

let listener: RunningListener;
const running: RunningListener[] = [];

async function start(...args: Parameters<typeof startListener>): Promise<RunningListener> {
  const each = await startListener(...args);
  running.push(each);
  return each;
}

beforeEach(async () => {
  listener = await start({ domains: ['fax.test', 'Bücher.example'], max_message_bytes: 400_000 });
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.stop()));
});

/** Sends by nodemailer, a client that shares no parser with the listener's own code. */
async function send(mail: SendMailOptions, port = listener.port, more: object = {}): Promise<{ response: string }> {
  const transport = createTransport({ host: '127.0.0.1', port, ignoreTLS: true, ...more });
  try {
    return await transport.sendMail({ from: 'Anna <anna@example.com>', to: '4711@fax.test', ...mail });
  } finally {
    transport.close();
  }
}

/** A raw mail, line ends made CRLF; bytes above 0x7f as latin1. */
function raw(text: string, encoding: BufferEncoding = 'latin1'): SendMailOptions {
  const envelope = { from: 'anna@example.com', to: '4711@fax.test' };
  return { envelope, raw: Buffer.from(text.replace(/\r?\n/g, '\r\n'), encoding) };
}

test('a mail is taken with its text, HTML, subject, names and files, byte by byte', async () => {
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7) % 256));
  const sent = await send({
    from: 'Zoë Größe <zoe@example.com>',
    subject: 'Grüße 🎉 aus Köln',
    text: 'Grüße\n.ein Punkt',
    html: '<p>Grüße</p><img src="cid:logo">',
    messageId: '<first@example.com>',
    attachments: [
      { filename: 'Übersicht 日本.bin', content: bytes },
      { filename: 'logo.png', content: Buffer.from('png'), cid: 'logo', contentDisposition: 'inline' },
    ],
  });
  expect(sent.response).toBe('250 OK: stored');
  const [mail] = listener.context.taken;
  expect(mail).toMatchObject({
    channel: 'email',
    from: { email: 'zoe@example.com', name: 'Zoë Größe' },
    to: { email: '4711@fax.test' },
    ref: '<first@example.com>:4711@fax.test',
    body: { subject: 'Grüße 🎉 aus Köln', html: expect.stringContaining('<p>Grüße</p><img src="cid:logo">') },
  });
  expect(mail?.body.text?.trim()).toBe('Grüße\n.ein Punkt');
  const files = mail?.body.files ?? [];
  expect(files.map(({ name, size }) => [name, size]).sort()).toEqual([
    ['logo.png', 3],
    ['Übersicht 日本.bin', bytes.length],
  ]);
  expect(mail?.bytes[files.findIndex(({ size }) => size === bytes.length)]?.equals(bytes)).toBe(true);
  expect(factsOf(mail)).toMatchObject({
    message_id: '<first@example.com>',
    envelope_from: 'zoe@example.com',
    envelope_to: '4711@fax.test',
    client_ip: '127.0.0.1',
    hops: '0',
  });
  const places = JSON.parse(factsOf(mail).files ?? '[]') as string[][];
  expect(places).toContainEqual(['logo.png', 'inline', 'logo']);
  expect(places.map(([name]) => name)).toEqual(files.map(({ name }) => name));
});

test.each([
  ['iso-8859-15', 'Preis: 5 \xa4 f\xfcr Gr\xf6\xdfe', 'Preis: 5 € für Größe'],
  ['windows-1251', '\xcf\xf0\xe8\xe2\xe5\xf2', 'Привет'],
  ['shift_jis', '\x93\xfa\x96\x7b\x8c\xea', '日本語'],
  ['gb18030', '\xc4\xe3\xba\xc3', '你好'],
  ['utf-8', 'Gr\xc3\xbc\xc3\x9fe', 'Grüße'],
])('the character set %s is decoded', async (charset, bytes, expected) => {
  const head = `From: a@example.com\nTo: 4711@fax.test\nSubject: x\nMIME-Version: 1.0\n`;
  await send(raw(`${head}Content-Type: text/plain; charset=${charset}\nContent-Transfer-Encoding: 8bit\n\n${bytes}\n`));
  expect(listener.context.taken[0]?.body.text?.trim()).toBe(expected);
});

test('encoded words, RFC 2231 names and a mail without plain text', async () => {
  const lines = [
    'From: =?iso-2022-jp?B?GyRCRnxLXBsoQg==?= <a@example.com>',
    'Subject: =?utf-8?Q?Gr=C3=BC?= =?utf-8?Q?=C3=9Fe?=',
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: text/html; charset=utf-8',
    '',
    '<h1>Hallo</h1><p>Welt</p>',
    '--b',
    "Content-Type: application/pdf; name*0*=utf-8''%C3%9Cber; name*1*=sicht.pdf",
    'Content-Disposition: attachment',
    '',
    'x',
    '--b',
    'Content-Type: application/pdf',
    'Content-Disposition: attachment; filename="../../etc/pass\u202ewd.pdf"',
    '',
    'y',
    '--b--',
    '',
  ];
  await send(raw(lines.join('\n'), 'utf8'));
  const [mail] = listener.context.taken;
  expect(mail?.from).toEqual({ email: 'a@example.com', name: '日本' });
  expect(mail?.body.subject).toBe('Grüße');
  expect(mail?.body.text).toMatch(/HALLO\s+Welt/i);
  expect(mail?.body.files?.map(({ name }) => name)).toEqual(['Übersicht.pdf', 'passwd.pdf']);
});

test('a text that a database cannot hold is made one that it can', async () => {
  await send(raw('From: a@example.com\nSubject: a\0b\nContent-Type: text/plain\n\nx\0y\n'));
  const { subject, text } = listener.context.taken[0]?.body ?? {};
  expect(`${subject}${text}`).not.toContain('\0');
  expect(text).toContain('xy');
});

test('each recipient is one event; the same mail again is taken once', async () => {
  const mail = { to: ['1@fax.test', '2@fax.test', '1@FAX.test'], messageId: '<same@example.com>', text: 'hello' };
  await send(mail);
  await send(mail);
  expect(listener.context.taken.map(({ ref }) => ref)).toEqual([
    '<same@example.com>:1@fax.test',
    '<same@example.com>:2@fax.test',
  ]);
  expect(listener.context.offered).toBe(4);
});

test('a mail without Message-ID is known by its content', async () => {
  const mail = raw('From: a@example.com\nSubject: x\n\nhello\n');
  await send(mail);
  await send(mail);
  await send(raw('From: a@example.com\nSubject: x\n\nhello!\n'));
  expect(listener.context.taken.map(({ ref }) => ref)).toEqual([
    expect.stringMatching(/^sha256-[0-9a-f]{64}:4711@fax\.test$/),
    expect.stringMatching(/^sha256-/),
  ]);
});

test('what cannot be stored is answered 451, and nothing is left behind', async () => {
  listener.context.before = async () => Promise.reject(new Error('the database is away'));
  const refused = send({ text: 'hello', attachments: [{ filename: 'a.txt', content: 'x' }] });
  await expect(refused).rejects.toMatchObject({ responseCode: 451 });
  expect(listener.context.taken).toEqual([]);
  listener.context.before = async () => undefined;
  await send({ text: 'hello' });
  expect(listener.context.taken).toHaveLength(1);
  expect(await readdir(`${await listener.context.scratchDir()}/incoming`)).toEqual([]);
});

test('250 is not said before the event is stored', async () => {
  let release: () => void = () => undefined;
  listener.context.before = () =>
    new Promise((resolve) => {
      release = resolve;
    });
  let answered = false;
  const sending = send({ text: 'hello' }).then(() => {
    answered = true;
  });
  await expect(listener.context.waitFor(1, 400)).rejects.toThrow('0 of 1');
  expect(answered).toBe(false);
  release();
  await sending;
  expect(listener.context.taken).toHaveLength(1);
});

describe('refusals', () => {
  const refusal = async (mail: SendMailOptions, port = listener.port, more = {}) => {
    const error = await send(mail, port, more).then(
      () => undefined,
      (caught: unknown) => caught as { responseCode: number; response: string },
    );
    return error && `${error.responseCode} ${error.response}`;
  };

  test('other domains and unlisted addresses at RCPT', async () => {
    expect(await refusal({ to: 'a@elsewhere.test' })).toMatch(/^550 550 5\.7\.1 .*domain/);
    expect(await refusal({ to: 'anna@xn--bcher-kva.example' })).toBeUndefined();
    const listed = await start({ domains: ['fax.test'], recipients: ['Boss@fax.test'] });
    expect(await refusal({ to: 'other@fax.test' }, listed.port)).toMatch(/^550 550 5\.1\.1/);
    expect(await refusal({ to: 'boss+spool12@FAX.test' }, listed.port)).toBeUndefined();
    expect(listed.context.taken).toHaveLength(1);
  });

  test('too large, announced or not', async () => {
    const content = Buffer.alloc(400_000, 'x');
    const attachments = [{ filename: 'a.bin', content }];
    expect(await refusal({ attachments })).toMatch(/^552/);
    const announced = await talk(listener.port, ['EHLO a.test', 'MAIL FROM:<a@example.com> SIZE=1000000']);
    expect(announced.at(-1)).toMatch(/^552/);
    expect(listener.context.taken).toEqual([]);
  });

  test('a mail loop, too many files, a mail that is all header', async () => {
    const hops = 'Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\n'.repeat(51);
    expect(await refusal(raw(`${hops}From: a@example.com\n\nx\n`))).toMatch(/^554 554 5\.4\.6 .*loop/);
    const files = Array.from({ length: 201 }, (_, index) => ({ filename: `${index}.txt`, content: 'x' }));
    expect(await refusal({ attachments: files })).toMatch(/^554 554 5\.6\.0 .*200 files/);
    // mailauth would be busy for minutes with the first of them, and the whole process with it.
    const heads = [' y\n'.repeat(400_000), ' y\n'.repeat(4000), 'z'.repeat(300_000)];
    const big = await start({ domains: ['fax.test'] });
    const begin = Date.now();
    for (const head of heads) {
      expect(await refusal(raw(`From: a@example.com\nX: ${head}\n\nx\n`), big.port)).toMatch(/^554 .*header/);
    }
    expect(await refusal(raw(`From: a@example.com\nX: ${' y\n'.repeat(4000)}`))).toMatch(/^554 .*header/);
    const signatures = 'DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=s; h=from; bh=eA==; b=eA==\n'.repeat(21);
    expect(await refusal(raw(`${signatures}From: a@example.com\n\nx\n`))).toMatch(/^554 .*signatures/);
    expect(Date.now() - begin).toBeLessThan(10_000);
    expect(listener.context.taken).toEqual([]);
  });

  test('too many mails and too many connections of one client, but not of a relay of ours', async () => {
    const settings = { domains: ['fax.test'], max_messages_per_minute: 2, max_connections_per_client: 1 };
    const strict = await start(settings);
    const socket = connect(strict.port, '127.0.0.1');
    await new Promise((resolve) => socket.once('data', resolve));
    expect(await refusal({ text: 'x' }, strict.port)).toMatch(/^421 421 .*Too many connections/);
    await new Promise((resolve) => socket.once('close', resolve).end('QUIT\r\n'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const transport = createTransport({
      host: '127.0.0.1',
      port: strict.port,
      ignoreTLS: true,
      pool: true,
      maxConnections: 1,
    });
    const answers: number[] = [];
    for (let index = 0; index < 3; index += 1) {
      const sent = transport.sendMail({ from: 'a@example.com', to: '1@fax.test', text: `${index}` });
      answers.push(
        await sent.then(
          () => 250,
          (error: { responseCode: number }) => error.responseCode,
        ),
      );
    }
    transport.close();
    expect(answers).toEqual([250, 250, 451]);
    const trusting = await start({ ...settings, trusted_relays: ['127.0.0.0/8'] });
    await Promise.all([1, 2, 3, 4].map((index) => send({ text: `${index}` }, trusting.port)));
    expect(trusting.context.taken).toHaveLength(4);
  });

  test('somebody who guesses addresses is shown the door', async () => {
    const to = Array.from({ length: 12 }, (_, index) => `guess${index}@elsewhere.test`);
    const answer = await talk(listener.port, [
      'EHLO guesser.test',
      'MAIL FROM:<a@example.com>',
      ...to.map((each) => `RCPT TO:<${each}>`),
    ]);
    expect(answer.filter((line) => line.startsWith('550'))).toHaveLength(10);
    expect(answer.at(-1)).toMatch(/^421 4\.7\.0/);
  });
});

/** Says one line after the other, each after an answer; gives the answers until the end of the connection. */
async function talk(port: number, lines: string[]): Promise<string[]> {
  const socket = connect(port, '127.0.0.1');
  const answers: string[] = [];
  const left = [...lines];
  let rest = '';
  return new Promise((resolve) => {
    socket.on('data', (chunk) => {
      rest += chunk.toString();
      for (let at = rest.indexOf('\r\n'); at >= 0; at = rest.indexOf('\r\n')) {
        const line = rest.slice(0, at);
        rest = rest.slice(at + 2);
        if (line[3] === '-') continue;
        answers.push(line);
        const next = left.shift();
        if (next === undefined) socket.end();
        else socket.write(`${next}\r\n`);
      }
    });
    socket.once('error', () => undefined);
    socket.once('close', () => resolve(answers));
  });
}

describe('TLS and logins', () => {
  const secure = { ignoreTLS: false, requireTLS: true, tls: { rejectUnauthorized: false } };
  const settings = { domains: ['fax.test'], self_signed: true, auth: 'optional', auth_users: 'bob:geheim:x\n' };

  test('a certificate of our own serves STARTTLS and lasts', async () => {
    const first = await start(settings);
    await send({ text: 'x' }, first.port, secure);
    expect(factsOf(first.context.taken[0]).tls).toMatch(/^TLSv1\.[23]$/);
    await send({ text: 'y' }, first.port);
    expect(factsOf(first.context.taken[1]).tls).toBeUndefined();
    const file = `${await first.context.scratchDir()}/tls/certificate.pem`;
    const before = createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
    await first.session.close();
    const driver = createSmtpInboundDriver();
    const config = providerConfig(driver, {
      host: '127.0.0.1',
      port: first.port,
      settings: { ...settings, name: 'mx.fax.test' },
    });
    const again = await driver.open(config, first.context);
    expect(
      createHash('sha256')
        .update(await readFile(file))
        .digest('hex'),
    ).toBe(before);
    await again.close();
  });

  test('no certificate, no STARTTLS; required TLS refuses mail in clear', async () => {
    await expect(send({ text: 'x' }, listener.port, secure)).rejects.toMatchObject({ code: 'ETLS' });
    const strict = await start({ domains: ['fax.test'], self_signed: true, require_tls: true });
    await expect(send({ text: 'x' }, strict.port)).rejects.toMatchObject({ responseCode: 530 });
    await send({ text: 'x' }, strict.port, secure);
    expect(strict.context.taken).toHaveLength(1);
  });

  test('a login is a fact, a wrong one is refused, none is offered in clear', async () => {
    const open = await start(settings, {}, { username: 'anna', password: 'row-password' });
    const login = (user: string, pass: string) => ({ ...secure, auth: { user, pass } });
    await send({ text: 'x' }, open.port, login('bob', 'geheim:x'));
    await send({ text: 'y' }, open.port, login('anna', 'row-password'));
    expect(open.context.taken.map((mail) => factsOf(mail).smtp_auth)).toEqual(['bob', 'anna']);
    await expect(send({ text: 'x' }, open.port, login('bob', 'wrong'))).rejects.toMatchObject({ responseCode: 535 });
    await expect(send({ text: 'x' }, open.port, login('eve', ''))).rejects.toBeDefined();
    const answers = await talk(open.port, [
      'EHLO a.test',
      `AUTH PLAIN ${Buffer.from('\0bob\0geheim:x').toString('base64')}`,
    ]);
    expect(answers[2]).toMatch(/^5/);
    const required = await start({ ...settings, auth: 'required' });
    await expect(send({ text: 'x' }, required.port, secure)).rejects.toMatchObject({ responseCode: 530 });
    await send({ text: 'x' }, required.port, login('bob', 'geheim:x'));
    expect(required.context.taken).toHaveLength(1);
  });
});

describe('its state', () => {
  const signal = new AbortController().signal;

  test('off without a domain; listening with one', async () => {
    const off = await start({});
    expect(await off.session.check(signal)).toMatchObject({
      state: 'unregistered',
      detail: expect.stringMatching(/^off/),
    });
    await expect(send({ text: 'x' }, off.port)).rejects.toMatchObject({ code: 'ESOCKET' });
    expect(await listener.session.check(signal)).toMatchObject({ state: 'ok', roundTripMs: expect.any(Number) });
    expect(listener.context.events).toMatchObject([{ kind: 'health', state: 'ok' }]);
  });

  test('an address of somebody else is an error with words, and one that comes free is taken', async () => {
    const nowhere = await start({ domains: ['fax.test'] }, {}, { host: '192.0.2.1' });
    expect(await nowhere.session.check(signal)).toMatchObject({
      state: 'error',
      detail: expect.stringMatching(/no such address/),
    });
    const second = await start({ domains: ['fax.test'] }, {}, { port: listener.port });
    // The greeting tells that the address is held by a listener of ours.
    expect(await second.session.check(signal)).toMatchObject({ state: 'ok' });
    await listener.session.close();
    const end = Date.now() + 5000;
    while (second.context.events.length === 0 && Date.now() < end) await new Promise((r) => setTimeout(r, 50));
    await send({ text: 'taken over' });
    expect(second.context.taken).toHaveLength(1);
  });

  test('settings that cannot work are refused when the row is saved', async () => {
    const refused = [
      { require_tls: true },
      { auth: 'optional' },
      { tls_key: 'no key' },
      { domains: ['not a domain'] },
      { trusted_relays: ['10.0.0.0/99'] },
      { auth_users: 'nopassword' },
      { recipients: ['nobody'] },
    ];
    for (const each of refused) expect(smtpInboundSettings.safeParse(each).success).toBe(false);
    expect(smtpInboundSettings.parse({ domains: ['Bücher.Example.'] }).domains).toEqual(['xn--bcher-kva.example']);
  });
});
