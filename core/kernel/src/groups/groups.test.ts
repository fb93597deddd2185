import 'reflect-metadata';
import { wrongState } from '@ictcore/contract';
import { Caller } from '../testing/caller';
import { TestKernel } from '../testing/test-kernel';
import { GroupHooks } from '.';

let test: TestKernel;
let admin: Caller;
let ann: Caller;
let bob: Caller;

interface Contact {
  contact_id: number;
  first_name: string | null;
  groups?: { group_id: number; name: string }[];
}
interface Group {
  group_id: number;
  name: string;
  description: string;
  contact_total: number;
}

beforeAll(async () => {
  test = await TestKernel.start();
  admin = Caller.admin(test);
  ann = await Caller.user(test, 'ann');
  bob = await Caller.user(test, 'bob');
});

afterAll(() => test.stop());

const contact = (by: Caller, phone: string, more: object = {}) =>
  by.ok<number>('POST', '/contacts', { phone, first_name: `of ${phone}`, ...more });
const total = async (by: Caller, id: number) => (await by.ok<Group>('GET', `/groups/${id}`)).contact_total;

describe('groups, S6 to S10', () => {
  it('creates, lists, reads, changes and deletes', async () => {
    const id = await ann.ok<number>('POST', '/groups', { name: 'Readers', description: 'of books', contact_total: 9 });
    const [listed] = await ann.ok<Group[]>('GET', `/groups?group_id=${id}`);
    expect(listed).toMatchObject({ group_id: id, name: 'Readers', contact_total: 0, description: 'of books' });
    expect(await ann.ok('PUT', `/groups/${id}`, { description: null, contact_total: 5 })).toMatchObject({
      group_id: id,
      name: 'Readers',
      description: '',
      contact_total: 0,
    });
    expect(await ann.ok('DELETE', `/groups/${id}`)).toBe(true);
    expect((await ann.call('GET', `/groups/${id}`)).status).toBe(404);
  });

  it('answers 412 without a name, with an empty or too long one', async () => {
    for (const name of [undefined, '', ' ', 'x'.repeat(129), 'a\0b', null]) {
      expect((await ann.call('POST', '/groups', { name })).status).toBe(412);
    }
    const id = await ann.group();
    expect((await ann.call('PUT', `/groups/${id}`, { name: '' })).status).toBe(412);
    expect((await ann.call('GET', '/groups/abc')).status).toBe(400);
  });

  it('filters by part of the name, sorts and pages', async () => {
    const ids = [];
    for (const name of ['Zebra team', 'Alpha TEAM', 'Other']) ids.push(await bob.group(name));
    const names = async (query: string) => (await bob.ok<Group[]>('GET', `/groups?${query}`)).map(({ name }) => name);
    expect(await names('name=team')).toEqual(['Zebra team', 'Alpha TEAM']);
    expect(await names('name=team&sort=name')).toEqual(['Alpha TEAM', 'Zebra team']);
    expect(await names('limit=1&offset=1')).toEqual(['Alpha TEAM']);
    expect(await names('sort=-group_id&limit=1')).toEqual(['Other']);
    expect((await bob.call('GET', '/groups?before=abc')).status).toBe(412);
  });

  it('hides the groups of others, but not from group_admin', async () => {
    const id = await ann.group('Secret');
    const member = await contact(ann, '+15550000');
    for (const [method, path] of [
      ['GET', `/groups/${id}`],
      ['PUT', `/groups/${id}`],
      ['DELETE', `/groups/${id}`],
      ['GET', `/groups/${id}/contacts`],
      ['GET', `/groups/${id}/csv`],
      ['PUT', `/contacts/${await contact(bob, '+15550001')}/link/${id}`],
      ['DELETE', `/contacts/${member}/link/${await bob.group()}`],
    ] as const) {
      const reply = await bob.call(method, path, method === 'PUT' ? {} : undefined);
      expect([method, path, reply.status]).toEqual([method, path, 404]);
    }
    expect((await bob.csv(`/groups/${id}/csv`, '15550002\n')).status).toBe(404);
    expect((await bob.ok<Group[]>('GET', '/groups')).map((group) => group.group_id)).not.toContain(id);
    expect(await admin.ok('GET', `/groups/${id}`)).toMatchObject({ name: 'Secret' });
    expect((await bob.ok<Contact[]>('GET', `/contacts?group_id=${id}`)).length).toBe(0);
  });

  it('needs the permission that each line names', async () => {
    const id = await ann.group();
    const nobody = await Caller.user(test, 'nobody', []);
    const member = await contact(ann, '+15550003');
    const needed: [string, string, string[]][] = [
      ['POST', '/groups', ['group_create']],
      ['GET', '/groups', ['group_list']],
      ['GET', `/groups/${id}`, ['group_read']],
      ['PUT', `/groups/${id}`, ['group_update']],
      ['DELETE', `/groups/${id}`, ['group_delete']],
      ['GET', `/groups/${id}/contacts`, ['group_read', 'contact_list']],
      ['GET', `/groups/${id}/export/contact.csv`, ['group_read', 'contact_list']],
      ['POST', `/groups/import/contact_group/${id}`, ['group_update', 'contact_create']],
      ['PUT', `/contacts/${member}/link/${id}`, ['contact_create', 'group_create']],
      ['DELETE', `/contacts/${member}/link/${id}`, ['contact_delete', 'group_delete']],
    ];
    for (const [method, path, permissions] of needed) {
      const refused = await nobody.call<{ error: { message: string } }>(
        method,
        path,
        method === 'GET' ? undefined : {},
      );
      expect([method, path, refused.status]).toEqual([method, path, 403]);
      expect(refused.body.error.message).toContain(permissions[0] as string);
    }
    const half = await Caller.user(test, 'half', ['group_read', 'group_update', 'contact_create']);
    expect((await half.call('GET', `/groups/${id}/csv`)).status).toBe(403);
    expect((await half.csv(`/groups/${id}/csv`, '15550004\n')).status).toBe(404);
    expect((await half.call('POST', '/contacts', { phone: '1555', groups: [id] })).status).toBe(412);
    const maker = await Caller.user(test, 'maker', ['contact_create']);
    expect((await maker.call('POST', '/contacts', { phone: '1555', groups: [id] })).status).toBe(403);
    expect((await nobody.call('GET', '/groups/sample/csv')).status).toBe(200);
  });
});

describe('members', () => {
  it('are linked and unlinked, each any number of times', async () => {
    const [id, other] = [await ann.group('A'), await ann.group('B')];
    const member = await contact(ann, '+15550010');
    for (let i = 0; i < 2; i++) {
      expect(await ann.ok('PUT', `/contacts/${member}/link/${id}`)).toMatchObject({
        contact_id: member,
        groups: [{ group_id: id, name: 'A' }],
      });
    }
    await ann.ok('PUT', `/contacts/${member}/link/${other}`);
    expect([await total(ann, id), await total(ann, other)]).toEqual([1, 1]);
    expect(await ann.ok('GET', `/contacts/${member}`)).toMatchObject({
      groups: [
        { group_id: id, name: 'A' },
        { group_id: other, name: 'B' },
      ],
    });
    for (let i = 0; i < 2; i++) expect(await ann.ok('DELETE', `/contacts/${member}/link/${id}`)).toBe(true);
    expect([await total(ann, id), await total(ann, other)]).toEqual([0, 1]);
    expect((await ann.call('PUT', `/contacts/999999999/link/${id}`)).status).toBe(404);
    expect((await ann.call('PUT', `/contacts/${member}/link/999999999`)).status).toBe(404);
  });

  it('join and leave by GET for old clients, uncached and marked as deprecated', async () => {
    const id = await ann.group();
    const member = await contact(ann, '+15550011');
    const joined = await ann.call('GET', `/contacts/${member}/join/${id}`);
    expect([joined.status, joined.headers.get('cache-control')]).toEqual([200, 'no-store']);
    expect(joined.headers.get('deprecation')).toBe('true');
    expect(await total(ann, id)).toBe(1);
    expect(await ann.ok('GET', `/contacts/${member}/leave/${id}`)).toBe(true);
    expect(await total(ann, id)).toBe(0);
  });

  it('come with a new contact, and only into groups of its maker', async () => {
    const [id, other] = [await ann.group('A'), await ann.group('B')];
    const member = await contact(ann, '+15550012', { groups: [other, id, String(id)] });
    expect(await ann.ok('GET', `/contacts/${member}`)).toMatchObject({
      groups: [
        { group_id: id, name: 'A' },
        { group_id: other, name: 'B' },
      ],
    });
    expect([await total(ann, id), await total(ann, other)]).toEqual([1, 1]);
    const before = await test.database.query('select 1 from contact');
    const foreign = await bob.call<{ error: { message: string } }>('POST', '/contacts', {
      phone: '1555',
      groups: [id],
    });
    expect([foreign.status, foreign.body.error.message]).toEqual([412, `groups: group_id ${id} not found`]);
    expect((await test.database.query('select 1 from contact')).length).toBe(before.length);
    // What is read may be sent back: groups is no field of a change.
    const read = await ann.ok<Contact>('GET', `/contacts/${member}`);
    expect(await ann.ok('PUT', `/contacts/${member}`, read)).toMatchObject({ groups: read.groups });
    expect((await ann.ok<Contact[]>('GET', '/contacts'))[0]).not.toHaveProperty('groups');
  });

  it.each(['contacts', 'contact'])('are listed at groups/{id}/%s with the filters of contacts', async (tail) => {
    const id = await ann.group();
    const [one, two] = [
      await contact(ann, '+15550020', { groups: [id], first_name: 'Grace' }),
      await contact(ann, '+15550021', { groups: [id], first_name: 'Barbara' }),
    ];
    await contact(ann, '+15550022');
    const ids = async (query: string) => {
      const reply = await ann.call<Contact[]>('GET', `/groups/${id}/${tail}?${query}`);
      return { ids: reply.body.map((row) => row.contact_id), total: reply.headers.get('x-total-count') };
    };
    expect(await ids('')).toEqual({ ids: [one, two], total: '2' });
    expect(await ids('first_name=grac')).toEqual({ ids: [one], total: '1' });
    expect(await ids('phone=0021')).toEqual({ ids: [two], total: '1' });
    expect(await ids('limit=1&sort=-contact_id')).toEqual({ ids: [two], total: '2' });
    expect(await ann.ok('GET', `/groups/${id}/${tail}?totalrows=1`)).toBe(2);
    expect((await ann.ok<Contact[]>('GET', `/contacts?group_id=${id}`)).map((row) => row.contact_id)).toEqual([
      one,
      two,
    ]);
  });

  it('are found once in lists, in however many groups they are', async () => {
    const [id, other] = [await ann.group(), await ann.group()];
    const member = await contact(ann, '+15550030', { groups: [id, other] });
    const rows = await ann.ok<Contact[]>('GET', `/contacts?group_id=${id},${other}`);
    expect(rows.map((row) => row.contact_id)).toEqual([member]);
    expect((await ann.call('GET', '/contacts?group_id=x')).status).toBe(412);
  });
});

describe('deleting', () => {
  it('a contact removes its links and counts down', async () => {
    const id = await ann.group();
    const member = await contact(ann, '+15550040', { groups: [id] });
    expect(await ann.ok('DELETE', `/contacts/${member}`)).toBe(true);
    expect(await total(ann, id)).toBe(0);
  });

  it('a group removes its links and keeps its contacts', async () => {
    const id = await ann.group();
    const member = await contact(ann, '+15550041', { groups: [id] });
    expect(await ann.ok('DELETE', `/groups/${id}`)).toBe(true);
    expect(await ann.ok('GET', `/contacts/${member}`)).toMatchObject({ groups: [] });
    expect(await test.database.query('select 1 from contact_link where group_id = $1', [id])).toEqual([]);
  });

  it('a group that something live uses is refused with 423', async () => {
    const hooks = test.kernel.container.resolve(GroupHooks);
    const id = await ann.group();
    hooks.refuseWhileUsed = async (groupId) => {
      if (groupId === id) throw wrongState('Campaign 1 is running with this group');
    };
    expect((await ann.call('DELETE', `/groups/${id}`)).status).toBe(423);
    hooks.refuseWhileUsed = async () => undefined;
    expect(await ann.ok('DELETE', `/groups/${id}`)).toBe(true);
  });
});

it('keeps the totals right when links come and go at once, in any order', async () => {
  const groups = [await ann.group(), await ann.group(), await ann.group()];
  const members = await Promise.all(
    Array.from({ length: 24 }, (_, i) =>
      contact(ann, `+1555010${i}`, { groups: i % 2 ? groups : [...groups].reverse() }),
    ),
  );
  await Promise.all(
    members.flatMap((member, i) => [
      i % 3 === 0 ? ann.ok('DELETE', `/contacts/${member}`) : ann.ok('PUT', `/contacts/${member}/link/${groups[0]}`),
      ann.call('DELETE', `/contacts/${member}/link/${groups[1]}`),
    ]),
  );
  const counted = await test.database.query<{ total: number; links: number }>(
    `select contact_total as total, (select count(*) from contact_link l where l.group_id = g.group_id) as links
       from contact_group g where group_id = any($1::int8[]) order by group_id`,
    [groups],
  );
  expect(counted).toEqual([16, 0, 16].map((n) => ({ total: n, links: n })));
});

describe('links hold both ends, whoever writes them', () => {
  const violation = /does not exist|never changed/;

  it('refuses links without a contact or a group, and changed ones', async () => {
    const id = await ann.group();
    const member = await contact(ann, '+15550200', { groups: [id] });
    const link = 'insert into contact_link (group_id, contact_id) values ($1, $2)';
    await expect(test.database.pool.query(link, [id, 999_999_999])).rejects.toThrow(violation);
    await expect(test.database.pool.query(link, [999_999_999, member])).rejects.toThrow(violation);
    await expect(test.database.pool.query('update contact_link set group_id = group_id')).rejects.toThrow(violation);
    expect(await total(ann, id)).toBe(1);
  });

  it('leaves no link when one end is deleted at the very moment at which it is made', async () => {
    for (let round = 0; round < 12; round++) {
      const ids = [await ann.group(), await ann.group()];
      const members = await Promise.all([0, 1, 2].map((i) => contact(ann, `+15551${round}${i}`, { groups: ids })));
      const fresh = await Promise.all([3, 4, 5].map((i) => contact(ann, `+15551${round}${i}`)));
      const replies = await Promise.all([
        ...fresh.map((member) => ann.call('PUT', `/contacts/${member}/link/${ids[0]}`)),
        ...fresh.map((member) => ann.call('DELETE', `/contacts/${member}`)),
        ...members.map((member) => ann.call('DELETE', `/contacts/${member}/link/${ids[0]}`)),
        ...members.map((member) => ann.call('DELETE', `/contacts/${member}`)),
        ann.call('DELETE', `/groups/${ids[round % 2]}`),
      ]);
      // Gone, or caught in the act: but nobody waits for somebody who waits for him.
      expect(replies.map(({ status }) => status).filter((status) => ![200, 404, 423].includes(status))).toEqual([]);
    }
    const orphans = await test.database.query(
      `select 1 from contact_link l where not exists (select 1 from contact c where c.contact_id = l.contact_id)
          or not exists (select 1 from contact_group g where g.group_id = l.group_id)
       union all
       select 1 from contact_group g
        where contact_total <> (select count(*) from contact_link l where l.group_id = g.group_id)`,
    );
    expect(orphans).toEqual([]);
  }, 60_000);
});
