import { ADMIN, TestKernel } from '../testing/test-kernel';
import { ContactService } from './contact.service';
import { normalizePhone } from './phone';

describe('normalizePhone', () => {
  it.each([
    [null, undefined, null],
    ['', undefined, null],
    ['no digits', undefined, null],
    ['+1 (555) 010-0', undefined, '+15550100'],
    ['0044 20 7123 4567', undefined, '+442071234567'],
    ['020 7123 4567', 'GB', '+442071234567'],
    ['020 7123 4567', undefined, '02071234567'],
    ['+442071234567', 'US', '+442071234567'],
    ['4321', 'GB', '4321'],
    ['1+2', undefined, '12'],
  ])('%j with country %s → %j', (typed, country, expected) => {
    expect(normalizePhone(typed, country)).toBe(expected);
  });
});

describe('contacts', () => {
  let kernel: TestKernel;
  let contacts: ContactService;

  beforeAll(async () => {
    kernel = await TestKernel.start();
    contacts = kernel.kernel.container.resolve(ContactService);
  });
  afterAll(() => kernel.stop());

  it('filters: e-mail in any case, end of the phone, parts of names with their wildcards taken literally', async () => {
    const ann = await contacts.create(ADMIN, { first_name: '50%_Ann', phone: '+1 555 0100', email: 'Ann@Example.org' });
    await contacts.create(ADMIN, { first_name: 'Bob', phone: '+1 555 0200' });
    const ids = async (query: Record<string, string>) =>
      (await contacts.list(ADMIN, query)).rows.map((row) => row.contact_id);
    expect(await ids({ email: 'ANN@example.ORG' })).toEqual([ann]);
    expect(await ids({ phone: '0100' })).toEqual([ann]);
    expect(await ids({ first_name: '%_a' })).toEqual([ann]);
    expect(await ids({ first_name: '%' })).toEqual([ann]);
    expect(await ids({ q: 'example' })).toEqual([ann]);
    expect(await ids({ contact_id: `${ann},999` })).toEqual([ann]);
  });

  it('pages: ascending ids, offset and page in all spellings, totals, a limit beyond the cap refused', async () => {
    for (let i = 0; i < 5; i++) await contacts.create(ADMIN, { last_name: 'Paged', phone: `+1555030${i}` });
    const query = { last_name: 'Paged' };
    const all = await contacts.list(ADMIN, query);
    expect(all).toMatchObject({ total: 5, exact: true });
    const second = all.rows.slice(2, 4);
    expect((await contacts.list(ADMIN, { ...query, limit: 2, offset: 2 })).rows).toEqual(second);
    expect((await contacts.list(ADMIN, { ...query, page: 2, page_size: 2 })).rows).toEqual(second);
    expect((await contacts.list(ADMIN, { ...query, pageIndex: 2, pageSize: 2 })).rows).toEqual(second);
    expect((await contacts.list(ADMIN, { ...query, limit: 2 })).total).toBe(5);
    expect((await contacts.list(ADMIN, { ...query, limit: 2, offset: 10 })).total).toBe(5);
    expect((await contacts.list(ADMIN, { ...query, sort: '-contact_id' })).rows).toEqual([...all.rows].reverse());
    await expect(contacts.list(ADMIN, { limit: 5001 })).rejects.toMatchObject({ status: 412 });
    expect(await contacts.count(ADMIN, query)).toEqual({ total: 5, exact: true });
  });

  it('a contact needs a phone or an e-mail, also after a change', async () => {
    const id = await contacts.create(ADMIN, { phone: '+15550400' });
    await expect(contacts.update(ADMIN, id, { phone: null })).rejects.toMatchObject({ status: 412 });
    expect(await contacts.update(ADMIN, id, { phone: null, email: 'x@example.org' })).toMatchObject({ phone: null });
  });

  it('a deletion makes what is pending invalid and is refused while something is being processed', async () => {
    const [pending, busy] = (await kernel.transmissions(2)) as [number, number];
    const contactOf = async (id: number) =>
      (
        await kernel.database.query<{ contact_id: number }>(
          'select contact_id from transmission where transmission_id = $1',
          [id],
        )
      )[0]?.contact_id as number;
    await kernel.database.query(`update transmission set status = 'processing' where transmission_id = $1`, [busy]);
    await contacts.remove(ADMIN, await contactOf(pending));
    expect(await kernel.state(pending)).toMatchObject({ status: 'invalid', response: 'contact_deleted' });
    await expect(contacts.remove(ADMIN, await contactOf(busy))).rejects.toMatchObject({ status: 423 });
  });
});
