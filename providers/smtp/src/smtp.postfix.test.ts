import { execFile } from 'node:child_process';
import { createHash, createPublicKey, createVerify, generateKeyPairSync } from 'node:crypto';
import { promisify } from 'node:util';
import type { DriverSession, Outcome } from '@ictcore/contract';
import {
  type ConfigOverrides,
  emailOrder,
  memoryFile,
  nextAttempt,
  providerConfig,
  RecordingDriverContext,
} from '@ictcore/test-kit';
import { describeWithPeer, type PostfixPeer, type ReceivedMail, startPostfix } from '@ictcore/test-peers';
import { smtpDriver } from './index';

const signal = new AbortController().signal;
const run = promisify(execFile);

function party(email: string | null, name = ''): { phone: null; email: string | null; name: string } {
  return { phone: null, email, name };
}

function open(peer: PostfixPeer, row: ConfigOverrides = {}): Promise<DriverSession> {
  const config = providerConfig(smtpDriver, { host: peer.host, port: peer.port, ...row });
  return smtpDriver.open(config, new RecordingDriverContext());
}

async function withSession<T>(
  peer: PostfixPeer,
  row: ConfigOverrides,
  work: (session: DriverSession) => Promise<T>,
): Promise<T> {
  const session = await open(peer, row);
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}

async function submit(peer: PostfixPeer, order = emailOrder(), row: ConfigOverrides = {}): Promise<Outcome> {
  return withSession(peer, row, async (session) => (await session.submit?.(order, signal)) as Outcome);
}

/** The header fields of a mail, unfolded, names in lower case. */
function headersOf(mail: ReceivedMail | undefined): Record<string, string> {
  const head = mail?.data.toString('utf8').split('\r\n\r\n')[0] ?? '';
  const fields = head.replace(/\r\n[ \t]+/g, ' ').split('\r\n');
  return Object.fromEntries(
    fields.map((field) => [field.split(':')[0]?.toLowerCase(), field.replace(/^[^:]*:\s*/, '')]),
  );
}

describeWithPeer('postfix', 'smtp with a real Postfix', () => {
  let peer: PostfixPeer;

  beforeAll(async () => {
    peer = await startPostfix({
      mode: 'mailbox',
      messageSizeLimit: 400_000,
      rejectRecipients: {
        'nobody@example.org': '550 5.1.1 no such user',
        'blocked@example.org': '554 5.7.1 not for you',
      },
      deferRecipients: { 'busy@example.org': '450 4.2.1 mailbox busy' },
    });
  });
  afterAll(() => peer?.stop());

  test('a mail arrives byte by byte, with its attachments', async () => {
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7) % 256));
    const csv = 'name,Köln\nbare line feeds,\r\nand a lone\rreturn';
    const order = emailOrder({
      to: party('anna@example.org', 'Anna Müller'),
      from: party('sender@example.com', 'Zoë "Q" <eve@example.net>'),
      subject: 'Grüße 🎉 aus Köln',
      text: '.a line that begins with a dot\r\nGrüße\r\n',
      html: '<p>Grüße</p>',
      attachments: [
        memoryFile('Übersicht "1".bin', 'application/octet-stream', bytes),
        memoryFile('table.csv', 'text/csv', Buffer.from(csv)),
      ],
      headers: {
        'List-Unsubscribe': `<https://ictcore.example/u/${'x'.repeat(120)}>, <mailto:u@example.com?subject=stop>`,
        'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
        Bcc: 'eve@example.net',
        From: 'eve@example.net',
        Sender: 'eve@example.net',
        Received: 'from nowhere',
        'Content-Language': 'xx',
        'X-Injected': 'a\r\nBcc: eve@example.net',
      },
    });
    const outcome = await submit(peer, order);
    expect(outcome).toMatchObject({ kind: 'delivered', ref: order.messageId, amount: 1 });
    expect((outcome as { detail: string }).detail).toMatch(/^250 2\.0\.0 Ok: queued as [0-9A-Za-z]+$/);
    const [mail] = await peer.waitForMessages('anna@example.org', 1);
    const headers = headersOf(mail);
    expect(mail?.envelopeFrom).toBe('sender@example.com');
    expect(headers['message-id']).toBe(order.messageId);
    expect(headers.to).toBe('=?UTF-8?Q?Anna_M=C3=BCller?= <anna@example.org>');
    expect(headers.from).toMatch(/<sender@example\.com>$/);
    expect(headers.subject).toMatch(/^=\?UTF-8\?/);
    expect(headers['list-unsubscribe']).toBe(order.headers['List-Unsubscribe']);
    expect(headers['list-unsubscribe-post']).toBe('List-Unsubscribe=One-Click');
    expect(headers['x-injected']).toBe('a Bcc: eve@example.net');
    for (const name of ['bcc', 'sender', 'content-language']) expect(headers[name]).toBeUndefined();
    expect(headers.received ?? '').not.toContain('from nowhere');
    const text = mail?.data.toString('latin1').replace(/\r\n/g, '') ?? '';
    expect(text).toContain(bytes.toString('base64'));
    expect(text).toContain(Buffer.from(csv).toString('base64'));
    expect(await peer.messages('eve@example.net')).toEqual([]);
  });

  test('no line end gets out of a subject, a name or a header', async () => {
    const evil = 'x\r\nBcc: eve@example.net\r\n\r\nbody\n.\r\nMAIL FROM:<eve@example.net>\r\n';
    const to = party('inject@example.org', evil);
    const from = party('sender@example.com', evil);
    const attachments = [memoryFile(evil, `text/plain\r\n${evil}`, Buffer.from('x'))];
    const headers = { 'X-Evil': evil, 'X-Name\r\nBcc: eve@example.net': 'x', 'X Space': 'x' };
    const order = emailOrder({ to, from, subject: evil, attachments, headers, text: 'x\r\n.\r\nQUIT\r\n' });
    expect(await submit(peer, order)).toMatchObject({ kind: 'delivered' });
    const [mail] = await peer.waitForMessages('inject@example.org', 1);
    expect(headersOf(mail).bcc).toBeUndefined();
    expect(mail?.data.toString('utf8')).not.toMatch(/^(Bcc|MAIL FROM)\b/im);
    expect(await peer.messages('eve@example.net')).toEqual([]);
  });

  test('refusals and postponements come back in the words of the server', async () => {
    const answer = async (email: string) => submit(peer, emailOrder({ to: party(email) }));
    expect(await answer('nobody@example.org')).toMatchObject({
      kind: 'refused',
      reason: 'invalid_destination',
      detail: expect.stringMatching(/^550 5\.1\.1 .*no such user/),
    });
    expect(await answer('blocked@example.org')).toMatchObject({ kind: 'refused', reason: 'blocked' });
    const busy = {
      kind: 'failed',
      reason: 'busy',
      notAccepted: true,
      detail: expect.stringMatching(/^450 4\.2\.1 .*busy/),
    };
    expect(await answer('busy@example.org')).toMatchObject(busy);
  });

  test('a mail over the size limit is refused by its announced size, or else by its content', async () => {
    const large = memoryFile('large.bin', 'application/octet-stream', Buffer.alloc(400_000));
    const refused = { kind: 'refused', reason: 'media_rejected' };
    expect(await submit(peer, emailOrder({ attachments: [large] }))).toMatchObject(refused);
    const text = 'a line of text\r\n'.repeat(30_000);
    const outcome = await submit(peer, emailOrder({ text }));
    expect(outcome).toMatchObject({ ...refused, detail: expect.stringContaining('5.3.4') });
  });

  test('one connection goes on after a refusal', async () => {
    await withSession(peer, { settings: { max_connections: 1 } }, async (session) => {
      for (const email of ['nobody@example.org', 'next@example.org', 'busy@example.org', 'next@example.org']) {
        await session.submit?.(emailOrder({ to: party(email) }), signal);
      }
    });
    await peer.waitForMessages('next@example.org', 2);
  });

  test('every hand-over of one order has the same Message-ID, the next attempt another', async () => {
    const order = emailOrder({ to: party('again@example.org') });
    for (const each of [order, order, nextAttempt(order)]) await submit(peer, each);
    const ids = (await peer.waitForMessages('again@example.org', 3)).map((mail) => headersOf(mail)['message-id']);
    expect(ids[0]).toBe(order.messageId);
    expect(ids[1]).toBe(order.messageId);
    expect(ids[2]).not.toBe(order.messageId);
  });

  test('one sender for all, replies to the account, bounces with the attempt in the address', async () => {
    const order = emailOrder({ to: party('verp@example.org'), from: party('anna@example.com', 'Anna') });
    const settings = { from_address: 'fax@example.net', envelope_from: 'bounce@example.net', verp: true };
    await submit(peer, order, { settings });
    const [mail] = await peer.waitForMessages('verp@example.org', 1);
    expect(mail?.envelopeFrom).toBe(`bounce+spool${order.spoolId}@example.net`);
    expect(headersOf(mail)).toMatchObject({ from: 'Anna <fax@example.net>', 'reply-to': 'Anna <anna@example.com>' });
  });

  test('domains beyond ASCII and bare addresses reach the server in its own form', async () => {
    expect(await submit(peer, emailOrder({ to: party('anna@bücher.example') }))).toMatchObject({ kind: 'delivered' });
    await peer.waitForMessages('anna@xn--bcher-kva.example', 1);
    const from = party('root@192.0.2.7');
    await submit(peer, emailOrder({ to: party('literal@example.org'), from }));
    const [mail] = await peer.waitForMessages('literal@example.org', 1);
    expect(mail?.envelopeFrom).toBe('root@[192.0.2.7]');
  });

  test('check measures the way there and back and tells what it found', async () => {
    await withSession(peer, {}, async (session) => {
      const health = await session.check(signal);
      expect(health.state).toBe('ok');
      expect(health.detail).toMatch(/^127\.0\.0\.1:\d+ answers without TLS: postfix\.test/);
      expect(health.roundTripMs).toBeGreaterThan(0);
    });
    const dead = providerConfig(smtpDriver, { host: '127.0.0.1', port: 1 });
    const session = await smtpDriver.open(dead, new RecordingDriverContext());
    const health = await session.check(signal);
    expect(health).toMatchObject({
      state: 'error',
      detail: expect.stringMatching(/ECONNREFUSED.*check host and port/),
    });
    await session.close();
  });

  test('paces mails as max_messages_per_second says', async () => {
    const begin = Date.now();
    await withSession(peer, { settings: { max_messages_per_second: 5, max_connections: 1 } }, async (session) => {
      const orders = Array.from({ length: 11 }, () => emailOrder({ to: party('paced@example.org') }));
      await Promise.all(orders.map((order) => session.submit?.(order, new AbortController().signal)));
    });
    expect(Date.now() - begin).toBeGreaterThan(1800);
  });

  describe('DKIM', () => {
    const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const dkim_private_key = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    const publicKey = (keys.publicKey.export({ type: 'spki', format: 'der' }) as Buffer).toString('base64');
    const settings = { dkim_domain: 'example.com', dkim_selector: 'kit', dkim_private_key };

    test('a signature verifies, and not after a change', async () => {
      const headers = {
        'List-Unsubscribe': '<https://a.example/u>',
        'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
      };
      const order = emailOrder({
        to: party('dkim@example.org'),
        subject: 'Grüße',
        text: 'Grüße \r\n\r\n  x\r\n\r\n',
        headers,
      });
      await submit(peer, order, { settings });
      const [mail] = await peer.waitForMessages('dkim@example.org', 1);
      const raw = mail?.data ?? Buffer.alloc(0);
      expect(headersOf(mail)['dkim-signature']).toMatch(/\bd=example\.com;.*\bs=kit;.*h=.*List-Unsubscribe-Post/i);
      expect(verifyDkim(raw, publicKey)).toBe(true);
      expect(
        verifyDkim(Buffer.from(raw.toString('latin1').replace('Kit Sender', 'Kit Render'), 'latin1'), publicKey),
      ).toBe(false);
      const python = await pythonVerifies(raw, publicKey);
      // Debian's python3-dkim is a second opinion where it is installed.
      if (python !== undefined) expect(python).toBe(true);
    });

    test('half of the settings, or a key that is none, is refused when the row is saved', () => {
      expect(smtpDriver.settings.safeParse({ dkim_domain: 'example.com' }).success).toBe(false);
      expect(smtpDriver.settings.safeParse({ ...settings, dkim_private_key: 'no key' }).success).toBe(false);
      const other = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });
      expect(smtpDriver.settings.safeParse({ ...settings, dkim_private_key: other }).success).toBe(false);
    });
  });
});

/** RFC 6376 verification with relaxed/relaxed canonicalization, written from the RFC for this test alone. */
function verifyDkim(mail: Buffer, publicKey: string): boolean {
  const [head = '', ...rest] = mail.toString('latin1').split('\r\n\r\n');
  const fields = head
    .split(/\r\n(?![ \t])/)
    .map((field) => ({ name: field.split(':')[0]?.toLowerCase() ?? '', field }));
  const signature = fields.find(({ name }) => name === 'dkim-signature')?.field ?? '';
  const relaxed = (field: string) => {
    const value = field
      .slice(field.indexOf(':') + 1)
      .replace(/\r\n/g, '')
      .replace(/[ \t]+/g, ' ')
      .trim();
    return `${field.slice(0, field.indexOf(':')).toLowerCase().trim()}:${value}`;
  };
  const tags = Object.fromEntries(
    signature
      .slice(signature.indexOf(':') + 1)
      .split(';')
      .map((tag) => {
        const at = tag.indexOf('=');
        return [tag.slice(0, at).trim(), tag.slice(at + 1).replace(/\s+/g, '')];
      }),
  );
  const lines = rest
    .join('\r\n\r\n')
    .split('\r\n')
    .map((line) => line.replace(/[ \t]+/g, ' ').replace(/ $/, ''));
  while (lines.at(-1) === '') lines.pop();
  const body = lines.length > 0 ? `${lines.join('\r\n')}\r\n` : '';
  if (createHash('sha256').update(body, 'latin1').digest('base64') !== tags.bh) return false;
  const left = [...fields];
  const signed = (tags.h ?? '').split(':').flatMap((name) => {
    const index = left.findLastIndex((each) => each.name === name.trim().toLowerCase());
    return index < 0 ? [] : left.splice(index, 1).map(({ field }) => `${relaxed(field)}\r\n`);
  });
  const own = relaxed(signature)
    .replace(/\bb=[^;]*$/, 'b=')
    .replace(/\bb=[^;]*;/, 'b=;');
  const verifier = createVerify('RSA-SHA256').update(signed.join('') + own, 'latin1');
  const key = createPublicKey({ key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' });
  return verifier.verify(key, tags.b ?? '', 'base64');
}

/** What python3-dkim says; undefined if it is not installed. */
async function pythonVerifies(mail: Buffer, publicKey: string): Promise<boolean | undefined> {
  const script = [
    'import sys, base64',
    'try:\n    import dkim\nexcept ImportError:\n    print("missing"); sys.exit()',
    'record = lambda name, timeout=5: b"v=DKIM1; k=rsa; p=" + sys.argv[1].encode()',
    'print(dkim.verify(base64.b64decode(sys.argv[2]), dnsfunc=record))',
  ].join('\n');
  const said = await run('python3', ['-c', script, publicKey, mail.toString('base64')], { timeout: 15_000 }).catch(
    () => undefined,
  );
  const word = said?.stdout.trim();
  return word === undefined || word === 'missing' ? undefined : word === 'True';
}
