import 'reflect-metadata';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import type { Actor, Channel } from '@ictcore/contract';
import { AccountPrograms } from '../inbound/account-programs';
import { ADMIN, InboundDesk, sms } from '../testing/inbound-desk';
import { contactDncCreate } from './contact-dnc.schema';
import { ContactDncService } from './contact-dnc.service';
import { ContactDncCsv } from './contact-dnc-csv.service';

let desk: InboundDesk;
beforeAll(async () => {
  desk = await InboundDesk.open({ config: { country: 'GB' } });
});
afterAll(() => desk.stop());
beforeEach(() => desk.sql('truncate contact_dnc, transmission, contact, event restart identity cascade'));

const user = (userId: number): Actor => ({ userId, username: `u${userId}`, can: (name) => !name.endsWith('_admin') });
const service = () => desk.kernel.kernel.container.resolve(ContactDncService);
const list = () =>
  desk.sql('select channel, address, normalized, origin, created_by from contact_dnc order by contact_dnc_id');
const add = (actor: Actor, given: object) => service().create(actor, contactDncCreate.parse(given));

describe('the list', () => {
  it('holds one entry per channel, normalised number and owner', async () => {
    const id = await add(user(1), { channel: 'sms', phone: '020 7946 0018', description: 'asked' });
    await expect(add(user(1), { channel: 'sms', phone: '+44 20 7946 0018' })).rejects.toMatchObject({ status: 409 });
    await add(user(1), { channel: 'voice', phone: '+44 20 7946 0018' });
    await add(user(1), { email: 'Ann@Example.org' });
    await add(ADMIN, { channel: 'sms', phone: '+442079460018', everyone: 1 });
    await expect(add(ADMIN, { channel: 'sms', phone: '+442079460018', everyone: 1 })).rejects.toMatchObject({
      status: 409,
    });
    await expect(add(user(1), { email: 'a@example.org', everyone: 1 })).rejects.toMatchObject({ status: 403 });
    expect(await list()).toMatchObject([
      { channel: 'sms', address: '020 7946 0018', normalized: '442079460018', created_by: 1 },
      { channel: 'voice', normalized: '442079460018' },
      { channel: 'email', address: 'Ann@Example.org', normalized: 'ann@example.org' },
      { channel: 'sms', created_by: null },
    ]);
    expect(await service().get(user(1), id)).toMatchObject({ phone: '020 7946 0018', email: null, everyone: 0 });
    expect(await service().update(user(1), id, { description: 'again' })).toMatchObject({ description: 'again' });
    await expect(service().get(user(2), id)).rejects.toMatchObject({ status: 404 });
    expect((await service().list(user(1), {})).rows).toHaveLength(3);
    expect((await service().list(ADMIN, { channel: 'sms' })).rows).toHaveLength(2);
    await service().remove(user(1), id);
    expect(await list()).toHaveLength(3);
  });

  it.each([
    [{}, 'phone'],
    [{ channel: 'email' }, 'email'],
    [{ phone: '+1555' }, 'channel'],
    [{ channel: 'email', phone: '+1555' }, 'email'],
    [{ channel: 'sms', email: 'a@example.org' }, 'channel'],
    [{ channel: 'sms', phone: '+1555', email: 'a@example.org' }, 'email'],
    [{ channel: 'pigeon', phone: '+1555' }, 'channel'],
  ])('%j is refused for its %s', (given, field) => {
    const parsed = contactDncCreate.safeParse(given);
    expect(parsed.error?.issues.map((issue) => issue.path[0])).toContain(field);
  });

  it('comes and goes as CSV', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'ictcore-dnc-'));
    const csv = desk.kernel.kernel.container.resolve(ContactDncCsv);
    const run = (content: string, channel?: Channel) => {
      const file = path.join(folder, 'list.csv');
      writeFileSync(file, content);
      return csv.import(user(1), { file, channel, everyone: undefined }, new AbortController().signal);
    };
    try {
      const report = await run(
        '\ufeffchannel,address,description\r\nsms,020 7946 0018,"asked, twice"\r\nSMS,+442079460018,\r\n,ann@example.org,=1+1\r\nfax,nobody,\r\npigeon,+1555,\r\n,,\r\n',
      );
      expect(report).toEqual({
        imported: 2,
        duplicates: 1,
        skipped: 3,
        errors: [
          { row: 5, message: expect.stringContaining('digit') },
          { row: 6, message: expect.stringContaining('channel') },
        ],
      });
      expect(await run('+15550100\n+15550101\n', 'voice')).toMatchObject({ imported: 2, errors: [] });
      const text = await textOf(await csv.export(user(1), {}));
      expect(text.split('\r\n').sort()).toEqual(
        [
          '',
          'channel,address,description',
          "email,ann@example.org,'=1+1",
          'sms,020 7946 0018,"asked, twice"',
          'voice,+15550100,',
          'voice,+15550101,',
        ].sort(),
      );
      expect(await run(text)).toMatchObject({ imported: 0, duplicates: 4, skipped: 0 });
      expect(await textOf(await csv.export(user(2), {}))).toBe('channel,address,description\r\n');
      await expect(run('sms,"+1555\n')).rejects.toMatchObject({ status: 412 });
      expect(await list()).toHaveLength(4);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('is read into ten thousand rows at once, of which every second is new', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'ictcore-dnc-'));
    const file = path.join(folder, 'list.csv');
    const rows = Array.from({ length: 10_000 }, (_, n) => `sms,+1555${String(1_000_000 + (n >> 1))},`);
    writeFileSync(file, rows.join('\n'));
    const csv = desk.kernel.kernel.container.resolve(ContactDncCsv);
    const task = { file, channel: undefined, everyone: undefined };
    const report = await csv
      .import(user(1), task, new AbortController().signal)
      .finally(() => rmSync(folder, { recursive: true }));
    expect(report).toEqual({ imported: 5000, duplicates: 5000, skipped: 0, errors: [] });
  });
});

describe('what goes out', () => {
  it('to somebody on the list is refused for good, in a batch too; others leave', async () => {
    const ids = await desk.kernel.transmissions(20, 5);
    await desk.sql(
      `insert into contact_dnc (channel, address, normalized, created_by)
       select 'sms', phone, substr(phone_normalized, 2), case when contact_id % 4 = 0 then null else 1 end
         from contact where contact_id % 2 = 0`,
    );
    await desk.sql(
      `insert into contact_dnc (channel, address, normalized, created_by) select c.channel, phone, substr(phone_normalized, 2), 1
         from contact, (values ('voice'), ('fax')) as c(channel)`,
    );
    const engine = desk.kernel.engine();
    await engine.release(desk.kernel.database, ids, ['pending'], 0);
    engine.wake();
    for (const id of ids) await desk.kernel.until(id, 'completed', 'failed');
    const rows = await desk.sql<{
      n: number;
      status: string;
      response: string;
      reason: string | null;
      try_done: number;
    }>(
      `select count(*) as n, t.status, t.response, s.reason, t.try_done
         from transmission t join spool s using (transmission_id) group by 2, 3, 4, 5 order by 2`,
    );
    expect(rows).toEqual([
      { n: 10, status: 'completed', response: '', reason: null, try_done: 1 },
      { n: 10, status: 'failed', response: 'do_not_contact', reason: 'blocked', try_done: 1 },
    ]);
    expect(desk.line.sent).toHaveLength(10);
  });

  it('by itself answers 423, and the refusal stays on record (S64)', async () => {
    const [id] = (await desk.kernel.transmissions(1, 3)) as [number];
    const before = desk.line.sent.length;
    await desk.sql(
      `insert into contact_dnc (channel, address, normalized, created_by) select 'sms', phone, substr(phone_normalized, 2), 1 from contact`,
    );
    await expect(desk.kernel.send(id)).rejects.toMatchObject({ status: 423, message: 'Not sent: do_not_contact' });
    expect(await desk.kernel.state(id)).toEqual({ status: 'failed', response: 'do_not_contact', try_done: 1 });
    expect(await desk.kernel.spools(id)).toMatchObject([{ status: 'failed', reason: 'blocked', call_id: null }]);
    await desk.sql('delete from contact_dnc');
    await desk.kernel.send(id);
    expect(await desk.kernel.until(id, 'completed')).toMatchObject({ try_done: 2 });
    expect(desk.line.sent).toHaveLength(before + 1);
  });
});

describe('keywords', () => {
  let accountId: number;
  let userId: number;
  let number = 0;
  let own: string;
  beforeEach(async () => {
    own = `+442079461${String(++number).padStart(3, '0')}`;
    ({ accountId, userId } = await desk.account(own));
    await desk.kernel.kernel.container.resolve(AccountPrograms).install(ADMIN, accountId, 'getsms');
    desk.line.sent.length = 0;
  });
  const write = (text: string) => desk.bring(sms('+447700900123', own, text));
  const answers = () => desk.line.sent.map((order) => (order as { text: string; to: { phone: string } }).text);
  const settled = async () => {
    await new Promise((resolve) => setTimeout(resolve, 2500));
    return answers();
  };

  it('STOP puts the sender on the list and is confirmed once; START takes him off, confirmed once', async () => {
    await write(' Stop! ');
    await desk.eventually(
      async () => answers(),
      (all) => all.length === 1,
    );
    expect(await list()).toEqual([
      { channel: 'sms', address: '+447700900123', normalized: '447700900123', origin: 'keyword', created_by: userId },
    ]);
    await write('STOP');
    await write('unsubscribe');
    expect(await settled()).toEqual(['stop confirmed']);
    await write('start');
    await write('START');
    await write('START please send me more');
    expect(await settled()).toEqual(['stop confirmed', 'start confirmed']);
    expect(await list()).toEqual([]);
    expect(await desk.sql('select 1 from contact_dnc_answer')).toHaveLength(2);
  }, 20_000);

  it('HELP is answered once a day, also to somebody on the list, who stays there', async () => {
    await write('QUIT');
    await write('help');
    await write('HELP?');
    expect((await settled()).sort()).toEqual(['help confirmed', 'stop confirmed']);
    expect(await list()).toHaveLength(1);
  }, 20_000);

  it.each(['Please stop', 'STOP it', 'stopping', 'ends', '', '…'])('%j is an ordinary message', async (text) => {
    await write(text);
    expect(await desk.received()).toMatchObject([
      { facts: expect.not.objectContaining({ keyword: expect.anything() }) },
    ]);
    expect(await list()).toEqual([]);
  });
});
