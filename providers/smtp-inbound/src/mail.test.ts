import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import {
  automaticReason,
  isHardBounce,
  mailFacts,
  type ParsedMail,
  parseDeliveryStatus,
  parseMail,
  plainAddress,
  spoolOfVerp,
} from './mail';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ictcore-mail-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function parse(...lines: string[]): Promise<ParsedMail> {
  return parseMail(Readable.from([Buffer.from(`${lines.join('\r\n')}\r\n`)]), folder, 10);
}

test.each([
  ['bounce+spool42@example.com', 42],
  ['a+b+SPOOL7@example.com', 7],
  ['spool42@example.com', undefined],
  ['bounce+spool@example.com', undefined],
  ['bounce+spool0@example.com', undefined],
  ['bounce+spool42x@example.com', undefined],
  ['bounce+spool99999999999999999@example.com', undefined],
])('%s is the bounce address of attempt %s', (address, spool) => {
  expect(spoolOfVerp(address)).toBe(spool);
});

test('addresses are compared in lower case and as A-labels', () => {
  expect(plainAddress('Anna@Bücher.EXAMPLE.')).toBe('anna@xn--bcher-kva.example');
});

describe('delivery status', () => {
  test('folded fields, other types and several recipients', () => {
    const status = parseDeliveryStatus(
      [
        'Reporting-MTA: dns; mx.test',
        'Original-Envelope-Id: spool9',
        '',
        'Final-Recipient: RFC822; a@example.org',
        'Action: Failed',
        'Status: 4.4.1 (no route)',
        'Diagnostic-Code: smtp; 421 try',
        '  later',
        '',
        'Original-Recipient: rfc822;b@example.org',
        'Action: delivered',
        'Status: 2.0.0',
      ].join('\r\n'),
    );
    expect(status).toEqual({
      envelopeId: 'spool9',
      recipients: [
        { recipient: 'a@example.org', action: 'failed', status: '4.4.1', diagnostic: '421 try later' },
        { recipient: 'b@example.org', action: 'delivered', status: '2.0.0', diagnostic: '' },
      ],
    });
    expect(status?.recipients.map(isHardBounce)).toEqual([false, false]);
  });

  test('nonsense is none', () => {
    expect(parseDeliveryStatus('')).toBeUndefined();
    expect(parseDeliveryStatus('hello\n\nworld')).toBeUndefined();
  });

  test('a delay is no bounce; a bounce in prose still names its attempt', async () => {
    const delayed = await parse(
      'From: mailer@mx.test',
      'MIME-Version: 1.0',
      'Content-Type: multipart/report; report-type=delivery-status; boundary=b',
      '',
      '--b',
      'Content-Type: message/delivery-status',
      '',
      'Reporting-MTA: dns; mx.test',
      '',
      'Final-Recipient: rfc822; a@example.org',
      'Action: delayed',
      'Status: 4.4.1',
      '--b--',
    );
    const facts = new Map(mailFacts(delayed, 'b+spool5@x.test', '').map(({ name, data }) => [name, data]));
    expect(Object.fromEntries(facts)).toMatchObject({
      bounce_spool: '5',
      bounce_action: 'delayed',
      bounce_status: '4.4.1',
    });
    expect(facts.has('bounce_type')).toBe(false);
    const prose = await parse('From: mailer@mx.test', 'Subject: failure notice', '', 'Sorry.');
    const named = mailFacts(prose, 'b+spool6@x.test', '').filter(({ name }) => name.startsWith('bounce'));
    expect(named).toEqual([{ type: 'info', name: 'bounce_spool', data: '6' }]);
  });
});

test.each([
  ['Auto-Submitted: auto-replied', 'auto-submitted: auto-replied'],
  ['Auto-Submitted: no', undefined],
  ['Precedence: bulk', 'precedence: bulk'],
  ['List-Id: <x.example.com>', 'list'],
  ['X-Auto-Response-Suppress: DR, OOF', undefined],
  ['X-Auto-Response-Suppress: All', 'x-auto-response-suppress'],
  ['X-Autoreply: yes', 'x-autoreply'],
])('%s: written by a machine? %s', async (line, reason) => {
  expect(automaticReason(await parse('From: a@example.com', line, '', 'x'), 'a@example.com')).toBe(reason);
});

test('a source that breaks in the middle of an attachment is an error, not a wait without end', async () => {
  const head = 'From: a@b.c\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n';
  async function* broken() {
    yield Buffer.from(head + 'QUJD\r\n'.repeat(50_000));
    throw new Error('disk gone');
  }
  await expect(parseMail(Readable.from(broken()), folder, 10)).rejects.toThrow(/disk gone/);
});

test('forwarded mails stay files of their own', async () => {
  const mail = await parse(
    'From: a@example.com',
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    '',
    'see below',
    '--b',
    'Content-Type: message/rfc822',
    'Content-Disposition: inline',
    '',
    'From: c@example.com',
    'Subject: inner',
    '',
    'inner words',
    '--b--',
  );
  expect(mail.text.trim()).toBe('see below');
  expect(mail.files).toMatchObject([{ name: 'attachment-1.eml', mediaType: 'message/rfc822' }]);
});
