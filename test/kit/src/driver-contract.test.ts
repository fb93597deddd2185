import type { AnyDriver } from '@ictcore/contract';
import { runChecks } from './check';
import { driverChecks, driverContract } from './driver-contract';
import { CARELESS, careful, forgetSessions, leftovers, options } from './driver-contract.test.fixture';

afterEach(() => {
  for (const timer of leftovers.splice(0)) clearInterval(timer);
});

driverContract(careful, options);

test.each(CARELESS)('a careless driver is found out: $how ($breaks)', async ({ breaks, driver, says }) => {
  forgetSessions();
  const check = driverChecks(driver, options).filter(({ name }) => name === breaks);
  const [result] = await runChecks(check);
  expect(result).toMatchObject({ state: 'failed', detail: expect.stringMatching(says) });
});

test('every promise is broken by one of them', () => {
  const promises = driverChecks(careful, options).map(({ name }) => name);
  expect(promises.filter((name) => !CARELESS.some(({ breaks }) => breaks === name))).toEqual([]);
});

test('what cannot be checked is skipped with its reason, never passed', async () => {
  const few = await runChecks(driverChecks(careful, { config: {}, orders: options.orders }));
  expect(few.filter(({ state }) => state === 'skipped')).toHaveLength(8);
  expect(few.filter(({ state }) => state === 'failed')).toEqual([]);
});

describe('a driver that only receives', () => {
  const ear: AnyDriver = {
    ...careful,
    open: async (config, context) => {
      const { submit: _, ...session } = await careful.open(config, context);
      return session;
    },
  };
  const receiving = { config: options.config, orders: () => [], receivesOnly: true };
  const serves = (driver: AnyDriver) =>
    runChecks(driverChecks(driver, receiving).filter(({ name }) => name.startsWith('a session serves the channels')));

  test('needs no submit, and must have none', async () => {
    expect(await serves(ear)).toMatchObject([{ state: 'passed' }]);
    expect(await serves(careful)).toMatchObject([{ state: 'failed', detail: expect.stringMatching(/only receives/) }]);
  });
});
