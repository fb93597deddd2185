import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { providerConfig } from '@ictcore/test-kit';
import { describeWithPeer, type PostfixPeer, relayByPostfix, startPostfix } from '@ictcore/test-peers';
import { createTransport, type SendMailOptions } from 'nodemailer';
import { createSmtpInboundDriver } from './index';
import { factsOf, freePort, type RunningListener, startListener } from './testing/running-listener';

const run = promisify(execFile);

describeWithPeer('postfix', 'smtp-inbound behind a real Postfix', () => {
  let postfix: PostfixPeer;
  let listener: RunningListener;
  let port = 0;

  beforeAll(async () => {
    port = await freePort();
    const bounces = { 'nobody@gone.test': '5.1.1 no such user', 'full@gone.test': '5.2.2 mailbox full' };
    postfix = await startPostfix({ mode: 'mailbox', bounceRecipients: bounces });
    await relayByPostfix(postfix, {
      domains: { 'fax.test': port },
      lines: ['smtp_destination_concurrency_limit = 20', 'initial_destination_concurrency = 20'],
    });
  });
  afterAll(() => postfix?.stop());
  beforeEach(async () => {
    const settings = { domains: ['fax.test'], recipients: ['inbox@fax.test', 'bounce@fax.test'], self_signed: true };
    const generous = { max_messages_per_minute: 10_000, max_connections_per_client: 100 };
    listener = await startListener({ ...settings, ...generous }, {}, { port });
  });
  afterEach(() => listener?.stop());

  async function send(mails: SendMailOptions[]): Promise<void> {
    const transport = createTransport({ host: '127.0.0.1', port: postfix.port, ignoreTLS: true, pool: true });
    try {
      await Promise.all(mails.map((mail) => transport.sendMail({ from: 'anna@example.com', ...mail })));
    } finally {
      transport.close();
    }
  }

  test('a mail comes over STARTTLS, with the trace of Postfix', async () => {
    await send([{ to: 'inbox@fax.test', text: 'Grüße', attachments: [{ filename: 'a.pdf', content: 'pdf' }] }]);
    const [mail] = await listener.context.waitFor(1);
    expect(mail?.body).toMatchObject({ text: expect.stringContaining('Grüße'), files: [{ name: 'a.pdf', size: 3 }] });
    expect(factsOf(mail)).toMatchObject({ tls: 'TLSv1.3', helo: 'postfix.test', hops: '1' });
  });

  test('500 mails at once are all taken once, though one in ten cannot be stored at first', async () => {
    const failed = new Set<string>();
    let count = 0;
    listener.context.before = async (event) => {
      count += 1;
      if (count % 10 === 0 && !failed.has(event.ref)) {
        failed.add(event.ref);
        throw new Error('the database is away');
      }
    };
    const mails = Array.from({ length: 500 }, (_, index) => ({
      to: 'inbox@fax.test',
      subject: `mail ${index}`,
      messageId: `<${index}@example.com>`,
      text: `number ${index}`,
    }));
    await send(mails);
    const taken = await listener.context.waitFor(500, 60_000);
    expect(failed.size).toBeGreaterThan(10);
    expect(new Set(taken.map(({ body }) => body.subject)).size).toBe(500);
    await postfixIsEmpty(postfix);
    expect(taken).toHaveLength(500);
    expect(listener.context.offered).toBe(500 + failed.size);
  }, 90_000);

  test('a mail of 20 MB goes through without being held in memory', async () => {
    listener.context.reads = false;
    await send([{ to: 'inbox@fax.test', text: 'warm' }]);
    await listener.context.waitFor(1);
    const big = { filename: 'big.pdf', content: Buffer.alloc(14_600_000, 'abcdefghi') };
    await send([{ to: 'inbox@fax.test', text: 'x', attachments: [big] }]);
    const before = memory();
    let peak = before;
    const timer = setInterval(() => {
      peak = Math.max(peak, memory());
    }, 5);
    const [, mail] = await listener.context.waitFor(2, 30_000);
    clearInterval(timer);
    expect(mail?.body.files?.[0]?.size).toBe(14_600_000);
    expect(Number(factsOf(mail).size)).toBeGreaterThan(19_900_000);
    console.info(`smtp-inbound: 20 MB mail raised memory by ${Math.round((peak - before) / 1e6)} MB`);
    expect(peak - before).toBeLessThan(150_000_000);
  }, 60_000);

  test('mail waits at its sender while the listener is away, and comes once', async () => {
    await listener.session.close();
    await send([{ to: 'inbox@fax.test', subject: 'patience', text: 'x' }]);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const { driver, config } = await reopened(port);
    const session = await driver.open(config, listener.context);
    try {
      const taken = await listener.context.waitFor(1, 30_000);
      expect(taken.map(({ body }) => body.subject)).toEqual(['patience']);
    } finally {
      await session.close();
    }
  }, 60_000);

  test('a refusal goes back to the sender as a report of his own server', async () => {
    await send([{ to: 'nobody-here@fax.test', text: 'x' }]);
    const [report] = await postfix.waitForMessages('anna@example.com', 1, 20_000);
    expect(report?.data.toString()).toMatch(/550[ -]5\.1\.1 No such address here/);
  });

  test('a bounce names the attempt, its status and the server that refused', async () => {
    const envelope = { from: 'bounce+spool42@fax.test', to: 'nobody@gone.test' };
    await send([{ envelope, from: 'anna@example.com', to: 'nobody@gone.test', text: 'x' }]);
    const [mail] = await listener.context.waitFor(1);
    expect(mail?.to.email).toBe('bounce+spool42@fax.test');
    expect(factsOf(mail)).toMatchObject({
      bounce_spool: '42',
      bounce_action: 'failed',
      bounce_status: '5.1.1',
      bounce_type: 'hard',
      bounce_detail: expect.stringMatching(/no such user/),
      bounce_recipient: 'nobody@gone.test',
      envelope_from: '',
      automatic: expect.any(String),
    });
  });

  test('a bounce without VERP names the attempt by the envelope id', async () => {
    const envelope = { from: 'bounce@fax.test', to: 'full@gone.test' };
    await send([
      { envelope, to: 'full@gone.test', text: 'x', dsn: { id: 'spool77', return: 'headers', notify: 'failure' } },
    ]);
    const [mail] = await listener.context.waitFor(1);
    expect(factsOf(mail)).toMatchObject({ bounce_spool: '77', bounce_status: '5.2.2' });
  });
});

async function reopened(port: number) {
  const driver = createSmtpInboundDriver();
  const settings = { domains: ['fax.test'], authenticate: false };
  return { driver, config: providerConfig(driver, { host: '127.0.0.1', port, settings }) };
}

/** Waits until nothing is queued, so that what would come twice has come. */
async function postfixIsEmpty(postfix: PostfixPeer): Promise<void> {
  const end = Date.now() + 20_000;
  for (;;) {
    const { stdout } = await run('postqueue', ['-c', join(postfix.dir, 'etc'), '-j']);
    if (stdout.trim() === '') return;
    if (Date.now() > end) throw new Error(`still queued: ${stdout}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

const hasSwaks = existsSync('/usr/bin/swaks');
/** Debian's own Python: another one in PATH does not see Debian's modules. */
const hasDkim = existsSync('/usr/lib/python3/dist-packages/dkim');
const describeSwaks = hasSwaks && hasDkim ? describe : describe.skip;
const missing = hasSwaks && hasDkim ? '' : ' [skipped: swaks and python3-dkim are not installed]';

describeSwaks(`who a sender is, with swaks and python3-dkim${missing}`, () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const p = (publicKey.export({ type: 'spki', format: 'der' }) as Buffer).toString('base64');
  const zone = {
    'good.test': 'v=spf1 ip4:127.0.0.1 -all',
    'kit._domainkey.good.test': `v=DKIM1; k=rsa; p=${p}`,
    '_dmarc.good.test': 'v=DMARC1; p=reject; adkim=s; aspf=s',
    'evil.test': 'v=spf1 ip4:127.0.0.1 -all',
    'strict.test': 'v=spf1 -all',
  };
  let listener: RunningListener;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ictcore-swaks-'));
    await writeFile(join(folder, 'key.pem'), privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 });
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  beforeEach(async () => {
    listener = await startListener({ domains: ['fax.test'] }, zone);
  });
  afterEach(() => listener?.stop());

  const SIGN = [
    'import sys, dkim',
    'mail = open(sys.argv[1], "rb").read()',
    'key = open(sys.argv[2], "rb").read()',
    'sys.stdout.buffer.write(dkim.sign(mail, b"kit", b"good.test", key) + mail)',
  ].join('\n');

  /** Sends a mail by swaks and tells the server's last answer. */
  async function swaks(
    from: string,
    header: string,
    options: { signed?: boolean; change?: boolean; port?: number } = {},
  ) {
    const file = join(folder, `mail-${Math.random().toString(36).slice(2)}.eml`);
    const fields = [`From: ${header}`, 'To: 4711@fax.test', 'Subject: fax', `Message-ID: <${Math.random()}@good.test>`];
    let mail = Buffer.from(`${fields.join('\r\n')}\r\n\r\nplease fax\r\n`);
    await writeFile(file, mail);
    if (options.signed) {
      const signed = await run('/usr/bin/python3', ['-c', SIGN, file, join(folder, 'key.pem')], { encoding: 'buffer' });
      mail = signed.stdout;
    }
    if (options.change) mail = Buffer.from(mail.toString().replace('please fax', 'please fax 100 pages'));
    await writeFile(file, mail);
    const address = `127.0.0.1:${options.port ?? listener.port}`;
    const args = [
      '--server',
      address,
      '--helo',
      'client.test',
      '--from',
      from,
      '--to',
      '4711@fax.test',
      '--data',
      `@${file}`,
    ];
    const said = await run('swaks', args, { timeout: 20_000 }).catch((error: { stdout: string }) => error);
    const answers = said.stdout.split('\n').filter((line) => /^<[~*-]{2,} +\d{3} /.test(line));
    return { answers, facts: factsOf(listener.context.taken.at(-1)) };
  }

  test('an honest sender passes SPF, DKIM and DMARC', async () => {
    const { facts } = await swaks('boss@good.test', 'Boss <boss@good.test>', { signed: true });
    expect(facts).toMatchObject({
      spf: 'pass',
      spf_domain: 'good.test',
      dkim: 'pass',
      dkim_domains: 'pass:good.test',
      dmarc: 'pass',
      dmarc_domain: 'good.test',
      dmarc_policy: 'reject',
    });
  });

  test('a spoofed From fails DMARC, though its envelope passes SPF', async () => {
    const { facts } = await swaks('thief@evil.test', 'Boss <boss@good.test>');
    expect(facts).toMatchObject({ spf: 'pass', spf_domain: 'evil.test', dkim: 'none', dmarc: 'fail' });
  });

  test('a signed mail that was changed on the way fails', async () => {
    const { facts } = await swaks('thief@evil.test', 'Boss <boss@good.test>', { signed: true, change: true });
    expect(facts.dkim).not.toBe('pass');
    expect(facts).toMatchObject({ dmarc: 'fail' });
  });

  test('a forbidden client fails SPF; a domain that says nothing is none', async () => {
    expect((await swaks('a@strict.test', 'a@strict.test')).facts).toMatchObject({ spf: 'fail', dmarc: 'none' });
    expect((await swaks('a@silent.test', 'a@silent.test')).facts).toMatchObject({ spf: 'none', dmarc: 'none' });
  });

  test('with enforce_dmarc a spoofed mail is refused with its reason, an honest one is not', async () => {
    const strict = await startListener({ domains: ['fax.test'], enforce_dmarc: true }, zone);
    try {
      const { answers } = await swaks('thief@evil.test', 'boss@good.test', { port: strict.port });
      expect(answers.join('\n')).toMatch(/550 5\.7\.1 .*DMARC/);
      expect(strict.context.taken).toEqual([]);
      await swaks('boss@good.test', 'boss@good.test', { port: strict.port, signed: true });
      expect(strict.context.taken).toHaveLength(1);
    } finally {
      await strict.stop();
    }
  });

  test('name servers that do not answer are a temporary error, and the mail is taken', async () => {
    const broken = Object.assign(new Error('queryTxt ETIMEOUT'), { code: 'ETIMEOUT' });
    const driver = createSmtpInboundDriver({ resolver: async () => Promise.reject(broken) });
    await listener.session.close();
    const config = providerConfig(driver, {
      host: '127.0.0.1',
      port: listener.port,
      settings: { domains: ['fax.test'] },
    });
    const session = await driver.open(config, listener.context);
    try {
      const { facts } = await swaks('boss@good.test', 'boss@good.test', { signed: true });
      expect(facts.spf).toMatch(/^temperr/);
      expect(facts.dmarc).not.toBe('pass');
    } finally {
      await session.close();
    }
  });
});

/** Bytes in use. Not the resident set: a process that was large once has room that hides what is held now. */
function memory(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
