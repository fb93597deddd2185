import { delivered, failed } from '@ictcore/contract';
import { campaignOf, pause, shown, until, untilCampaign } from '../campaigns/campaign.test.support';
import { Database } from '../database/database';
import { ADMIN, fakeCarrier, TestKernel } from '../testing/test-kernel';
import { TransmissionService } from '../transmissions';
import { planOf, scheduleBody } from './schedule.schema';
import { ScheduleService } from './schedule.service';
import { ScheduleRunner } from './schedule-runner';

let kernel: TestKernel;
afterEach(() => kernel.stop());

const good = () => fakeCarrier('good', (order) => delivered(`m-${order.spoolId}`));
const plan = (body: object) => planOf(scheduleBody.parse(body));
const transmissions = () => kernel.kernel.container.resolve(TransmissionService);
const tasks = () =>
  kernel.database.query<{ task_id: number; status: number; response: string; due: number; last_run: Date | null }>(
    'select task_id, status, response, extract(epoch from due_at - now())::float8 as due, last_run from task order by task_id',
  );
const first = async () => (await kernel.transmissions(1))[0] as number;

describe('a scheduled transmission', () => {
  it('is sent at the time, once, and shows when until then', async () => {
    const carrier = good();
    kernel = await TestKernel.start({ carriers: [carrier] });
    const id = await first();
    await transmissions().schedule(ADMIN, id, plan({ delay: 2 }));
    const row = await transmissions().get(ADMIN, id);
    expect(row.status).toBe('pending');
    expect(row.next_run).toBeGreaterThan(Date.now() / 1000);
    await pause(500);
    expect(carrier.handed).toEqual([]);
    await kernel.until(id, 'completed');
    expect(carrier.handed).toHaveLength(1);
    expect(await tasks()).toMatchObject([{ status: 2, response: '' }]);
  });

  it('a second schedule replaces the first; a cancelled one is never sent', async () => {
    const carrier = good();
    kernel = await TestKernel.start({ carriers: [carrier] });
    const [replaced, cancelled] = (await kernel.transmissions(2)) as [number, number];
    await transmissions().schedule(ADMIN, replaced, plan({ delay: 1 }));
    await transmissions().schedule(ADMIN, replaced, plan({ delay: 3600 }));
    await transmissions().schedule(ADMIN, cancelled, plan({ delay: 1 }));
    await kernel.kernel.container
      .resolve(Database)
      .transaction((tx) => transmissions().unscheduleIn(ADMIN, cancelled, tx));
    await pause(2500);
    expect(carrier.handed).toEqual([]);
    expect(await tasks()).toMatchObject([{ status: 1 }]);
    expect(await transmissions().get(ADMIN, cancelled)).toMatchObject({ next_run: null, status: 'pending' });
  });

  it('423 once it is completed', async () => {
    kernel = await TestKernel.start({ carriers: [good()] });
    const id = await first();
    await kernel.send(id);
    await kernel.until(id, 'completed');
    await expect(transmissions().schedule(ADMIN, id, plan({ delay: 2 }))).rejects.toMatchObject({ status: 423 });
  });

  it('missed within the grace runs once, missed by more expires', async () => {
    const carrier = good();
    kernel = await TestKernel.start({ carriers: [carrier] });
    const [late, lost] = (await kernel.transmissions(2)) as [number, number];
    await transmissions().schedule(ADMIN, late, plan({ delay: 3600 }));
    await transmissions().schedule(ADMIN, lost, plan({ delay: 3600 }));
    await kernel.database.query(
      `update task set due_at = now() - make_interval(secs => case when data = $1 then 290 else 310 end)`,
      [late],
    );
    await kernel.until(late, 'completed');
    await until(tasks, (rows) => rows[1]?.status === 3);
    expect(await kernel.state(lost)).toMatchObject({ status: 'pending' });
    expect(carrier.handed).toHaveLength(1);
    expect(kernel.log.some((line) => line.includes('schedule was missed and expires'))).toBe(true);
  });

  it('recurring: itself at the first time, a copy at each further one; misses do not pile up', async () => {
    const carrier = good();
    kernel = await TestKernel.start({ carriers: [carrier] });
    const id = await first();
    await transmissions().schedule(ADMIN, id, plan({ minute: '*' }));
    const now = () => kernel.database.query(`update task set due_at = now() - interval '150 s' where status = 1`);
    await now();
    await kernel.until(id, 'completed');
    const [task] = await until(tasks, (rows) => (rows[0]?.due ?? 0) > 0);
    expect(task).toMatchObject({ status: 1 });
    expect(task?.due).toBeLessThanOrEqual(60);
    await now();
    await until(
      async () => carrier.handed.length,
      (n) => n === 2,
    );
    const rows = await kernel.database.query<{ transmission_id: number; status: string }>(
      'select transmission_id, status from transmission order by 1',
    );
    expect(rows).toHaveLength(2);
    expect(rows[0]).toEqual({ transmission_id: id, status: 'completed' });
  });

  it('is not tried again before its time by anything else', async () => {
    const carrier = fakeCarrier('busy', () => failed('busy', 'USER_BUSY'));
    kernel = await TestKernel.start({ carriers: [carrier] });
    const id = await first();
    await kernel.send(id);
    await kernel.until(id, 'failed');
    await transmissions().schedule(ADMIN, id, plan({ delay: 3600 }));
    await pause(1500);
    expect(carrier.handed).toHaveLength(1);
  });
});

it('three nodes run each of 60 schedules exactly once', async () => {
  const carrier = good();
  kernel = await TestKernel.start({ carriers: [carrier] });
  const others = [await kernel.boot(), await kernel.boot()];
  const ids = await kernel.transmissions(60);
  for (const id of ids) await transmissions().schedule(ADMIN, id, plan({ delay: 3600 }));
  await kernel.database.query(`update task set due_at = now()`);
  const runners = [kernel.kernel, ...others].map((node) => node.container.resolve(ScheduleRunner));
  await Promise.all(runners.map((runner) => runner.run()));
  for (const id of ids) await kernel.until(id, 'completed');
  expect(carrier.handed).toHaveLength(60);
  expect((await tasks()).every((task) => task.status === 2)).toBe(true);
});

describe('a scheduled campaign', () => {
  it('starts and stops at the times; what cannot be done is noted', async () => {
    const carrier = good();
    kernel = await TestKernel.start({ carriers: [carrier] });
    const id = await campaignOf(kernel, 500, { cpm: 60 });
    const put = (action: 'start' | 'stop', body: object) =>
      kernel.kernel.container
        .resolve(Database)
        .transaction((tx) =>
          kernel.kernel.container
            .resolve(ScheduleService)
            .put(ADMIN, { type: 'campaign', action, id, accountId: 1 }, plan(body), tx),
        );
    await put('start', { delay: 1 });
    await put('stop', { delay: 4 });
    expect(await shown(kernel, id)).toMatchObject({ status: 'new' });
    await untilCampaign(kernel, id, ['running']);
    expect(await untilCampaign(kernel, id, ['paused'])).toMatchObject({ contact_total: 500 });
    await put('stop', { delay: 0 });
    await until(tasks, (rows) => rows.at(-1)?.status === 2);
    expect((await tasks()).map((task) => task.response)).toEqual(['', '', expect.stringContaining('nothing to stop')]);
  });
});
