import 'reflect-metadata';
import { buffer } from 'node:stream/consumers';
import type { Actor, EmailOrder, FileRef, InboundMessage } from '@ictcore/contract';
import { AccountService } from '../accounts';
import { ProgramService } from '../programs';
import { ADMIN, FakeLine, file, InboundDesk, sms } from '../testing/inbound-desk';
import { AccountPrograms } from './account-programs';
import { InboundTaker } from './inbound-taker';
import { UnmatchedService } from './unmatched.service';

let desk: InboundDesk;
afterEach(() => desk.stop());

const install = (accountId: number, type: string, body = {}) =>
  desk.kernel.kernel.container.resolve(AccountPrograms).install(ADMIN, accountId, type, body);
const programs = () => desk.kernel.kernel.container.resolve(ProgramService);
const user = (userId: number): Actor => ({ userId, username: `u${userId}`, can: (name) => !name.endsWith('_admin') });
const rules = () =>
  desk.sql('select channel, destination, source, program_id from inbound_rule order by inbound_rule_id');

describe('a message for a number that a program is bound to', () => {
  it('becomes a transmission, an attempt, a text, facts and events of the account’s owner', async () => {
    desk = await InboundDesk.open();
    const { accountId, userId } = await desk.account('+15550100');
    const programId = await install(accountId, 'getsms');
    await desk.bring({
      ...sms('+15550199', '+1 555 0100', 'Grüße\0 🎉', 'r-1'),
      facts: [{ type: 'info', name: 'smsc', data: 'a' }],
    });
    const [got, ...more] = await desk.received();
    expect(more).toEqual([]);
    expect(got).toMatchObject({
      direction: 'inbound',
      status: 'completed',
      account_id: accountId,
      created_by: userId,
      contact_phone: '+15550199',
      spool_status: 'completed',
      provider_id: desk.providerId,
      facts: { sms_receive: 'success', smsc: 'a', contact_new: String(got?.contact_id) },
    });
    const [text] = await desk.sql<{ name: string }>('select name, data, description, created_by, encoding from text');
    expect(text).toMatchObject({ data: 'Grüße 🎉', created_by: userId, encoding: 2 });
    expect(text?.name).toMatch(/^sms_receive_\d+$/);
    const times = await desk.sql('select 1 from spool where time_start <= time_connect and time_connect <= time_end');
    expect(times).toHaveLength(1);
    const events = await desk.sql<{ type: string; user_id: number; data: object }>(
      'select type, user_id, data from event',
    );
    expect(events.map((event) => event.type).sort()).toEqual(['message.received', 'transmission.completed']);
    expect(events.find((event) => event.type === 'message.received')).toMatchObject({
      user_id: userId,
      data: { program_id: programId, account_id: accountId, text_id: expect.any(Number), channel: 'sms' },
    });
  });

  it('is taken once, however often it comes, one after the other or at once', async () => {
    desk = await InboundDesk.open();
    const { accountId } = await desk.account('+15550100');
    await install(accountId, 'getsms');
    const message = sms('+15550199', '+15550100', 'once', 'same');
    await desk.bring(message);
    await Promise.all(Array.from({ length: 10 }, () => desk.bring(message)));
    await Promise.all(Array.from({ length: 10 }, () => desk.bring({ ...message, ref: `long ${'x'.repeat(3000)}` })));
    expect(await desk.received()).toHaveLength(2);
    expect(await desk.sql('select 1 from text')).toHaveLength(2);
  });

  it('finds the contact by its exact normalised number, and makes one only once', async () => {
    desk = await InboundDesk.open({ config: { country: 'GB' } });
    const { accountId, userId } = await desk.account('+442071838750');
    const other = await desk.account('+442071838751');
    await install(accountId, 'getsms');
    const [known] = await desk.sql<{ contact_id: number }>(
      `insert into contact (phone, phone_normalized, created_by)
       values ('020 7946 0018', '+442079460018', $1), ('79460018', '79460018', $1), ('+442079460018', '+442079460018', $2)
       returning contact_id`,
      [userId, other.userId],
    );
    await desk.bring(sms('+442079460018', '020 7183 8750', 'hello'));
    await desk.bring(sms('442079460018', '442071838750', 'a carrier without +'));
    await Promise.all([1, 2, 3, 4].map((n) => desk.bring(sms('+442079460999', '+442071838750', `new ${n}`))));
    await desk.bring(sms('BANK', '+442071838750', 'your code'));
    await desk.bring(sms('bank', '+442071838750', 'your code'));
    const got = await desk.received();
    expect(got[0]).toMatchObject({
      contact_id: known?.contact_id,
      facts: expect.not.objectContaining({ contact_new: expect.anything() }),
    });
    expect(got[1]).toMatchObject({ contact_id: known?.contact_id, contact_phone: '+442079460018' });
    expect(new Set(got.slice(2, 6).map((row) => row.contact_id)).size).toBe(1);
    expect(new Set(got.slice(6).map((row) => row.contact_id)).size).toBe(1);
    expect(await desk.sql('select 1 from contact where created_by = $1', [userId])).toHaveLength(4);
  });

  it('goes to the account that has the number, not to one whose number only looks like it', async () => {
    desk = await InboundDesk.open();
    const a = await desk.account('+15550100');
    const b = await desk.account('+155501001');
    await install(a.accountId, 'getsms');
    await install(b.accountId, 'getsms');
    await desk.bring(sms('+15550199', '+155501001', 'for b'));
    await desk.bring(sms('+15550199', '+15550100', 'for a'));
    expect((await desk.received()).map((row) => row.created_by)).toEqual([b.userId, a.userId]);
  });

  it('leaves nothing behind if it cannot be stored, and is taken when it comes again', async () => {
    desk = await InboundDesk.open();
    const { accountId } = await desk.account('+15550100');
    await install(accountId, 'getsms');
    const taker = desk.kernel.kernel.container.resolve(InboundTaker);
    const whole = taker.take.bind(taker);
    const take = jest.spyOn(taker, 'take').mockImplementationOnce(async (...given) => {
      await whole(...given);
      throw new Error('the server died before the commit');
    });
    const message = sms('+15550199', '+15550100', 'again');
    await expect(desk.bring(message)).rejects.toThrow('died');
    for (const table of ['transmission', 'contact', 'text', 'inbound_seen', 'event']) {
      expect({ table, rows: await desk.sql(`select 1 from ${table}`) }).toEqual({ table, rows: [] });
    }
    await desk.bring(message);
    expect(await desk.received()).toHaveLength(1);
    expect(take).toHaveBeenCalledTimes(2);
  });
});

describe('mail', () => {
  const mail = (to: string, ref = 'm-1', from = 'Zoe@Example.net'): InboundMessage => ({
    kind: 'inbound',
    channel: 'email',
    ref,
    from: { email: from, name: 'Zoe Zebra Zulu' },
    to: { email: to },
    body: {
      subject: 'Hello\r\nBcc: x',
      text: 'a < b\nc',
      files: [
        file('../../etc/plan.pdf', 'Application/PDF; name=x', Buffer.from('%PDF-1.4')),
        file('', 'bad type', Buffer.from('x')),
      ],
    },
  });

  it('becomes a template with its attachments, whatever the case of the address', async () => {
    desk = await InboundDesk.open();
    const { accountId, userId } = await desk.account(null, 'Desk@Example.org');
    await install(accountId, 'getmail');
    await desk.bring(mail('desk@example.ORG'));
    const [got] = await desk.received();
    expect(got).toMatchObject({ status: 'completed', contact_email: 'Zoe@Example.net', created_by: userId });
    const [template] = await desk.sql('select subject, body, body_alt, created_by from template');
    expect(template).toEqual({
      subject: 'Hello Bcc: x',
      body: '<p>a &lt; b<br>\nc</p>',
      body_alt: 'a < b\nc',
      created_by: userId,
    });
    expect(await desk.sql('select name, media_type, size from template_attachment order by position')).toEqual([
      { name: 'plan.pdf', media_type: 'application/pdf', size: 8 },
      { name: 'attachment_2', media_type: 'application/octet-stream', size: 1 },
    ]);
    expect(await desk.sql('select first_name, last_name, email from contact')).toEqual([
      { first_name: 'Zoe', last_name: 'Zebra Zulu', email: 'Zoe@Example.net' },
    ]);
  });

  it('that an account holder sends in is matched by its sender; the other side is whom it is for', async () => {
    desk = await InboundDesk.open();
    const { accountId, userId } = await desk.account('+15550100', 'holder@example.org');
    await install(accountId, 'passmail');
    await desk.bring(mail('+15550123@fax.example.org', 'm-2', 'Holder@example.org'));
    await desk.bring(mail('+15550123@fax.example.org', 'm-3', 'stranger@example.org'));
    const got = await desk.received();
    expect(got).toMatchObject([
      { direction: 'outbound', account_id: accountId, created_by: userId, contact_email: '+15550123@fax.example.org' },
    ]);
    expect(await desk.sql('select 1 from inbound_unmatched')).toHaveLength(1);
  });
});

describe('a fax', () => {
  const fax = (ref: string, pages: number, files: InboundMessage['body']['files'] = []): InboundMessage => ({
    kind: 'inbound',
    channel: 'fax',
    ref,
    from: { phone: '+15550199' },
    to: { phone: '+15550100' },
    body: { files },
    facts: [{ type: 'info', name: 'pages', data: String(pages) }],
  });

  const onePage = Buffer.from(
    '%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj 3 0 obj<</Type/Page/MediaBox[0 0 595 842]/Parent 2 0 R>>endobj\ntrailer<</Root 1 0 R>>',
  );

  it('is passed on as a PDF once its pages are there; an answer would go to the number that faxed', async () => {
    const config = { fax_domain: 'fax.example.org', company: { name: 'Us', email: 'fax@us.example' } };
    desk = await InboundDesk.open({ config });
    const { accountId, userId } = await desk.account('+15550100', 'holder@example.org');
    await install(accountId, 'faxmail');
    await Promise.all(
      [1, 2, 3].map((n) => desk.bring(fax(`p-${n}`, 1, [file('fax.pdf', 'application/pdf', onePage)]))),
    );
    await desk.bring(fax('broken', 1, [file('fax.tif', 'image/tiff', Buffer.from('no tiff'))]));
    await desk.bring(fax('nothing', 0));
    await desk.eventually(
      async () => desk.line.sent.length,
      (count) => count >= 4,
    );
    await new Promise((resolve) => setTimeout(resolve, 2500));
    const mails = desk.line.sent as EmailOrder[];
    expect(mails.map((mail) => [mail.text.trim(), mail.attachments.length]).sort()).toEqual([
      ['1 pages', 1],
      ['1 pages', 1],
      ['1 pages', 1],
      ['no pages', 0],
    ]);
    const whole = mails.find((mail) => mail.attachments.length === 1) as EmailOrder;
    expect(whole).toMatchObject({
      to: { email: 'holder@example.org' },
      from: { email: 'fax@us.example' },
      replyTo: '15550199@fax.example.org',
      attachments: [{ mediaType: 'application/pdf', name: expect.stringMatching(/^fax_receive_\d+\.pdf$/) }],
    });
    expect((await buffer(await (whole.attachments[0] as FileRef).open())).subarray(0, 5).toString()).toBe('%PDF-');
    expect(await desk.sql('select 1 from follow_up_parked')).toEqual([]);
    expect(await desk.sql('select email, created_by from contact')).toEqual([
      { email: '15550199@fax.example.org', created_by: userId },
    ]);
  }, 30_000);

  it('becomes a document, and is failed without a page', async () => {
    desk = await InboundDesk.open();
    const { accountId, userId } = await desk.account('+15550100');
    await install(accountId, 'getfax');
    const pdf = onePage;
    await desk.bring(fax('f-1', 1, [file('fax.pdf', 'application/pdf', pdf)]));
    await desk.bring(fax('f-2', 0));
    const [good, bad] = await desk.received();
    expect(good).toMatchObject({ status: 'completed', facts: { pages: '1', fax_receive: 'success' } });
    expect(bad).toMatchObject({ status: 'failed', response: 'invalid fax', facts: { fax_receive: 'error' } });
    const rows = await desk.eventually(
      () => desk.sql<{ status: string }>('select document_id, status, pages, created_by from document'),
      ([row]) => row?.status !== 'converting' && row?.status !== null,
    );
    expect(rows).toEqual([
      { document_id: Number(good?.facts.document), status: 'ready', pages: 1, created_by: userId },
    ]);
  });
});

describe('binding', () => {
  it('one program for one number: 409 naming the other; PUT again changes the one that is there', async () => {
    desk = await InboundDesk.open();
    const { accountId } = await desk.account('+15550100');
    const id = await install(accountId, 'getsms', { echo: true });
    expect(await install(accountId, 'getsms', { echo: false, phone: null, settings: {}, username: 'ui' })).toBe(id);
    await expect(install(accountId, 'othersms')).rejects.toMatchObject({
      status: 409,
      message: expect.stringContaining(`program ${id} (getsms)`),
    });
    expect(await rules()).toEqual([{ channel: 'sms', destination: '15550100', source: '', program_id: id }]);
    expect(await programs().get(ADMIN, id)).toMatchObject({ account_id: accountId, echo: false });
  });

  it('two at once on one number: one wins', async () => {
    desk = await InboundDesk.open();
    const { accountId } = await desk.account('+15550100');
    const made = await Promise.allSettled([install(accountId, 'getsms'), install(accountId, 'othersms')]);
    expect(made.map((one) => one.status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await rules()).toHaveLength(1);
    expect(await desk.sql('select 1 from program')).toHaveLength(1);
  });

  it('412 for an account without the number; 404, 412 for types that are not there or not for accounts', async () => {
    desk = await InboundDesk.open();
    const { accountId } = await desk.account(null, 'a@example.org');
    await expect(install(accountId, 'getsms')).rejects.toMatchObject({ status: 412 });
    await expect(install(accountId, 'nosuch')).rejects.toMatchObject({ status: 404 });
    await expect(install(accountId, 'saysms', { message: 'x' })).rejects.toMatchObject({ status: 412 });
    await install(accountId, 'getmail');
    expect(await rules()).toMatchObject([{ channel: 'email', destination: 'a@example.org' }]);
  });

  it('a program by its id is bound to the account; S81 and S80 take programs away', async () => {
    desk = await InboundDesk.open();
    const a = await desk.account('+15550100');
    const b = await desk.account('+15550101');
    const id = await install(a.accountId, 'getsms');
    expect(await install(b.accountId, String(id))).toBe(id);
    expect(await rules()).toMatchObject([{ destination: '15550101', program_id: id }]);
    const service = desk.kernel.kernel.container.resolve(AccountPrograms);
    await expect(service.uninstall(ADMIN, a.accountId, 'getsms')).rejects.toMatchObject({ status: 404 });
    await service.uninstall(ADMIN, b.accountId, 'getsms');
    expect(await rules()).toEqual([]);
    await install(a.accountId, 'getsms');
    await service.uninstall(ADMIN, a.accountId);
    expect(await desk.sql('select 1 from program')).toEqual([]);
  });

  it('the rule follows the account’s number, 409 where that is taken', async () => {
    desk = await InboundDesk.open();
    const a = await desk.account('+15550100');
    const b = await desk.account('+15550101');
    const id = await install(a.accountId, 'getsms');
    await install(b.accountId, 'getsms');
    const accounts = desk.kernel.kernel.container.resolve(AccountService);
    await accounts.update(ADMIN, a.accountId, { phone: '+1 555 0102' });
    expect(await rules()).toContainEqual({ channel: 'sms', destination: '15550102', source: '', program_id: id });
    await expect(accounts.update(ADMIN, a.accountId, { phone: '+15550101' })).rejects.toMatchObject({ status: 409 });
    expect((await accounts.get(ADMIN, a.accountId)).phone).toBe('+1 555 0102');
    await accounts.update(ADMIN, a.accountId, { phone: null });
    expect(await rules()).toHaveLength(1);
    await accounts.update(ADMIN, a.accountId, { phone: '+15550100' });
    expect(await rules()).toHaveLength(2);
  });

  it('phone and email name an account of one’s own; only an administrator takes what is left over', async () => {
    desk = await InboundDesk.open();
    const a = await desk.account('+15550100', 'a@example.org');
    const b = await desk.account('+15550101');
    const id = await programs().create(user(a.userId), 'getsms', { phone: '+1 555-0100' });
    expect((await programs().get(ADMIN, id)).data).toEqual({ account_id: a.accountId });
    await expect(programs().create(user(a.userId), 'getsms', { phone: '+15550101' })).rejects.toMatchObject({
      status: 412,
      details: [{ field: 'phone' }],
    });
    await expect(programs().create(user(a.userId), 'getsms', { account_id: b.accountId })).rejects.toMatchObject({
      status: 412,
    });
    await expect(programs().create(user(a.userId), 'getsms', {})).rejects.toMatchObject({ status: 403 });
    const rest = await programs().create(ADMIN, 'getsms', {});
    await expect(programs().create(ADMIN, 'othersms', {})).rejects.toMatchObject({ status: 409 });
    await desk.bring(sms('+15550199', '+15550101', 'to b, by what is left over'));
    await desk.bring(sms('+15550199', '+15550100', 'to a, by its own'));
    expect(await desk.sql('select program_id, created_by from transmission order by 1')).toEqual([
      { program_id: id, created_by: a.userId },
      { program_id: rest, created_by: b.userId },
    ]);
  });
});

describe('what nobody takes', () => {
  it.each([
    ['an unknown number', '+15550777', ''],
    ['an inactive account', '+15550100', 'update account set active = 0'],
    ['an inactive user', '+15550100', 'update usr set active = 0'],
    ['an account without owner', '+15550100', 'update account set created_by = null'],
  ])('%s: kept for administrators, no transmission', async (_what, to, change) => {
    desk = await InboundDesk.open();
    const { accountId } = await desk.account('+15550100');
    await install(accountId, 'getsms');
    if (change) await desk.sql(change);
    await desk.bring(sms('+15550199', to, 'anybody?', 'u-1'));
    await desk.bring(sms('+15550199', to, 'anybody?', 'u-1'));
    expect(await desk.received()).toEqual([]);
    expect(await desk.sql('select source, destination, text, ref from inbound_unmatched')).toEqual([
      { source: '+15550199', destination: to, text: 'anybody?', ref: 'u-1' },
    ]);
    expect(await desk.sql('select type from event')).toEqual([{ type: 'message.unmatched' }]);
  });

  it('can be given to an account, with its files, once', async () => {
    desk = await InboundDesk.open();
    const { accountId, userId } = await desk.account(null, 'a@example.org');
    const without = await desk.account(null, 'b@example.org');
    const files = [file('a.txt', 'text/plain', Buffer.from('hello'))];
    const body = { subject: 's', html: '<b>h</b>', files };
    await desk.bring({
      kind: 'inbound',
      channel: 'email',
      ref: 'x',
      from: { email: 'z@example.net' },
      to: { email: 'lost@example.org' },
      body,
    });
    const unmatched = desk.kernel.kernel.container.resolve(UnmatchedService);
    const [row] = (await unmatched.list(ADMIN, {})).rows;
    const id = row?.unmatched_id as number;
    await expect(unmatched.assign(ADMIN, id, without.accountId)).rejects.toMatchObject({ status: 423 });
    await install(accountId, 'getmail');
    const transmission = await unmatched.assign(ADMIN, id, accountId);
    expect(await desk.received()).toMatchObject([
      { transmission_id: transmission, created_by: userId, contact_email: 'z@example.net' },
    ]);
    expect(await desk.sql('select name, size from template_attachment')).toEqual([{ name: 'a.txt', size: 5 }]);
    await expect(unmatched.assign(ADMIN, id, accountId)).rejects.toMatchObject({ status: 404 });
  });
});

describe('follow-ups', () => {
  const children = () =>
    desk.sql<{ status: string; created_by: number; parent_id: number; contact_phone: string }>(
      `select t.status, t.created_by, p.parent_id, t.contact_phone from transmission t join program p using (program_id)
        where p.parent_id is not null order by transmission_id`,
    );

  it('are made once for each verdict, by several nodes too, belong to the owner, and are sent', async () => {
    desk = await InboundDesk.open();
    await desk.kernel.boot();
    const { accountId, userId } = await desk.account('+15550100');
    const parent = await install(accountId, 'getsms', { echo: true });
    const count = 30;
    await Promise.all(
      Array.from({ length: count }, (_, n) => desk.bring(sms(`+1555020${n + 10}`, '+15550100', `${n}`))),
    );
    const rows = await desk.eventually(
      children,
      (all) => all.length >= count && all.every((row) => row.status === 'completed'),
    );
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(await children()).toHaveLength(count);
    expect(rows.every((row) => row.parent_id === parent && row.created_by === userId)).toBe(true);
    expect(new Set(rows.map((row) => row.contact_phone)).size).toBe(count);
    expect(desk.line.sent.map((order) => (order as { text: string }).text).sort()).toEqual(
      Array.from({ length: count }, (_, n) => `you said ${n}`).sort(),
    );
  });

  it('that cannot be made are told and hold nobody up', async () => {
    desk = await InboundDesk.open();
    const { accountId, userId } = await desk.account('+15550100');
    await install(accountId, 'getsms', { echo: true });
    await desk.bring(sms('', '+15550100', 'from nobody'));
    await desk.bring(sms('+15550199', '+15550100', 'from somebody'));
    await desk.eventually(children, (all) => all.length === 1);
    expect(await desk.sql(`select user_id from event where type = 'transmission.follow_up_failed'`)).toEqual([
      { user_id: userId },
    ]);
  });
});

describe('an event on a node that only answers HTTP', () => {
  it('is stored: messages at once, reports for the others to find', async () => {
    const line = new FakeLine();
    line.onWebhook = () => ({ events: [] });
    desk = await InboundDesk.open({ line, config: { role: 'api' } });
    const { accountId } = await desk.account('+15550100');
    await install(accountId, 'getsms');
    await desk.bring(sms('+15550199', '+15550100', 'hello'));
    const { pool } = desk.kernel.engine();
    await pool.onEvent(desk.providerId, { kind: 'report', ref: 'x', outcome: { kind: 'delivered', ref: 'x' } });
    expect(await desk.received()).toHaveLength(1);
    expect(await desk.sql('select call_id from report_parked')).toEqual([{ call_id: 'x' }]);
  });
});
