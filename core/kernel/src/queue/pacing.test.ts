import { delivered } from '@ictcore/contract';
import { campaignOf, campaigns, pause, shown, until, untilCampaign } from '../campaigns/campaign.test.support';
import { ADMIN, type FakeCarrier, fakeCarrier, TestKernel } from '../testing/test-kernel';

let kernel: TestKernel;
afterEach(() => kernel.stop());

/** A carrier that notes when it was given each order, in milliseconds. */
function clocked(more: Partial<FakeCarrier> = {}) {
  const times: number[] = [];
  const carrier = fakeCarrier(
    'clocked',
    (order) => {
      times.push(performance.now());
      return delivered(`m-${order.spoolId}`);
    },
    more,
  );
  return { carrier, times };
}

/** Hand-overs per minute between the first and the last. */
function rateOf(times: readonly number[]): number {
  return ((times.length - 1) / ((times.at(-1) as number) - (times[0] as number))) * 60_000;
}

it.each([
  [600, 20],
  [6000, 12],
])(
  'keeps %d per minute within 2%% for %d seconds, without bursts',
  async (cpm, seconds) => {
    const { carrier, times } = clocked();
    kernel = await TestKernel.start({ carriers: [carrier] });
    const id = await campaignOf(kernel, Math.ceil((cpm / 60) * (seconds + 10)), { cpm, start: 1 });
    await until(
      async () => times.length,
      (n) => n >= (cpm / 60) * seconds,
      (seconds + 15) * 1000,
    );
    await campaigns(kernel).stop(ADMIN, id);
    expect(Math.abs(rateOf(times) / cpm - 1)).toBeLessThan(0.02);
    // No second has more than its share, give or take what a busy machine has put off.
    const perSecond = new Map<number, number>();
    for (const time of times) perSecond.set(Math.floor(time / 1000), (perSecond.get(Math.floor(time / 1000)) ?? 0) + 1);
    expect(Math.max(...perSecond.values())).toBeLessThanOrEqual(Math.ceil((cpm / 60) * 2.5));
    const { rate } = await shown(kernel, id);
    expect(rate).toBeGreaterThan(cpm * 0.5);
  },
  60_000,
);

it('three nodes together keep the pace of one', async () => {
  const { carrier, times } = clocked();
  kernel = await TestKernel.start({ carriers: [carrier] });
  await kernel.boot();
  await kernel.boot();
  await campaignOf(kernel, 900, { cpm: 1200, start: 1 });
  await until(
    async () => times.length,
    (n) => n >= 240,
    30_000,
  );
  expect(Math.abs(rateOf(times) / 1200 - 1)).toBeLessThan(0.03);
  const nodes = await kernel.database.query('select distinct node_id from spool where node_id is not null');
  expect(nodes.length).toBeGreaterThan(1);
  expect(new Set(carrier.handed).size).toBe(carrier.handed.length);
}, 60_000);

it('a new pace holds at once', async () => {
  const { carrier, times } = clocked();
  kernel = await TestKernel.start({ carriers: [carrier] });
  const id = await campaignOf(kernel, 500, { cpm: 60, start: 1 });
  await until(
    async () => times.length,
    (n) => n >= 2,
  );
  await campaigns(kernel).update(ADMIN, id, { cpm: 3000 });
  const from = times.length;
  await pause(3000);
  expect(times.length - from).toBeGreaterThan(120);
  expect(times.length - from).toBeLessThan(190);
  await campaigns(kernel).update(ADMIN, id, { cpm: 6 });
  await pause(500);
  const slow = times.length;
  await pause(2000);
  expect(times.length - slow).toBeLessThanOrEqual(1);
});

it('an unlimited campaign keeps the queue shallow, and single sends do not wait behind it', async () => {
  const carrier = fakeCarrier(
    'steady',
    async (order) => {
      await pause(10);
      return delivered(`m-${order.spoolId}`);
    },
    { limits: { maxInFlight: 20 } },
  );
  kernel = await TestKernel.start({ carriers: [carrier], config: { campaign: { default_cpm: 0 } } });
  const singles = await kernel.transmissions(20);
  const id = await campaignOf(kernel, 20_000, { start: 1 });
  await until(
    async () => carrier.handed.length,
    (n) => n > 200,
  );
  const waits: number[] = [];
  let deepest = 0;
  for (const single of singles) {
    const begun = performance.now();
    await kernel.send(single);
    await kernel.until(single, 'completed');
    waits.push(performance.now() - begun);
    const [row] = await kernel.database.query<{ n: number }>(
      `select count(*) as n from spool where status in ('queued', 'started')`,
    );
    deepest = Math.max(deepest, row?.n ?? 0);
    await pause(30);
  }
  expect((await shown(kernel, id)).status).toBe('running');
  const p95 = waits.sort((a, b) => a - b)[18] as number;
  expect(p95).toBeLessThan(500);
  expect(deepest).toBeLessThanOrEqual(800 + 100);
  await campaigns(kernel).stop(ADMIN, id);
}, 60_000);

it('concurrency: never more in flight than the campaign allows', async () => {
  let now = 0;
  let most = 0;
  const carrier = fakeCarrier('slow', async (order) => {
    most = Math.max(most, ++now);
    await pause(15);
    now--;
    return delivered(`m-${order.spoolId}`);
  });
  kernel = await TestKernel.start({ carriers: [carrier], config: { campaign: { default_cpm: 0 } } });
  const id = await campaignOf(kernel, 120, { concurrency: 5, start: 1 });
  expect(await untilCampaign(kernel, id, ['completed'])).toMatchObject({ contact_completed: 120 });
  expect(most).toBeLessThanOrEqual(5);
  expect(most).toBeGreaterThan(1);
});

it('a provider’s own rate holds for campaigns too', async () => {
  const { carrier, times } = clocked({ limits: { perSecond: 50 } });
  kernel = await TestKernel.start({ carriers: [carrier], config: { campaign: { default_cpm: 0 } } });
  await campaignOf(kernel, 1000, { start: 1 });
  await until(
    async () => times.length,
    (n) => n >= 250,
    30_000,
  );
  // The first second's worth may go at once.
  expect(rateOf(times.slice(60)) / 60).toBeLessThan(51.5);
  expect(rateOf(times.slice(60)) / 60).toBeGreaterThan(40);
});
