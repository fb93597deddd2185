import { type CampaignFigures, ictcore, makeGroup, untilOver } from './support/campaign-desk';
import { eventually, RunningServer } from './support/running-server';

jest.setTimeout(60_000);

let server: RunningServer;
beforeAll(async () => {
  server = await RunningServer.start({ env: { ICTCORE_CAMPAIGN_DEFAULT_CPM: '0' } });
});
afterAll(() => server.dispose());

const url = () => server.databaseUrl as string;
const program = () => server.admin().post('/programs/sendsms', { message: 'Hello [contact:first_name]' });

async function campaign(size: number, more: Record<string, unknown> = {}): Promise<number> {
  const group_id = await makeGroup(url(), size);
  return server.admin().post('/campaigns', { program_id: await program(), group_id, ...more });
}

test('S52 to S57: a campaign from its creation to its end, by the guide’s own paths', async () => {
  const admin = server.admin();
  const id = await campaign(50, { name: 'Spring', try_allowed: 2 });
  expect(await admin.get(`/campaign/${id}`)).toMatchObject({
    campaign_id: id,
    name: 'Spring',
    status: 'new',
    program_type: 'sendsms',
  });
  expect(await admin.put(`/campaigns/${id}`, { cpm: 120 })).toMatchObject({ cpm: 120 });
  const started = await admin.request('GET', `/campaign/${id}/start`);
  expect(started).toMatchObject({ status: 200, body: id });
  expect(started.headers.get('cache-control')).toBe('no-store');
  expect(started.headers.get('deprecation')).toBe('true');
  expect(await admin.refusal('POST', `/campaigns/${id}/start`)).toMatchObject({ status: 423 });
  expect((await admin.request('HEAD', `/campaign/${id}/stop`)).status).toBe(405);
  expect(await admin.put(`/campaigns/${id}/stop`)).toBe(id);
  expect(await admin.get(`/campaigns/${id}`)).toMatchObject({ status: 'paused', reason: 'user' });
  await admin.put(`/campaigns/${id}`, { cpm: 6000 });
  expect(await admin.post(`/campaigns/${id}/resume`)).toBe(id);
  expect(await untilOver(admin, id, 20_000)).toMatchObject({
    status: 'completed',
    contact_total: 50,
    contact_done: 50,
    contact_completed: 50,
    contact_pending: 0,
    contact_active: 0,
    contact_failed: 0,
    contact_skipped: 0,
  });
  const list = await admin.get<CampaignFigures[]>(`/campaigns?status=completed&campaign_id=${id}`);
  expect(list).toMatchObject([{ campaign_id: id, program_type: 'sendsms', contact_completed: 50 }]);
  const made = await admin.get<unknown[]>(`/transmissions?campaign_id=${id}&status=completed`);
  expect(made).toHaveLength(50);
  const copy = await admin.post(`/campaigns/${id}/clone`);
  expect(await admin.get(`/campaigns/${copy}`)).toMatchObject({ status: 'new', name: 'Spring', contact_total: 0 });
  expect(await admin.delete(`/campaign/${id}`)).toBe(true);
  expect(await admin.refusal('GET', `/campaigns/${id}`)).toMatchObject({ status: 404 });
  // What was sent stays for reports.
  expect(await admin.get<unknown[]>(`/transmissions?campaign_id=${id}&status=completed`)).toHaveLength(50);
});

test('S52: what is refused', async () => {
  const admin = server.admin();
  const group_id = await makeGroup(url(), 1);
  const program_id = await program();
  const refused = (body: object) => admin.refusal('POST', '/campaigns', body);
  expect(await refused({ group_id })).toMatchObject({ status: 412, fields: ['program_id'] });
  expect(await refused({ program_id })).toMatchObject({ status: 412, fields: ['group_id'] });
  expect(await refused({ program_id, group_id, cpm: 0 })).toMatchObject({ status: 412, fields: ['cpm'] });
  expect(await refused({ program_id, group_id, cpm: 6001 })).toMatchObject({ status: 412, fields: ['cpm'] });
  expect(await refused({ program_id: 99_999, group_id })).toMatchObject({ status: 412, fields: ['program_id'] });
  expect(await refused({ program_id, group_id: 99_999 })).toMatchObject({ status: 412, fields: ['group_id'] });
  const legacy = await admin.post('/campaigns', { program_id, group_id, delay: '500000' });
  expect(await admin.get(`/campaigns/${legacy}`)).toMatchObject({ cpm: 120 });
});

test('others neither see nor move a campaign', async () => {
  const other = await server.user('stranger');
  const id = await campaign(1);
  expect(await other.get('/campaigns')).toEqual([]);
  expect(await other.refusal('GET', `/campaigns/${id}`)).toMatchObject({ status: 404 });
  expect(await other.refusal('POST', `/campaigns/${id}/start`)).toMatchObject({ status: 404 });
  expect(await other.refusal('POST', `/campaigns/${id}/start/schedule`, { delay: 5 })).toMatchObject({ status: 404 });
  expect(await other.refusal('DELETE', `/campaigns/${id}`)).toMatchObject({ status: 404 });
});

test('S58, S59: schedules of a campaign', async () => {
  const admin = server.admin();
  const id = await campaign(5);
  expect(await admin.refusal('POST', `/campaigns/${id}/explode/schedule`, { delay: 5 })).toMatchObject({
    status: 412,
    fields: ['action'],
  });
  expect(await admin.refusal('POST', `/campaigns/${id}/start/schedule`, {})).toMatchObject({ status: 412 });
  const first = await admin.post(`/campaigns/${id}/start/schedule`, { delay: 3600 });
  const second = await admin.put<number>(`/campaign/${id}/start/schedule`, {
    hour: 9,
    minute: 30,
    timezone: 'Asia/Karachi',
  });
  const stop = await admin.post(`/campaigns/${id}/stop/schedule`, { delay: 7200 });
  expect(second).not.toBe(first);
  expect(await admin.get(`/campaigns/${id}/schedule`)).toMatchObject([
    {
      task_id: second,
      type: 'campaign',
      action: 'start',
      data: id,
      status: 1,
      is_recurring: 1,
      hour: '9',
      minute: '30',
    },
    { task_id: stop, action: 'stop', is_recurring: 0 },
  ]);
  const tasks = await admin.get<{ task_id: number }[]>(`/tasks?type=campaign&data=${id}`);
  expect(tasks.map((task) => task.task_id)).toEqual([second, stop]);
  expect(await admin.delete(`/campaigns/${id}/stop/schedule`)).toBe(true);
  expect(await admin.get<unknown[]>(`/campaigns/${id}/schedule`)).toHaveLength(1);
  expect(await admin.delete(`/campaign/${id}/schedule/cancel`)).toBe(true);
  expect(await admin.delete(`/campaign/${id}/schedule/cancel`)).toBe(true);
  expect(await admin.get(`/campaigns/${id}/schedule`)).toEqual([]);
  await admin.post(`/campaigns/${id}/start/schedule`, { delay: 1 });
  expect(await untilOver(admin, id, 20_000)).toMatchObject({ status: 'completed', contact_completed: 5 });
});

test('S67, S68: a transmission at a time, before and after a restart', async () => {
  const admin = server.admin();
  const program_id = await program();
  const make = (phone: string) => admin.post('/transmissions', { program_id, phone });
  const [soon, never] = [await make('+442079460001'), await make('+442079460002')];
  expect(await admin.refusal('PUT', `/transmissions/${soon}/schedule`, { timestamp: 1_000_000_000 })).toMatchObject({
    status: 412,
  });
  expect(await admin.refusal('PUT', `/transmissions/${soon}/schedule`, { delay: 1, hour: 3 })).toMatchObject({
    status: 412,
  });
  const at = new Date(Date.now() + 2500).toISOString();
  await admin.put(`/transmissions/${soon}/schedule`, { datetime: at });
  const task = await admin.put<number>(`/transmissions/${never}/schedule`, { delay: 2 });
  expect(await admin.get(`/transmissions/${never}/schedule`)).toMatchObject([{ task_id: task, action: 'send' }]);
  expect(await admin.get(`/transmissions/${soon}`)).toMatchObject({ status: 'pending', next_run: expect.any(Number) });
  expect(await admin.delete(`/transmissions/${never}/schedule`)).toBe(true);
  await eventually(
    () => admin.get<string>(`/transmissions/${soon}/status`),
    (status) => status === 'completed',
  );
  expect(await admin.get(`/transmissions/${never}`)).toMatchObject({ status: 'pending', next_run: null });
  expect(await admin.refusal('PUT', `/transmissions/${soon}/schedule`, { delay: 5 })).toMatchObject({ status: 423 });
  const later = await admin.post('/transmissions', { program_id, phone: '+442079460003', schedule: { delay: 1 } });
  await eventually(
    () => admin.get<string>(`/transmissions/${later}/status`),
    (status) => status === 'completed',
  );
});

test('the commands: ledger check as a table and as JSON, watch of a campaign that is not there', async () => {
  const env = { DATABASE_URL: url(), ICTCORE_DATA_DIR: server.dataDir };
  const check = await ictcore(['ledger', 'check', '--json'], env);
  expect(check.code).toBe(0);
  const report = JSON.parse(check.stdout) as { campaigns: { total: number }[]; broken: unknown[] };
  expect(report.broken).toEqual([]);
  expect(report.campaigns.length).toBeGreaterThan(0);
  expect(await ictcore(['campaign', 'watch', '424242'], env)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('There is no campaign 424242'),
  });
  const nowhere = await ictcore(['ledger', 'check'], { ICTCORE_DATA_DIR: `${server.dataDir}/nothing` });
  expect(nowhere).toMatchObject({ code: 1, stderr: expect.stringContaining('There is no database') });
});
