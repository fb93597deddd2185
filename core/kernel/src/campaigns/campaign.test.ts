import { delivered, failed, refused } from '@ictcore/contract';
import { ADMIN, fakeCarrier, TestKernel } from '../testing/test-kernel';
import {
  broken,
  campaignOf,
  campaigns,
  groupOf,
  pause,
  shown,
  smsProgram,
  until,
  untilCampaign,
} from './campaign.test.support';

let kernel: TestKernel;
afterEach(() => kernel.stop());

const good = () => fakeCarrier('good', (order) => delivered(`m-${order.spoolId}`));
const UNLIMITED = { campaign: { default_cpm: 0 } };

describe('a campaign', () => {
  it('goes to each member once, skips those without a number, and ends with sums that add up', async () => {
    const carrier = good();
    kernel = await TestKernel.start({ carriers: [carrier], config: UNLIMITED });
    const id = await campaignOf(kernel, 1200, { without: 7 });
    expect(await shown(kernel, id)).toMatchObject({
      status: 'new',
      name: `Campaign ${id}`,
      contact_total: 0,
      cpm: null,
    });
    await campaigns(kernel).start(ADMIN, id);
    const row = await untilCampaign(kernel, id, ['completed']);
    expect(row).toMatchObject({
      reason: 'completed',
      contact_total: 1200,
      contact_done: 1200,
      contact_completed: 1200,
      contact_pending: 0,
      contact_active: 0,
      contact_failed: 0,
      contact_skipped: 7,
    });
    expect(carrier.handed).toHaveLength(1200);
    expect(new Set(carrier.handed).size).toBe(1200);
    expect(await broken(kernel)).toEqual([]);
    await expect(campaigns(kernel).start(ADMIN, id)).rejects.toMatchObject({ status: 423 });
  });

  it('counts failures by cause and does not try again what cannot work', async () => {
    const carrier = fakeCarrier('mixed', (order) =>
      order.spoolId % 3 === 0
        ? failed('busy', 'USER_BUSY')
        : order.spoolId % 3 === 1
          ? refused('invalid_destination', '550')
          : delivered(`m-${order.spoolId}`),
    );
    kernel = await TestKernel.start({ carriers: [carrier], config: UNLIMITED });
    const id = await campaignOf(kernel, 30, { try_allowed: 2, start: 1 });
    const row = await untilCampaign(kernel, id, ['completed']);
    expect(row.contact_completed + row.contact_failed).toBe(30);
    const spools = await kernel.database.query<{ reason: string; n: number }>(
      `select reason, count(*) as n from spool where reason is not null group by 1`,
    );
    expect(row.failures).toEqual(Object.fromEntries(spools.map((spool) => [spool.reason, spool.n])));
    const refusedTwice = await kernel.database.query(
      `select transmission_id from spool where reason = 'invalid_destination' and transmission_id in
         (select transmission_id from spool s where s.attempt = 2 and exists (select 1 from spool f
            where f.transmission_id = s.transmission_id and f.attempt = 1 and f.reason = 'invalid_destination'))`,
    );
    expect(refusedTwice).toEqual([]);
    expect(await broken(kernel)).toEqual([]);
  });

  it('stop takes back what waits, start goes on; in between nothing leaves', async () => {
    const carrier = fakeCarrier(
      'slow',
      async (order) => {
        await pause(20);
        return delivered(`m-${order.spoolId}`);
      },
      { limits: { maxInFlight: 4 } },
    );
    kernel = await TestKernel.start({ carriers: [carrier], config: UNLIMITED });
    const id = await campaignOf(kernel, 400, { start: 1 });
    await until(
      async () => carrier.handed.length,
      (n) => n > 40,
    );
    await campaigns(kernel).stop(ADMIN, id);
    await pause(1000);
    const atStop = carrier.handed.length;
    const paused = await shown(kernel, id);
    expect(paused).toMatchObject({ status: 'paused', reason: 'user', contact_active: 0, contact_total: 400 });
    expect(paused.contact_pending + paused.contact_completed).toBe(400);
    expect(await broken(kernel)).toEqual([]);
    await pause(1500);
    expect(carrier.handed).toHaveLength(atStop);
    expect(atStop).toBeLessThan(300);
    await expect(campaigns(kernel).stop(ADMIN, id)).rejects.toMatchObject({ status: 423 });
    await campaigns(kernel).resume(ADMIN, id);
    expect(await untilCampaign(kernel, id, ['completed'])).toMatchObject({ contact_completed: 400 });
    expect(new Set(carrier.handed).size).toBe(400);
    expect(carrier.handed).toHaveLength(400);
    expect(await broken(kernel)).toEqual([]);
  });

  it('retries wait while it is stopped, and go on with it', async () => {
    let mend = false;
    const carrier = fakeCarrier('busy', (order) =>
      mend ? delivered(`m-${order.spoolId}`) : failed('busy', 'USER_BUSY'),
    );
    kernel = await TestKernel.start({ carriers: [carrier], config: { ...UNLIMITED, engine: { retry_delay: 1 } } });
    const id = await campaignOf(kernel, 20, { try_allowed: 3, start: 1 });
    await until(
      () => shown(kernel, id),
      (row) => row.contact_pending === 20 && carrier.handed.length === 20,
    );
    await campaigns(kernel).stop(ADMIN, id);
    mend = true;
    await pause(2200);
    expect(carrier.handed).toHaveLength(20);
    expect(await shown(kernel, id)).toMatchObject({ status: 'paused', contact_pending: 20 });
    await campaigns(kernel).start(ADMIN, id);
    expect(await untilCampaign(kernel, id, ['completed'])).toMatchObject({ contact_completed: 20 });
    expect(carrier.handed).toHaveLength(40);
  });

  it('is deleted: stops, cancels what is pending, keeps what is finished', async () => {
    const carrier = fakeCarrier(
      'slow',
      async (order) => {
        await pause(30);
        return delivered(`m-${order.spoolId}`);
      },
      { limits: { maxInFlight: 2 } },
    );
    kernel = await TestKernel.start({ carriers: [carrier], config: UNLIMITED });
    const id = await campaignOf(kernel, 200, { start: 1 });
    await until(
      async () => carrier.handed.length,
      (n) => n > 10,
    );
    await campaigns(kernel).remove(ADMIN, id);
    await expect(shown(kernel, id)).rejects.toMatchObject({ status: 404 });
    const states = () =>
      kernel.database.query<{ status: string; response: string; n: number }>(
        'select status, response, count(*) as n from transmission where campaign_id = $1 group by 1, 2 order by 1',
        [id],
      );
    const rows = await until(states, (all) => all.length === 2);
    expect(rows).toMatchObject([{ status: 'completed' }, { status: 'invalid', response: 'campaign_deleted' }]);
    expect(rows[0]?.n).toBe(carrier.handed.length);
    await until(
      () => kernel.database.query('select 1 from campaign'),
      (all) => all.length === 0,
    );
    expect(await broken(kernel)).toEqual([]);
  });

  it('breaks when its provider is gone, says why, and can be resumed once that is mended', async () => {
    let mended = false;
    const carrier = fakeCarrier('dead', (order) =>
      mended ? delivered(`m-${order.spoolId}`) : failed('provider_down', 'ECONNREFUSED', { notAccepted: true }),
    );
    kernel = await TestKernel.start({
      carriers: [carrier],
      config: { campaign: { default_cpm: 6000, broken_after: 5 } },
    });
    const id = await campaignOf(kernel, 100, { try_allowed: 9, start: 1 });
    const row = await untilCampaign(kernel, id, ['broken']);
    expect(row.reason).toMatch(/^5 hand-overs in a row failed: ECONNREFUSED/);
    expect(row.contact_pending + row.contact_active).toBe(100);
    await expect(campaigns(kernel).start(ADMIN, id)).rejects.toMatchObject({ status: 423 });
    mended = true;
    await pause(1100);
    await campaigns(kernel).resume(ADMIN, id);
    expect(await untilCampaign(kernel, id, ['completed'])).toMatchObject({ contact_completed: 100 });
  });

  it('takes in new members by refresh, each only once', async () => {
    const carrier = good();
    kernel = await TestKernel.start({ carriers: [carrier], config: UNLIMITED });
    const group_id = await groupOf(kernel, 10, 1);
    const id = await campaigns(kernel).create(ADMIN, { program_id: await smsProgram(kernel), group_id });
    await campaigns(kernel).refresh(ADMIN, id);
    expect(await untilCampaign(kernel, id, ['ready'])).toMatchObject({
      contact_total: 10,
      contact_skipped: 1,
      contact_pending: 10,
    });
    await kernel.database.query(
      `with c as (insert into contact (phone, created_by) values ('+15557', 1), ('+15558', 1) returning contact_id)
       insert into contact_link (group_id, contact_id) select $1, contact_id from c`,
      [group_id],
    );
    await campaigns(kernel).refresh(ADMIN, id);
    expect(await untilCampaign(kernel, id, ['ready'])).toMatchObject({ contact_total: 12, contact_skipped: 1 });
    await campaigns(kernel).start(ADMIN, id);
    expect(await untilCampaign(kernel, id, ['completed'])).toMatchObject({ contact_completed: 12 });
    expect(await broken(kernel)).toEqual([]);
  });

  it('a clone is new, of the same group and program', async () => {
    kernel = await TestKernel.start({ carriers: [good()], config: UNLIMITED });
    const id = await campaignOf(kernel, 3, { cpm: 77, try_allowed: 4 });
    const copy = await campaigns(kernel).clone(ADMIN, id);
    const { program_id, group_id } = await shown(kernel, id);
    expect(await shown(kernel, copy)).toMatchObject({
      program_id,
      group_id,
      cpm: 77,
      try_allowed: 4,
      status: 'new',
      contact_total: 0,
    });
  });

  it('a transmission sent by hand after the end may be tried again, without its campaign', async () => {
    let busy = true;
    const carrier = fakeCarrier('one', (order) => (busy ? refused('busy', 'no') : delivered(`${order.spoolId}`)));
    kernel = await TestKernel.start({ carriers: [carrier], config: UNLIMITED });
    const id = await campaignOf(kernel, 2, { start: 1 });
    expect(await untilCampaign(kernel, id, ['completed'])).toMatchObject({ contact_failed: 2 });
    busy = false;
    const [row] = await kernel.database.query<{ transmission_id: number }>(
      'select min(transmission_id) as transmission_id from transmission',
    );
    await kernel.send(row?.transmission_id as number);
    await kernel.until(row?.transmission_id as number, 'completed');
    expect(await shown(kernel, id)).toMatchObject({ contact_failed: 1, contact_completed: 1, contact_total: 2 });
    expect(await broken(kernel)).toEqual([]);
  });
});

describe('what is refused', () => {
  it('an empty group, no provider, a foreign program or group, a pace out of range', async () => {
    kernel = await TestKernel.start({ config: UNLIMITED });
    const program_id = await smsProgram(kernel);
    const group_id = await groupOf(kernel, 0);
    const id = await campaigns(kernel).create(ADMIN, { program_id, group_id });
    await expect(campaigns(kernel).start(ADMIN, id)).rejects.toMatchObject({ status: 404 });
    await expect(campaigns(kernel).create(ADMIN, { program_id: 999, group_id })).rejects.toMatchObject({ status: 412 });
    await expect(campaigns(kernel).create(ADMIN, { program_id, group_id: 999 })).rejects.toMatchObject({ status: 412 });
    await kernel.stop();
    kernel = await TestKernel.start({ carriers: [good()] });
    const empty = await campaignOf(kernel, 0);
    await expect(campaigns(kernel).start(ADMIN, empty)).rejects.toMatchObject({ status: 412 });
    expect(await shown(kernel, empty)).toMatchObject({ cpm: 2 });
  });

  it('another group once it is prepared; what was got may be put back', async () => {
    kernel = await TestKernel.start({ carriers: [good()], config: UNLIMITED });
    const id = await campaignOf(kernel, 2, { start: 1 });
    const row = await untilCampaign(kernel, id, ['completed']);
    const other = await groupOf(kernel, 1);
    await expect(campaigns(kernel).update(ADMIN, id, { group_id: other })).rejects.toMatchObject({ status: 423 });
    await expect(campaigns(kernel).update(ADMIN, id, { cpm: 5 })).rejects.toMatchObject({ status: 423 });
    const { program_id, group_id, account_id, cpm, concurrency, try_allowed, name, source } = row;
    const same = { program_id, group_id, account_id, cpm, concurrency, try_allowed, name, source };
    expect(await campaigns(kernel).update(ADMIN, id, same)).toMatchObject({ status: 'completed' });
  });
});
