import 'reflect-metadata';
import { Caller } from '../testing/caller';
import { TestKernel } from '../testing/test-kernel';
import { narrowed, StatisticCounters } from '.';

let test: TestKernel;
let admin: Caller;
let ann: Caller;
let annId: number;

const counts = (by: Caller, query = '') => by.ok<Record<string, number>>('GET', `/statistics${query}`);

beforeAll(async () => {
  test = await TestKernel.start();
  admin = Caller.admin(test);
  ann = await Caller.user(test, 'ann');
  await Caller.user(test, 'bob');
  annId = (await ann.ok<{ user_id: number }>('GET', '/users/me')).user_id;
  await ann.ok('POST', '/groups', { name: 'g' });
  for (const phone of ['1', '2', '3']) await ann.ok('POST', '/contacts', { phone });
  await admin.ok('POST', '/contacts', { phone: '4' });
  await test.database.query(`insert into account (type, username, created_by) values ('did', '100', $1)`, [annId]);
  await test.database.query(
    `insert into campaign (service_flag, status, created_by) values (4, 'running', $1), (4, 'paused', $1), (4, 'new', 1)`,
    [annId],
  );
  await test.database.query(
    `with t as (
       insert into transmission (service_flag, direction, status, is_deleted, created_by, date_created)
       values (2, 'outbound', 'completed', 0, $1, now()), (2, 'inbound', 'completed', 0, $1, now()),
              (4, 'outbound', 'processing', 0, $1, now()), (8, 'outbound', 'failed', 0, $1, to_timestamp(1000)),
              (2, 'outbound', 'completed', 1, $1, now()), (2, 'outbound', 'processing', 0, 1, now())
       returning transmission_id, service_flag, status, date_created)
     insert into spool (transmission_id, service_flag, status, time_spool)
     select transmission_id, service_flag, case status when 'processing' then 'started' else status end, date_created from t`,
    [annId],
  );
});

afterAll(() => test.stop());

it("counts what is one's own", async () => {
  expect(await counts(ann)).toEqual({
    user_total: 1,
    account_total: 2,
    did_total: 1,
    campaign_total: 2,
    campaign_active: 1,
    group_total: 1,
    contact_total: 3,
    transmission_total: 4,
    transmission_inbound: 1,
    transmission_outbound: 3,
    transmission_active: 1,
    spool_total: 4,
    spool_success: 2,
    spool_failed: 1,
  });
});

it("counts everybody's for statistic_admin, or one user's", async () => {
  expect(await counts(admin)).toMatchObject({ user_total: 3, contact_total: 4, transmission_total: 5, spool_total: 5 });
  for (const name of ['user_id', 'created_by']) {
    expect(await counts(admin, `?${name}=${annId}`)).toEqual(await counts(ann));
    expect(await counts(ann, `?${name}=${annId}`)).toEqual(await counts(ann));
    // Others' rows are not there for her, as in lists.
    expect(Object.values(await counts(ann, `?${name}=1`)).filter((count) => count !== 0)).toEqual([]);
  }
});

it('narrows by time, service and type of account', async () => {
  for (const name of ['since', 'from', 'date_created']) {
    expect(await counts(ann, `?${name}=2000`)).toMatchObject({
      transmission_total: 3,
      spool_total: 3,
      contact_total: 3,
    });
    expect(await counts(ann, `?${name}=1000`)).toMatchObject({ transmission_total: 4, spool_total: 4 });
    expect(await counts(ann, `?${name}=4000000000`)).toMatchObject({ user_total: 0, contact_total: 0, spool_total: 0 });
  }
  expect(await counts(ann, '?service_flag=2')).toMatchObject({
    transmission_total: 2,
    spool_total: 2,
    contact_total: 3,
  });
  expect(await counts(ann, '?service_flag=12')).toMatchObject({ transmission_total: 2, spool_failed: 1 });
  expect(await counts(ann, '?service_flag=0')).toMatchObject({ transmission_total: 4 });
  expect(await counts(ann, '?account_type=did')).toMatchObject({ account_total: 1, did_total: 1 });
  expect(await counts(ann, '?account_type=extension')).toMatchObject({ account_total: 0, did_total: 1 });
});

it('answers 403 without the permission and 412 for values that are none', async () => {
  const nobody = await Caller.user(test, 'nobody', []);
  expect((await nobody.call('GET', '/statistics')).status).toBe(403);
  for (const query of ['since=yesterday', 'service_flag=-1', 'user_id=x', `account_type=${'x'.repeat(33)}`]) {
    expect([query, (await ann.call('GET', `/statistics?${query}`)).status]).toEqual([query, 412]);
  }
});

it('counts what other modules contribute', async () => {
  const counters = test.kernel.container.resolve(StatisticCounters);
  counters.add({
    names: ['text_total'],
    sql: `select count(*) as text_total from text t where ${narrowed('t.created_by', 't.date_created')}`,
  });
  await ann.ok('POST', '/texts', { name: 'n', data: 'd' });
  expect(await counts(ann)).toMatchObject({ text_total: 1, campaign_total: 2 });
});
