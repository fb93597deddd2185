import 'reflect-metadata';
import http from 'node:http';
import { Client } from 'pg';
import { sqlOn } from '../../database/sql';
import { Caller, type Report } from '../../testing/caller';
import { TestKernel } from '../../testing/test-kernel';
import { takeImportLock } from '../group-lock';

let test: TestKernel;
let ann: Caller;

beforeAll(async () => {
  test = await TestKernel.start({ config: { country: 'GB', import: { max_bytes: 30_000_000, max_rows: 150_000 } } });
  ann = await Caller.user(test, 'ann');
});

afterAll(() => test.stop());

/** Each test with numbers of its own, as a contact that is there already is linked. */
let series = 100;
const phones = (count: number) => {
  series++;
  return Array.from({ length: count }, (_, i) => `+4420${series}${String(i).padStart(5, '0')}`);
};

interface Row {
  contact_id: number;
  first_name: string | null;
  last_name: string | null;
  phone: string | null;
  email: string | null;
  address: string | null;
  custom1: string | null;
  description: string;
}
const members = (id: number) => ann.ok<Row[]>('GET', `/groups/${id}/contacts`);

/** Imports into a new group and answers report and members. */
async function imported(csv: string | Uint8Array, query = '', type = 'text/csv') {
  const id = await ann.group();
  const reply = await ann.csv(`/groups/${id}/csv${query}`, csv, type);
  return { id, status: reply.status, report: reply.body, rows: await members(id), text: reply.text };
}

describe('import, S12', () => {
  it('takes nine columns without a header', async () => {
    const [phone] = phones(1);
    const { id, report, rows } = await imported(`${phone},Ada,Lovelace,ada@example.org,"1 St, London",a,b,c,first\r\n`);
    expect(report).toEqual({ group_id: id, imported: 1, linked: 0, skipped: 0, errors: [] });
    expect(rows[0]).toMatchObject({
      phone,
      first_name: 'Ada',
      last_name: 'Lovelace',
      email: 'ada@example.org',
      address: '1 St, London',
      custom1: 'a',
      custom2: 'b',
      custom3: 'c',
      description: 'first',
    });
  });

  it.each([
    ['the guide', (id: number) => `/groups/import/contact_group/${id}`],
    ['later', (id: number) => `/groups/${id}/csv`],
    ['the first code', (id: number) => `/groups/${id}/import/contact_csv`],
  ])('answers at the path of %s', async (_, path) => {
    const id = await ann.group();
    const reply = await ann.csv(path(id), `${phones(1)[0]}\n`);
    expect([reply.status, reply.body]).toEqual([200, { group_id: id, imported: 1, linked: 0, skipped: 0, errors: [] }]);
    expect(await ann.ok('GET', `/groups/${id}`)).toMatchObject({ contact_total: 1 });
    expect(await members(id)).toHaveLength(1);
  });

  it('takes a column of phones, with LF, CRLF or CR, with or without an end of the last line', async () => {
    for (const end of ['\n', '\r\n', '\r']) {
      const numbers = phones(3);
      const { rows, report } = await imported(numbers.join(end) + (end === '\n' ? '' : end));
      expect(report).toMatchObject({ imported: 3, skipped: 0, errors: [] });
      expect(rows.map((row) => row.phone)).toEqual(numbers);
    }
  });

  it('knows a header in any order, in any spelling, with columns of others', async () => {
    const [one, two] = phones(2);
    const { rows, report } = await imported(
      `\ufeffFirst Name,age,PHONE,E-Mail\nAda,36,${one},ada@example.org\nAlan,41,${two},\n`,
    );
    expect(report).toMatchObject({ imported: 2, errors: [] });
    expect(rows.map(({ first_name, phone, email }) => [first_name, phone, email])).toEqual([
      ['Ada', one, 'ada@example.org'],
      ['Alan', two, null],
    ]);
    const twice = await imported('phone,Phone\n1,2\n');
    expect([twice.status, twice.text]).toEqual([412, expect.stringContaining('phone twice')]);
  });

  it('passes over a byte order mark, with and without a header', async () => {
    const [phone] = phones(1);
    const { rows } = await imported(Buffer.from(`\ufeff${phone},Ada\n`));
    expect(rows[0]).toMatchObject({ phone, first_name: 'Ada' });
  });

  it('takes quotes, doubled quotes and line breaks inside cells, and counts lines on', async () => {
    const [one, two] = phones(2);
    const csv = `"${one}","A ""B"" C",,,"line 1\r\nline 2\nline 3",,,,\\N tab\there\n,nobody\n${two},it's 5" wide\n,again\n`;
    const { rows, report } = await imported(csv);
    expect(report).toMatchObject({ imported: 2, skipped: 2 });
    expect(report.errors).toEqual([
      { line: 4, message: 'has neither a phone nor an email' },
      { line: 6, message: 'has neither a phone nor an email' },
    ]);
    expect(rows[0]).toMatchObject({
      first_name: 'A "B" C',
      address: 'line 1\r\nline 2\nline 3',
      description: '\\N tab\there',
    });
    expect(rows[1]).toMatchObject({ first_name: 'it\'s 5" wide' });
  });

  it('takes ragged rows up to nine columns, and refuses longer ones by line', async () => {
    const numbers = phones(4);
    const { report, rows } = await imported(
      `${numbers[0]},Ada\n${numbers[1]}\n${numbers[2]},1,2,,4,5,6,7,8,\n${numbers[3]},1,2,,4,5,6,7,8,ten\n`,
    );
    expect(report).toMatchObject({ imported: 3, skipped: 1 });
    expect(report.errors).toEqual([{ line: 4, message: 'has 10 columns; at most 9 are known' }]);
    expect(rows).toHaveLength(3);
    const headed = await imported(`phone,first_name\n${phones(1)[0]},Ada,more\n`);
    expect(headed.report.errors).toEqual([{ line: 2, message: 'has 3 columns; the header has 2' }]);
  });

  it('skips blank rows; empty lines at the end are none', async () => {
    const [one, two] = phones(2);
    const { report } = await imported(`${one}\n,,,,,,,,\n\n${two}\n\n\n`);
    expect(report).toMatchObject({ imported: 2, linked: 0, skipped: 2, errors: [] });
    expect((await imported(',,,\n')).report).toMatchObject({ imported: 0, skipped: 1, errors: [] });
    expect((await imported('\n')).report).toMatchObject({ imported: 0, skipped: 0, errors: [] });
    expect((await imported('phone,email\r\n')).report).toMatchObject({ imported: 0, skipped: 0, errors: [] });
  });

  it('tells what is wrong with a row, by line, the first hundred', async () => {
    const [good] = phones(1);
    const bad = ['abc', '1'.repeat(33), '+-()', '4.42079E+11', ',A,,no address', `,,,${'x'.repeat(60)}@example.org`];
    const { report, rows } = await imported([...bad, good, `${good},${'x'.repeat(65)}`].join('\n'));
    expect(report).toMatchObject({ imported: 1, skipped: 7 });
    expect(report.errors.map(({ line, message }) => [line, message])).toEqual([
      [1, 'phone: must hold at least one digit'],
      [2, 'phone: must be at most 32 characters'],
      [3, 'phone: must hold at least one digit'],
      [4, expect.stringContaining('rounded by a spreadsheet')],
      [5, 'email: is not an e-mail address'],
      [6, 'email: must be at most 64 characters'],
      [8, 'first_name: must be at most 64 characters'],
    ]);
    expect(rows).toHaveLength(1);
    const many = await imported('x\n'.repeat(250));
    expect(many.report).toMatchObject({ imported: 0, skipped: 250 });
    expect(many.report.errors).toHaveLength(100);
  });

  it('refuses rows that are not UTF-8 or hold NUL, and takes the rest', async () => {
    const [one, two, three] = phones(3);
    const csv = Buffer.concat([
      Buffer.from(`${one},J\u00f6rg \ufffd\n`),
      Buffer.from(`${two},J`),
      Buffer.from([0xf6, 0x72, 0x67, 0x0a]),
      Buffer.from(`${three},nul\0\n`),
    ]);
    const { report, rows } = await imported(csv);
    expect(report.errors).toEqual([
      // The mark itself, which the first row holds, cannot be told from a broken letter of the same piece of the file.
      { line: 1, message: expect.stringContaining('is not UTF-8') },
      { line: 2, message: expect.stringContaining('is not UTF-8') },
      { line: 3, message: 'first_name: must not contain the NUL character' },
    ]);
    expect(rows).toEqual([]);
    expect((await imported(`${one},J\u00f6rg \ufffd\n`)).rows[0]).toMatchObject({ first_name: 'J\u00f6rg \ufffd' });
    // 64 KiB end in the middle of a letter.
    const long = `${'\u00f6'.repeat(63)}`;
    const border = phones(1000).map((phone) => `${phone},${long}`);
    expect((await imported(border.join('\n'))).report).toMatchObject({ imported: 1000, errors: [] });
  });

  it('decodes the character set that is named', async () => {
    const [one, two] = phones(2);
    const latin = Buffer.from(`${one},J\u00f6rg\n`, 'latin1');
    const { rows } = await imported(latin, '', 'text/csv; charset=ISO-8859-1');
    expect(rows[0]).toMatchObject({ first_name: 'J\u00f6rg' });
    expect((await imported(`${two},J\u00f6rg\n`, '', 'text/plain; charset="UTF-8"')).rows[0]?.first_name).toBe(
      'J\u00f6rg',
    );
    expect((await imported('1', '', 'text/csv; charset=klingon')).status).toBe(415);
  });

  it('takes semicolons and tabs where the first line has no comma', async () => {
    for (const mark of [';', '\t']) {
      const [phone] = phones(1);
      const { rows } = await imported(`phone${mark}first_name\n${phone}${mark}"A${mark}da"\n`);
      expect(rows[0]).toMatchObject({ phone, first_name: `A${mark}da` });
    }
  });

  it('refuses a quote that is never closed, and imports nothing', async () => {
    const numbers = phones(3000);
    const { status, rows, text } = await imported(
      `${numbers.slice(0, 2000).join('\n')}\n"${numbers.slice(2000).join('\n')}`,
    );
    expect([status, rows]).toEqual([412, []]);
    expect(text).toContain('quote');
  });

  it("takes multipart with a part of any name, and Excel's name for CSV", async () => {
    for (const [type, name] of [
      ['text/csv', 'a.csv'],
      ['application/vnd.ms-excel', 'b.csv'],
      ['', 'c.csv'],
    ] as const) {
      const id = await ann.group();
      const form = new FormData();
      form.set('file_contents', new Blob([`${phones(1)[0]}\n`], { type }), name);
      const reply = await ann.call<Report>('POST', `/groups/import/contact_group/${id}`, form);
      expect([type, reply.status, reply.body.imported]).toEqual([type, 200, 1]);
    }
    expect((await imported(`${phones(1)[0]}`, '', 'application/vnd.ms-excel')).report.imported).toBe(1);
  });

  it('answers 411, 413 and 415', async () => {
    const id = await ann.group();
    const path = `/groups/${id}/csv`;
    const status = async (body: string | FormData, type?: string) =>
      (await ann.call('POST', path, body, type ? { 'content-type': type } : {})).status;
    expect(await status('', 'text/csv')).toBe(411);
    for (const type of ['application/json', 'application/pdf', 'application/octet-stream', 'image/png']) {
      expect([type, await status('[1]', type)]).toEqual([type, 415]);
    }
    expect(await status('a=1', 'application/x-www-form-urlencoded')).toBe(415);
    const form = new FormData();
    form.set('file', new Blob(['1'], { type: 'application/pdf' }), 'a.pdf');
    expect(await status(form)).toBe(415);
    form.delete('file');
    form.set('name', 'no file');
    expect(await status(form)).toBe(411);
    expect(await status('1\n'.repeat(150_001), 'text/csv')).toBe(413);
    expect(await status('x'.repeat(30_000_001), 'text/csv')).toBe(413);
    expect((await ann.call('POST', '/groups/x/csv', '1', { 'content-type': 'text/csv' })).status).toBe(400);
    expect((await ann.call('POST', `${path}?duplicates=maybe`, '1', { 'content-type': 'text/csv' })).status).toBe(412);
    expect(await members(id)).toEqual([]);
  });
});

describe('duplicates', () => {
  it('link the contact that its owner has: by phone in any spelling, without a phone by e-mail', async () => {
    const [phone] = phones(1) as [string];
    const national = `0${phone.slice(3, 7)} ${phone.slice(7)}`;
    const one = await ann.ok<number>('POST', '/contacts', { phone: national, first_name: 'One' });
    const two = await ann.ok<number>('POST', '/contacts', { email: `Two.${series}@example.org` });
    const { report, rows } = await imported(`${phone},Other name\n,,,two.${series}@EXAMPLE.org\n`);
    expect(report).toMatchObject({ imported: 0, linked: 2, skipped: 0 });
    expect(rows.map((row) => row.contact_id)).toEqual([one, two]);
    expect(rows[0]).toMatchObject({ first_name: 'One', phone: national });
  });

  it("of rows with a phone are not told by e-mail: nobody's number is lost", async () => {
    const [one, two] = phones(2);
    const { report } = await imported(`${one},A,,family${series}@example.org\n${two},B,,family${series}@example.org\n`);
    expect(report).toMatchObject({ imported: 2, linked: 0 });
  });

  it('within one file make one contact, and importing again adds nothing', async () => {
    const [one, two] = phones(2);
    const csv = `${one},A\n${two},B\n${one},C\n,,,x${series}@example.org\n,,,X${series}@example.org\n`;
    const { id, report, rows } = await imported(csv);
    expect(report).toMatchObject({ imported: 3, linked: 2 });
    expect(rows.map((row) => row.first_name)).toEqual(['A', 'B', null]);
    const again = await ann.csv(`/groups/${id}/csv`, csv);
    expect(again.body).toMatchObject({ imported: 0, linked: 5 });
    expect(await ann.ok('GET', `/groups/${id}`)).toMatchObject({ contact_total: 3 });
  });

  it('are made anew with duplicates=create', async () => {
    const [phone] = phones(1);
    await ann.ok('POST', '/contacts', { phone });
    const { report, rows } = await imported(`${phone}\n${phone}\n`, '?duplicates=create');
    expect(report).toMatchObject({ imported: 2, linked: 0 });
    expect(rows).toHaveLength(2);
  });

  it('are not looked for among the contacts of others', async () => {
    const [phone] = phones(1);
    const bob = await Caller.user(test, 'bob');
    const his = await bob.ok<number>('POST', '/contacts', { phone });
    const { report, rows } = await imported(`${phone}\n`);
    expect(report.imported).toBe(1);
    expect(rows[0]?.contact_id).not.toBe(his);
  });
});

describe('export, S11', () => {
  const AWKWARD = [
    '+442070000001,=1+1,"a,b",x@example.org,"two\r\nlines","say ""hi""", space ,,end\r\n',
    ',-Minus,@at,only@example.org,,\ufffd\u00e9\u{1f600},\ttab,\\backslash,\r\n',
  ].join('');

  it('gives back what was imported, byte by byte, and takes it again', async () => {
    const { id } = await imported(AWKWARD);
    const reply = await ann.call<string>('GET', `/groups/${id}/csv`);
    expect(reply.text).toBe(AWKWARD);
    expect(reply.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(reply.headers.get('content-disposition')).toContain(`attachment; filename="group_${id}.csv"`);
    const copy = await imported(reply.text, '?duplicates=create');
    expect((await ann.call('GET', `/groups/${copy.id}/export/contact.csv`)).text).toBe(AWKWARD);
  });

  it('names the columns with header=1, guards formulas with safe=1, and can be imported so', async () => {
    const { id } = await imported(AWKWARD, '?duplicates=create');
    const { text } = await ann.call('GET', `/groups/${id}/csv?header=1&safe=1`);
    const [header, first] = text.split('\r\n');
    expect(header).toBe('phone,first_name,last_name,email,address,custom1,custom2,custom3,description');
    expect(first).toContain(`'+442070000001,'=1+1,"a,b",x@example.org,"two`);
    expect(text).toContain(`,'-Minus,'@at,only@example.org`);
    const again = await imported(text, '?duplicates=create');
    expect(again.report).toMatchObject({ imported: 2, errors: [] });
    expect(again.rows[0]?.phone).toBe('+442070000001');
  });

  it('takes the filters of contacts; an empty group is an empty file', async () => {
    const [one, two] = phones(2);
    const { id } = await imported(`${one},Ada\n${two},Grace\n`);
    expect((await ann.call('GET', `/groups/${id}/csv?first_name=grace`)).text).toBe(`${two},Grace,,,,,,,\r\n`);
    const empty = await ann.call('GET', `/groups/${await ann.group()}/csv`);
    expect([empty.status, empty.text]).toEqual([200, '']);
    expect((await ann.call('GET', `/groups/${id}/csv?group_id=x`)).status).toBe(412);
  });
});

it.each(['/groups/import/contact_csv/sample', '/groups/sample/csv', '/groups/export/contact_csv/sample'])(
  'gives a sample that can be imported at %s, S13',
  async (path) => {
    const reply = await ann.call('GET', path);
    expect(reply.headers.get('content-disposition')).toContain('filename="contact_sample.csv"');
    expect(reply.headers.get('content-type')).toContain('text/csv');
    expect(reply.text.split('\r\n')).toHaveLength(3);
    for (const text of [reply.text, (await ann.call('GET', `${path}?header=1`)).text]) {
      expect((await imported(text, '?duplicates=create')).report).toMatchObject({ imported: 2, errors: [] });
    }
  },
);

it('answers 423 to an import into, and to the deletion of, a group that is being imported into', async () => {
  const id = await ann.group();
  const other = new Client({ connectionString: test.database.url });
  await other.connect();
  const sql = sqlOn(other);
  expect(await takeImportLock(sql, id)).toBe(true);
  const [phone] = phones(1);
  expect((await ann.csv(`/groups/${id}/csv`, `${phone}\n`)).status).toBe(423);
  expect((await ann.call('DELETE', `/groups/${id}`)).status).toBe(423);
  expect((await ann.csv(`/groups/${await ann.group()}/csv`, `${phone}\n`)).status).toBe(200);
  await other.end();
  expect((await ann.csv(`/groups/${id}/csv`, `${phone}\n`)).body).toMatchObject({ imported: 0, linked: 1 });
  expect(await ann.ok('DELETE', `/groups/${id}`)).toBe(true);
});

describe('large files', () => {
  /** 100,000 rows, some nine megabytes. */
  const large = () =>
    phones(100_000).map((phone, i) => `${phone},First${i},Last${i},u${i}@example.org,"1 Street, Town"`);

  it('are imported and exported while others are answered, in bounded memory, one at a time', async () => {
    const rows = large();
    const id = await ann.group();
    const body = Buffer.from(`${rows.join('\r\n')}\r\n`);
    global.gc?.();
    const before = process.memoryUsage();
    let most = 0;
    let slowest = 0;
    const watch = setInterval(() => {
      const { rss } = process.memoryUsage();
      most = Math.max(most, rss - before.rss);
    }, 20);
    const running = ann.csv(`/groups/${id}/csv`, body);
    let ended = false;
    void running.finally(() => {
      ended = true;
    });
    const statuses = new Set<number>();
    while (!ended) {
      const begun = performance.now();
      await ann.ok('GET', `/groups/${id}`);
      slowest = Math.max(slowest, performance.now() - begun);
      statuses.add((await ann.csv(`/groups/${id}/csv`, ',\n')).status);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    clearInterval(watch);
    const reply = await running;
    expect(reply.text).toBe(JSON.stringify({ group_id: id, imported: 100_000, linked: 0, skipped: 0, errors: [] }));
    expect(statuses).toContain(423);
    // The client's own share (the body, several times over) is in here as well.
    expect(most).toBeLessThan(150 * 2 ** 20);
    expect(slowest).toBeLessThan(2000);
    expect(await ann.ok('GET', `/groups/${id}`)).toMatchObject({ contact_total: 100_000 });
    const exported = await ann.call('GET', `/groups/${id}/csv`);
    expect(exported.text).toBe(rows.map((row) => `${row},,,,\r\n`).join(''));
  }, 60_000);

  it('leave nothing behind when the client goes away', async () => {
    const id = await ann.group();
    const body = Buffer.from(large().join('\n'));
    const contacts = () => test.database.query<{ n: number }>('select count(*) as n from contact');
    const before = await contacts();
    // Once in the middle of the upload, once while the answer is waited for.
    for (const length of [body.length + 1000, body.length]) {
      await new Promise<void>((resolve) => {
        const request = http.request(`${ann.base}/groups/${id}/csv`, {
          method: 'POST',
          headers: { authorization: ann.authorization, 'content-type': 'text/csv', 'content-length': length },
        });
        request.on('error', () => resolve());
        request.write(body, () => setTimeout(() => request.destroy(new Error('gone')), 300));
      });
    }
    const end = Date.now() + 15_000;
    let status = 423;
    while (status === 423 && Date.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      status = (await ann.csv(`/groups/${id}/csv`, ',\n')).status;
    }
    expect(status).toBe(200);
    expect(await contacts()).toEqual(before);
    expect(await ann.ok('GET', `/groups/${id}`)).toMatchObject({ contact_total: 0 });
    const left = await test.database.query(
      `select 1 from pg_stat_activity where application_name = 'ictcore import' and datname = current_database()`,
    );
    expect(left).toEqual([]);
  }, 60_000);

  it('may consist of the shortest rows there are', async () => {
    const { report } = await imported('7\n'.repeat(120_000));
    expect(report).toMatchObject({ imported: 1, linked: 119_999, skipped: 0, errors: [] });
  }, 60_000);

  it('are given up by a server that stops, within its time and without a trace', async () => {
    const own = await TestKernel.start();
    const by = Caller.admin(own);
    const id = await by.group();
    const cut = by.csv(`/groups/${id}/csv`, large().join('\n')).catch((error: Error) => error);
    const imports = `select 1 from pg_stat_activity
      where application_name = 'ictcore import' and datname = current_database() and query ~ 'insert into contact'`;
    while ((await own.database.query(imports)).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    const begun = Date.now();
    await own.kernel.stop();
    expect(Date.now() - begun).toBeLessThan(20_000);
    expect(await cut).toHaveProperty('message', 'fetch failed');
    while ((await own.database.query(imports)).length > 0) await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await own.database.query('select 1 from contact union all select 1 from contact_link')).toEqual([]);
    await own.stop();
  }, 60_000);
});
