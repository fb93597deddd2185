import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DriverSession } from '@ictcore/contract';
import { driverContract, pluginContract, providerConfig } from '@ictcore/test-kit';
import { type DovecotPeer, describeWithPeer, FaultySmtpServer, startDovecot } from '@ictcore/test-peers';
import { ImapFlow } from 'imapflow';
import { imapDriver, imapPlugin } from './index';
import { factsOf, StoringContext } from './testing/storing-context';

const PASSWORD = 'very-secret-word';

pluginContract(imapPlugin, { packageFolder: join(__dirname, '..') });

test('the folder mail/ is the same as that of smtp-inbound', async () => {
  const other = join(__dirname, '../../smtp-inbound/src/mail');
  const names = await readdir(other);
  expect(await readdir(join(__dirname, 'mail'))).toEqual(names);
  for (const name of names) {
    expect([name, await readFile(join(__dirname, 'mail', name), 'utf8')]).toEqual([
      name,
      await readFile(join(other, name), 'utf8'),
    ]);
  }
});

describeWithPeer('dovecot', 'imap with a real Dovecot', () => {
  let dovecot: DovecotPeer;
  let silent: FaultySmtpServer;
  let user = 0;
  const users = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`user${index}`, PASSWORD]));

  beforeAll(async () => {
    dovecot = await startDovecot({ users: { ...users, kit: PASSWORD }, tls: true });
    silent = await FaultySmtpServer.start({ fault: 'hang_after_connect' });
  });
  afterAll(async () => {
    await dovecot?.stop();
    await silent?.stop();
  });

  const tls = () => ({ ca: dovecot.caPem, first_retry_ms: 100, last_retry_ms: 400 });
  const row = () => ({
    host: 'localhost',
    port: dovecot.imapsPort ?? 0,
    username: 'kit',
    password: PASSWORD,
    settings: tls(),
  });

  driverContract(imapDriver, {
    config: row,
    unreachable: () => ({ ...row(), host: '127.0.0.1', port: 1 }),
    stalling: () => ({ ...row(), host: '127.0.0.1', port: silent.port }),
    orders: () => [],
    receivesOnly: true,
  });

  const open: { session: DriverSession; context: StoringContext }[] = [];
  afterEach(async () => {
    for (const { session, context } of open.splice(0)) {
      await session.close();
      await context.dispose();
    }
  });

  async function watch(name: string, settings: object = {}, context = new StoringContext()): Promise<StoringContext> {
    const config = providerConfig(imapDriver, { ...row(), username: name, settings: { ...tls(), ...settings } });
    open.push({ session: await imapDriver.open(config, context), context });
    return context;
  }

  async function closeAll(): Promise<void> {
    for (const { session } of open) await session.close();
  }

  function newUser(): string {
    user += 1;
    return `user${user - 1}`;
  }

  function mail(id: string, head: string[] = [], body = 'hello'): string {
    const lines = [
      'From: Anna <anna@example.com>',
      'To: 4711@fax.test',
      `Subject: ${id}`,
      `Message-ID: <${id}@example.com>`,
    ];
    return [...lines, ...head, '', body, ''].join('\r\n');
  }

  /** What a second client sees in a mailbox. */
  async function inside<T>(name: string, mailbox: string, work: (client: ImapFlow) => Promise<T>): Promise<T> {
    const client = new ImapFlow({
      host: 'localhost',
      port: dovecot.imapsPort ?? 0,
      secure: true,
      auth: { user: name, pass: PASSWORD },
      tls: { ca: dovecot.caPem ?? '' },
      logger: false,
      disableAutoIdle: true,
    });
    await client.connect();
    try {
      await client.mailboxOpen(mailbox);
      return await work(client);
    } finally {
      await client.logout();
    }
  }

  async function eventually(name: string, mailbox: string, count: number): Promise<void> {
    const end = Date.now() + 10_000;
    for (;;) {
      const found = await inside(name, mailbox, async (client) => (client.mailbox ? client.mailbox.exists : -1)).catch(
        () => -1,
      );
      if (found === count) return;
      if (Date.now() > end) throw new Error(`${mailbox} of ${name} holds ${found}, not ${count}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  test('mail that waits and mail that comes is taken at once and moved', async () => {
    const name = newUser();
    const parts = ['MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b'];
    const body = [
      '--b',
      'Content-Type: text/plain; charset=iso-8859-1',
      'Content-Transfer-Encoding: quoted-printable',
      '',
      'Gr=FC=DFe',
      '--b',
      'Content-Type: application/pdf; name="a.pdf"',
      'Content-Transfer-Encoding: base64',
      '',
      Buffer.from('pdf-bytes').toString('base64'),
      '--b--',
    ].join('\r\n');
    await dovecot.deliver(name, mail('first', parts, body));
    const context = await watch(name);
    const [first] = await context.waitFor(1);
    expect(first).toMatchObject({
      channel: 'email',
      from: { email: 'anna@example.com', name: 'Anna' },
      to: { email: '4711@fax.test' },
      ref: expect.stringMatching(/^\d+:1:<first@example\.com>$/),
      body: {
        subject: 'first',
        text: expect.stringContaining('Grüße'),
        files: [{ name: 'a.pdf', mediaType: 'application/pdf', size: 9 }],
      },
    });
    expect(first?.bytes[0]?.toString()).toBe('pdf-bytes');
    await context.waitForState('ok');
    const begin = Date.now();
    await dovecot.deliver(name, mail('second'));
    await context.waitFor(2);
    // By IDLE, not by the next poll, which is a minute away.
    expect(Date.now() - begin).toBeLessThan(5000);
    await eventually(name, 'INBOX', 0);
    await eventually(name, 'Processed', 2);
  });

  test('a mail is taken once, though the process dies after it was stored and before it was moved', async () => {
    const name = newUser();
    await dovecot.deliver(name, mail('crash'));
    const context = new StoringContext();
    // Dovecot goes away while the kernel stores the mail: the move that follows cannot work.
    context.after = async () => {
      context.after = async () => undefined;
      await dovecot.kill();
    };
    await watch(name, {}, context);
    await context.waitFor(1);
    await closeAll();
    await dovecot.restart();
    // Another process, the same scratch folder and the same kernel.
    await watch(name, {}, context);
    await eventually(name, 'Processed', 1);
    await eventually(name, 'INBOX', 0);
    expect(context.taken).toHaveLength(1);
  });

  test('the same, when even the file with the cursor is lost: the ref is the same', async () => {
    const name = newUser();
    await dovecot.deliver(name, mail('amnesia'));
    const first = new StoringContext();
    first.after = async () => dovecot.kill();
    await watch(name, {}, first);
    await first.waitFor(1);
    await closeAll();
    await dovecot.restart();
    const second = await watch(name);
    const [again] = await second.waitFor(1);
    expect(again?.ref).toBe(first.taken[0]?.ref);
  });

  test('comes back by itself after the server was killed, again and again', async () => {
    const name = newUser();
    const context = await watch(name);
    await context.waitForState('ok');
    for (let round = 1; round <= 3; round += 1) {
      await dovecot.kill();
      await context.waitForState('error');
      await dovecot.deliver(name, mail(`round${round}`));
      await dovecot.restart();
      await context.waitFor(round);
      await context.waitForState('ok');
    }
    expect(context.taken.map(({ body }) => body.subject)).toEqual(['round1', 'round2', 'round3']);
  }, 60_000);

  test('while nothing can be stored mail stays where it is, however long that takes', async () => {
    const name = newUser();
    await dovecot.deliver(name, mail('patient'));
    const context = new StoringContext();
    context.before = async () => Promise.reject(new Error('the database is away'));
    await watch(name, { max_failures: 2 }, context);
    const end = Date.now() + 10_000;
    while (context.offered < 6 && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(context.offered).toBeGreaterThanOrEqual(6);
    await eventually(name, 'INBOX', 1);
    context.before = async () => undefined;
    await context.waitFor(1);
    await eventually(name, 'Processed', 1);
  });

  test('a mail that cannot be read is put aside, and the others are taken', async () => {
    const name = newUser();
    await dovecot.deliver(name, mail('poison', [`X: ${'z\r\n '.repeat(60_000)}`]));
    await dovecot.deliver(name, mail('large', [], 'x'.repeat(200_000)));
    await dovecot.deliver(name, mail('good'));
    const context = await watch(name, { max_message_bytes: 150_000 });
    await context.waitFor(1);
    expect(context.taken.map(({ body }) => body.subject)).toEqual(['good']);
    await eventually(name, 'Failed', 2);
    await eventually(name, 'INBOX', 0);
    expect(context.log.text()).toMatch(/mail put aside/);
  });

  test('a mail that fails again and again is put aside after max_failures tries', async () => {
    const name = newUser();
    await dovecot.deliver(name, mail('stubborn'));
    const context = new StoringContext();
    // No folder for its files can be made: a failure that is neither the kernel's nor certainly the mail's.
    await writeFile(join(await context.scratchDir(), 'incoming'), 'a file where a folder should be');
    await watch(name, { max_failures: 3, poll_interval_ms: 100 }, context);
    await eventually(name, 'Failed', 1);
    expect(context.taken).toEqual([]);
  });

  test('seen mail is left alone; flag and delete do as they say', async () => {
    const [flagged, all, deleted] = [newUser(), newUser(), newUser()];
    for (const name of [flagged, all, deleted]) {
      await dovecot.deliver(name, mail('old'));
      await inside(name, 'INBOX', (client) => client.messageFlagsAdd('1:*', ['\\Seen']));
      await dovecot.deliver(name, mail('new'));
    }
    const first = await watch(flagged, { after: 'flag', poll_interval_ms: 100 });
    const second = await watch(all, { after: 'flag', only_unseen: false, poll_interval_ms: 100 });
    const third = await watch(deleted, { after: 'delete' });
    await Promise.all([first.waitFor(1), second.waitFor(2), third.waitFor(1)]);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect([first, second, third].map(({ offered }) => offered)).toEqual([1, 2, 1]);
    await eventually(flagged, 'INBOX', 2);
    await eventually(deleted, 'INBOX', 1);
  });

  test('whom a mail is for, and what the mail server found out about its sender', async () => {
    const name = newUser();
    const results =
      'Authentication-Results: mx.test; spf=pass smtp.mailfrom=a@example.com; dkim=pass (2048) header.d=example.com; dmarc=pass header.from=example.com';
    const forged = 'Authentication-Results: other.test; dmarc=pass header.from=example.com';
    const to = ['Cc: 2@fax.test, someone@else.test'];
    await dovecot.deliver(name, mail('delivered', ['Delivered-To: 99@fax.test', 'Return-Path: <>', results]));
    await dovecot.deliver(name, mail('named', [...to, forged]));
    const context = await watch(name, { domains: ['fax.test'], trusted_authserv_id: 'mx.test' });
    const taken = await context.waitFor(3);
    expect(taken.map(({ to: { email } }) => email)).toEqual(['99@fax.test', '4711@fax.test', '2@fax.test']);
    expect(factsOf(taken[0])).toMatchObject({
      spf: 'pass',
      dkim: 'pass',
      dmarc: 'pass',
      dkim_domains: 'pass:example.com',
      envelope_from: '',
      automatic: 'empty envelope sender',
    });
    expect(factsOf(taken[1]).dmarc).toBeUndefined();
    expect(new Set(taken.map(({ ref }) => ref)).size).toBe(3);
  });

  test('500 mails at once are all taken once', async () => {
    const name = newUser();
    for (let index = 0; index < 500; index += 1) await dovecot.deliver(name, mail(`mail${index}`));
    const begin = Date.now();
    const context = await watch(name);
    await context.waitFor(500, 60_000);
    const seconds = (Date.now() - begin) / 1000;
    await eventually(name, 'INBOX', 0);
    expect(new Set(context.taken.map(({ body }) => body.subject)).size).toBe(500);
    expect(context.offered).toBe(500);
    console.info(`imap: ${Math.round(500 / seconds)} mails/s`);
  }, 90_000);

  test('a mail of 20 MB goes through without being held in memory', async () => {
    const name = newUser();
    const context = new StoringContext();
    context.reads = false;
    await dovecot.deliver(name, mail('warm'));
    await watch(name, {}, context);
    await context.waitFor(1);
    const line = `${'QUJD'.repeat(19)}\r\n`;
    const parts = [
      'MIME-Version: 1.0',
      'Content-Type: application/pdf; name=big.pdf',
      'Content-Transfer-Encoding: base64',
    ];
    await dovecot.deliver(name, Buffer.from(mail('big', parts, line.repeat(20_000_000 / line.length))));
    const before = memory();
    let peak = before;
    const timer = setInterval(() => {
      peak = Math.max(peak, memory());
    }, 5);
    const [, big] = await context.waitFor(2, 30_000);
    clearInterval(timer);
    expect(big?.body.files?.[0]?.size).toBeGreaterThan(14_000_000);
    console.info(`imap: 20 MB mail raised memory by ${Math.round((peak - before) / 1e6)} MB`);
    expect(peak - before).toBeLessThan(150_000_000);
  }, 60_000);

  test('check says what is wrong and how to mend it', async () => {
    const check = async (more: object, settings: object = {}) => {
      const config = providerConfig(imapDriver, { ...row(), ...more, settings: { ...tls(), ...settings } });
      const context = new StoringContext();
      const session = await imapDriver.open(config, context);
      const health = await session.check(new AbortController().signal);
      await session.close();
      await context.dispose();
      return health;
    };
    expect(await check({})).toMatchObject({
      state: 'ok',
      detail: expect.stringMatching(/over TLS: INBOX holds \d+ mails/),
    });
    expect(await check({ password: 'wrong' })).toMatchObject({
      state: 'error',
      detail: expect.stringMatching(/Check username/),
    });
    expect(await check({ port: 1 })).toMatchObject({
      state: 'error',
      detail: expect.stringMatching(/Nothing listens/),
    });
    expect(await check({}, { ca: undefined })).toMatchObject({
      state: 'error',
      detail: expect.stringMatching(/as ca/),
    });
    expect(await check({}, { mailbox: 'Nowhere' })).toMatchObject({
      state: 'error',
      detail: expect.stringMatching(/Nowhere/),
    });
    const starttls = await check({ port: dovecot.port }, { encryption: 'starttls' });
    expect(starttls).toMatchObject({ state: 'ok', detail: expect.stringMatching(/over TLS/) });
    const clear = await check({ host: 'mail.example.com' }, { encryption: 'none' });
    expect(clear).toMatchObject({ state: 'error', detail: expect.stringMatching(/not sent without TLS/) });
  });
});

/** Bytes in use. Not the resident set: a process that was large once has room that hides what is held now. */
function memory(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
