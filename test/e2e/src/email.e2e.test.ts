import { createHash, randomBytes } from 'node:crypto';
import { describeWithPeer, type PostfixPeer, type ReceivedMail, startPostfix } from '@ictcore/test-peers';
import { type ParsedMail, simpleParser } from 'mailparser';
import type { ApiClient } from './support/api-client';
import { type Attachment, MailDesk, SmtpProviders } from './support/mail-desk';
import { decodeWords, rawMail } from './support/raw-mail';
import { RunningServer } from './support/running-server';

/** All byte values, CR, LF, dots at line starts and NUL among them: whatever transport encoding is used must carry it. */
function bytes(length: number): Buffer {
  return Buffer.concat([
    Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
    Buffer.from('\r\n.\r\n..\n'),
    randomBytes(length),
  ]);
}

const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');
const now = () => Math.floor(Date.now() / 1000);

describeWithPeer('postfix', 'the main job: an e-mail through a real Postfix', () => {
  let server: RunningServer;
  let postfix: PostfixPeer;
  let admin: ApiClient;
  let maria: ApiClient;
  let providerId: number;

  beforeAll(async () => {
    [server, postfix] = await Promise.all([RunningServer.start(), startPostfix({ mode: 'mailbox' })]);
    admin = server.admin();
    maria = await server.user('maria');
    await maria.put('/accounts/-1', { first_name: 'María José', last_name: 'Müller, "Doktor"' });
    [providerId] = (await new SmtpProviders(admin).use({ host: postfix.host, port: postfix.port })) as [number];
  }, 60_000);
  afterAll(async () => {
    await server?.dispose();
    await postfix?.stop();
  });

  const letter = {
    to: 'zoe.o-hara+list@example.net',
    firstName: 'Zoë <b onclick="x()">&',
    lastName: "O'Hara 漢字",
    custom1: 'No 7 – € 1.000,00',
    subject: 'Rechnung für [contact:first_name] [contact:last_name]: [contact:custom1] – [contact:custom2|offen] 🎉',
    body: '<h1>Grüße, [contact:first_name]!</h1>\n<p title="[contact:first_name]">From [account:first_name], [contact:nonsense]</p>\n.\n..<p>end</p>',
    bodyAlt:
      'Grüße, [contact:first_name] [contact:last_name]!\n.\n..\nFrom [account:first_name] <[account:email]>, [contact:nonsense]\nend',
  };
  const files: Attachment[] = [
    { name: 'Übersicht “2026”.pdf', mediaType: 'application/pdf', bytes: bytes(120_000) },
    { name: 'notes.txt', mediaType: 'text/plain', bytes: Buffer.from('.\r\n..\nno newline at the end – ä', 'utf8') },
  ];

  describe('contact, template with tokens and attachments, program, transmission, send', () => {
    let spoolId: number;
    let transmissionId: number;
    let mail: ReceivedMail;
    let parsed: ParsedMail;
    let began: number;

    beforeAll(async () => {
      const desk = new MailDesk(maria);
      began = now();
      transmissionId = await desk.prepare({ ...letter, attachments: files });
      expect(await maria.get(`/transmissions/${transmissionId}/status`)).toBe('pending');
      expect(await maria.get(`/transmissions/${transmissionId}/detail`)).toEqual([]);
      expect(await maria.get(`/transmissions/${transmissionId}/result`)).toEqual([]);
      spoolId = await desk.send(transmissionId);
      await desk.ended(transmissionId);
      [mail] = (await postfix.waitForMessages(letter.to, 1)) as [ReceivedMail];
      parsed = await simpleParser(mail.data);
    }, 60_000);

    test('envelope and header say what was asked, in letters of any script', () => {
      expect(mail.envelopeFrom).toBe('maria@example.org');
      expect(mail.envelopeTo).toBe(letter.to);
      const raw = rawMail(mail.data);
      expect(decodeWords(raw.one('From'))).toMatch(/^"?María José Müller, \\?"Doktor\\?""? <maria@example\.org>$/);
      expect(decodeWords(raw.one('To'))).toMatch(
        /^"?Zoë <b onclick=\\?"x\(\)\\?">& O'Hara 漢字"? <zoe\.o-hara\+list@example\.net>$/i,
      );
      expect(decodeWords(raw.one('Subject'))).toBe(
        `Rechnung für ${letter.firstName} ${letter.lastName}: ${letter.custom1} – offen 🎉`,
      );
      expect(Math.abs(Date.parse(raw.one('Date')) / 1000 - began)).toBeLessThan(60);
      expect(raw.one('Message-ID')).toMatch(/^<[\w.~-]+@example\.org>$/);
      expect(raw.one('MIME-Version')).toBe('1.0');
      const names = raw.fields.map((field) => field.name);
      expect(names.filter((name) => ['bcc', 'cc', 'x-mailer', 'sender', 'received'].includes(name))).toEqual([]);
      // A parser that knows nothing of ours agrees on the addresses.
      expect(parsed.from?.value).toEqual([{ address: 'maria@example.org', name: 'María José Müller, "Doktor"' }]);
      expect([parsed.to].flat()[0]?.value[0]?.name).toBe(`${letter.firstName} ${letter.lastName}`);
    });

    test('the bytes keep the rules of RFC 5322 and 2045: CRLF, at most 998 octets a line, 7 bit', () => {
      const raw = rawMail(mail.data);
      expect(Math.max(...raw.lines.map((line) => line.length))).toBeLessThanOrEqual(998);
      expect(raw.lines.filter((line) => /[\r\n]/.test(line))).toEqual([]);
      expect(mail.data.every((byte) => byte < 128 && byte !== 0)).toBe(true);
      expect(raw.one('Content-Type')).toMatch(/^multipart\/mixed; boundary=/);
      const alternative = raw.body.indexOf('multipart/alternative');
      const [plain, html, attached] = ['text/plain', 'text/html', 'application/pdf'].map((type) =>
        raw.body.indexOf(`Content-Type: ${type}`),
      );
      // RFC 2046 section 5.1.4: the richest alternative last; the files after both.
      expect([alternative, plain, html, attached]).toEqual(
        [alternative, plain, html, attached].toSorted((a, b) => Number(a) - Number(b)),
      );
      expect(alternative).toBeGreaterThan(0);
    });

    test('the plain part holds the values as they are', () => {
      const text = `Grüße, ${letter.firstName} ${letter.lastName}!\n.\n..\nFrom María José <maria@example.org>, [contact:nonsense]\nend`;
      expect(parsed.text?.replace(/\r\n/g, '\n').trimEnd()).toBe(text);
    });

    test('the HTML part holds them escaped, so that a name cannot become markup', () => {
      const html = String(parsed.html);
      const escaped = /^<h1>Grüße, Zoë &lt;b onclick=&(?:quot|#34|#x22);x\(\)&(?:quot|#34|#x22);&gt;&amp;!<\/h1>/;
      expect(html).toMatch(escaped);
      expect(html).not.toContain('<b onclick');
      expect(html).toMatch(
        /<p title="Zoë &lt;b onclick=&(?:quot|#34|#x22);x\(\)&(?:quot|#34|#x22);&gt;&amp;">From María José, \[contact:nonsense\]<\/p>\n\.\n\.\.<p>end<\/p>\s*$/,
      );
    });

    test('the attachments arrive byte by byte, with their names and types', () => {
      expect(
        parsed.attachments.map(({ filename, contentType, contentDisposition }) => ({
          filename,
          contentType,
          contentDisposition,
        })),
      ).toEqual(
        files.map(({ name, mediaType }) => ({
          filename: name,
          contentType: mediaType,
          contentDisposition: 'attachment',
        })),
      );
      expect(parsed.attachments.map((file) => sha256(file.content))).toEqual(files.map((file) => sha256(file.bytes)));
    });

    test('the transmission is completed, its attempt has times, answer and Message-ID', async () => {
      const at = `/transmissions/${transmissionId}`;
      const transmission = await maria.get<Record<string, unknown>>(at);
      expect(transmission).toMatchObject({
        status: 'completed',
        response: '',
        try_done: 1,
        service_flag: 8,
        program_type: 'sendemail',
        origin: 'sendemail',
        contact_email: letter.to,
        account_email: 'maria@example.org',
        username: 'maria',
        direction: 'outbound',
        next_run: null,
      });
      expect(await maria.get(`${at}/status`)).toBe('completed');
      const [spool, ...more] = await maria.get<Record<string, number | string>[]>(`${at}/detail`);
      expect(more).toEqual([]);
      expect(spool).toMatchObject({
        spool_id: spoolId,
        status: 'completed',
        attempt: 1,
        service_flag: 8,
        amount: 1,
        reason: null,
        provider_id: providerId,
        call_id: rawMail(mail.data).one('Message-ID'),
        response: expect.stringMatching(/^250 2\.0\.0 Ok: queued as [0-9A-Za-z]+$/),
      });
      // The queue id in the answer is the one under which this Postfix took the mail.
      const queueId = String(spool?.response).split(' ').at(-1) as string;
      expect(mail.raw.toString('latin1')).toContain(`id ${queueId}`);
      const { time_spool, time_start, time_connect, time_end } = spool as Record<string, number>;
      const times = [began, time_spool, time_start, time_connect, time_end, now()];
      expect(times.every((time) => Number.isInteger(time))).toBe(true);
      expect(times).toEqual(times.toSorted((a, b) => Number(a) - Number(b)));
      for (const path of [`${at}/spools`, `${at}/logs`, `/emails/${transmissionId}/detail`]) {
        expect(await maria.get(path)).toEqual([spool]);
      }
      expect(await maria.get(`/spools/${spoolId}`)).toEqual(spool);
      expect(await maria.get(`/spools/${spoolId}/status`)).toBe('completed');
    });

    test('result tells the step and its outcome', async () => {
      const results = await maria.get<object[]>(`/transmissions/${transmissionId}/result`);
      expect(results).toContainEqual(
        expect.objectContaining({ spool_id: spoolId, type: 'application', name: 'email_send', data: 'success' }),
      );
      expect(await maria.get(`/transmissions/${transmissionId}/results?all=1`)).toEqual(results);
      expect(await maria.get(`/spools/${spoolId}/result`)).toEqual(results);
    });

    test('nobody else sees any of it, and it is not sent again', async () => {
      const other = await server.user('other');
      for (const path of ['', '/status', '/detail', '/result']) {
        expect((await other.request('GET', `/transmissions/${transmissionId}${path}`)).status).toBe(404);
      }
      expect((await other.request('GET', `/spools/${spoolId}`)).status).toBe(404);
      expect(await maria.refusal('POST', `/transmissions/${transmissionId}/send`)).toMatchObject({ status: 423 });
      expect(await postfix.messages(letter.to)).toHaveLength(1);
    });
  });

  test('with a Bearer token, at paths without /api', async () => {
    const login = await server.admin().anonymous().post<{ token: string }>(`${server.url}/authenticate`, {
      username: 'maria',
      password: 'password of maria',
    });
    const client = maria.withToken(login.token);
    const desk = new MailDesk(client, server.url);
    const { transmission, spools } = await desk.deliver({ ...letter, to: 'token@example.net', attachments: files });
    expect(transmission.status).toBe('completed');
    expect(spools).toEqual([
      expect.objectContaining({ status: 'completed', response: expect.stringMatching(/^250 /) }),
    ]);
    const [mail] = (await postfix.waitForMessages('token@example.net', 1)) as [ReceivedMail];
    expect((await simpleParser(mail.data)).attachments.map((file) => sha256(file.content))).toEqual(
      files.map((file) => sha256(file.bytes)),
    );
    expect(await client.get(`${server.url}/spools/${spools[0]?.spool_id}`)).toEqual(spools[0]);
    await client.post(`${server.url}/authenticate/cancel`);
    expect((await client.request('GET', `${server.url}/contacts`)).status).toBe(401);
  });

  test('PUT media replaces the attachment; without body_alt the plain part comes from the HTML', async () => {
    const desk = new MailDesk(maria);
    const templateId = await maria.post('/messages/templates', {
      name: 'plain',
      subject: 'Hello',
      body: '<p>See <a href="https://example.org/[contact:first_name]">here</a></p><script>alert(1)</script>',
    });
    await desk.attach(templateId, { name: 'old.bin', mediaType: 'application/octet-stream', bytes: bytes(10) }, 'PUT');
    await desk.attach(templateId, { name: 'new.bin', mediaType: 'application/octet-stream', bytes: bytes(99) }, 'PUT');
    const programId = await maria.post('/programs/sendemail', { template_id: templateId });
    const contactId = await maria.post('/contacts', { email: 'put@example.net', first_name: 'a<b' });
    const id = await maria.post('/transmissions', { program_id: programId, contact_id: contactId, send: 1 });
    expect((await desk.ended(id)).transmission.status).toBe('completed');
    const [mail] = (await postfix.waitForMessages('put@example.net', 1)) as [ReceivedMail];
    const parsed = await simpleParser(mail.data);
    expect(parsed.attachments.map((file) => [file.filename, file.size])).toEqual([['new.bin', bytes(99).length]]);
    expect(parsed.text?.trim()).toBe('See here (https://example.org/a<b)');
  });

  test('a value cannot smuggle header fields in', async () => {
    const desk = new MailDesk(maria);
    const { transmission } = await desk.deliver({
      to: 'smuggle@example.net',
      firstName: 'Eve\r\nBcc: victim@example.net\r\nX-Evil: 1',
      subject: 'For [contact:first_name]',
    });
    expect(transmission.status).toBe('completed');
    const [mail] = (await postfix.waitForMessages('smuggle@example.net', 1)) as [ReceivedMail];
    const names = rawMail(mail.data).fields.map((field) => field.name);
    expect(names.filter((name) => name === 'bcc' || name === 'x-evil')).toEqual([]);
    expect(await postfix.messages('victim@example.net')).toEqual([]);
  });
});
