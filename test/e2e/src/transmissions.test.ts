import type { ApiClient } from './support/api-client';
import { eventually, RunningServer } from './support/running-server';

/** Programs, transmissions, attempts and results over HTTP: guide lines S37 to S42, S48, S50 and S60 to S73. */

let server: RunningServer;
let ann: ApiClient;
let contact: number;
let text: number;

beforeAll(async () => {
  server = await RunningServer.start({ env: { ICTCORE_ENGINE_RETRY_DELAY: '0' } });
  ann = await server.user('ann');
  contact = await ann.post('/contacts', { first_name: 'Zoe', phone: '+15550100', email: 'zoe@example.org' });
  text = await ann.post('/texts', { name: 'greeting', data: 'Hello [contact:first_name], [nonsense] [company:name]' });
}, 60_000);
afterAll(() => server.dispose());

const done = (id: number) =>
  eventually(
    () => ann.get<string>(`/transmissions/${id}/status`),
    (status) => ['completed', 'failed', 'invalid'].includes(status),
  );

/** A transmission to a number of the loopback carrier. */
async function to(phone: string, more: Record<string, unknown> = {}): Promise<number> {
  const program_id = await ann.post('/programs/sendsms', { text_id: text });
  return ann.post('/transmissions', { program_id, phone, ...more });
}

describe('programs', () => {
  it('S50, S39, S38: created by type, read with data and parameters, listed', async () => {
    const id = await ann.post('/programs/sendsms', { text_id: String(text), name: 'greet', nonsense: 1 });
    expect(await ann.get(`/programs/${id}`)).toMatchObject({
      program_id: id,
      name: 'greet',
      type: 'sendsms',
      parent_id: null,
      data: { text_id: text },
      text_id: text,
      user_id: expect.any(Number),
    });
    const listed = await ann.get<{ program_id: number }[]>('/programs?type=sendsms');
    expect(listed.at(-1)).toEqual({ program_id: id, name: 'greet', type: 'sendsms', parent_id: null });
    expect(await ann.get<unknown[]>('/programs/sendsms')).toEqual(listed);
    const child = await ann.post('/programs/sendsms', { text_id: text, parent_id: id });
    expect(await ann.get('/programs?totalrows=1')).toBe(listed.length);
    expect(await ann.get('/programs?all=1&totalrows=1')).toBe(listed.length + 1);
    expect(await ann.get('/programs/sendsms?totalrows=1')).toBe(listed.length + 1);
    await ann.delete(`/programs/${child}`);
    expect(await ann.get(`/programs/${id}/scheme`)).toEqual({
      start: expect.any(String),
      steps: expect.any(Object),
    });
  });

  it('S37: the type may stand in the body; without one, or an unknown one, 412 says what there is', async () => {
    expect(await ann.post('/programs', { type: 'sendsms', text_id: text })).toEqual(expect.any(Number));
    for (const body of [{}, { type: 'sendpigeon' }]) {
      const refusal = await ann.refusal('POST', '/programs', body);
      expect(refusal).toMatchObject({ status: 412, fields: ['type'] });
      expect(refusal.message).toContain('sendsms');
    }
    expect(await ann.refusal('POST', '/programs/sendpigeon', {})).toMatchObject({
      status: 404,
      message: expect.stringContaining('sendsms'),
    });
  });

  it('parameters are checked: missing, of others, unresolved tokens', async () => {
    expect(await ann.refusal('POST', '/programs/sendsms', {})).toMatchObject({ status: 412 });
    expect(await ann.refusal('POST', '/programs/sendsms', { text_id: 999_999 })).toMatchObject({
      status: 412,
      fields: ['text_id'],
    });
    expect(await ann.refusal('POST', '/programs/sendsms', { text_id: '[text:text_id]' })).toMatchObject({
      status: 412,
    });
  });

  it('an inline message becomes a text of one’s own', async () => {
    const id = await ann.post('/programs/sendsms', { message: 'straight away' });
    const { text_id } = await ann.get<{ text_id: number }>(`/programs/${id}`);
    expect(await ann.get(`/texts/${text_id}`)).toMatchObject({ data: 'straight away' });
  });

  it('PUT changes the parameters; a program and a text in use cannot be deleted', async () => {
    const other = await ann.post('/texts', { name: 'other', data: 'other' });
    const id = await ann.post('/programs/sendsms', { text_id: text });
    expect(await ann.put(`/programs/${id}`, { text_id: other })).toMatchObject({
      text_id: other,
      data: { text_id: other },
    });
    const transmission = await ann.post('/transmissions', { program_id: id, contact_id: contact });
    expect((await ann.refusal('DELETE', `/programs/${id}`)).status).toBe(423);
    expect((await ann.refusal('DELETE', `/texts/${other}`)).status).toBe(423);
    await ann.delete(`/transmissions/${transmission}`);
    expect(await ann.delete(`/programs/${id}`)).toBe(true);
    expect((await ann.refusal('GET', `/programs/${id}`)).status).toBe(404);
  });
});

describe('creating transmissions (S60, S41)', () => {
  it('defaults: account, title, origin, channel, one try; shown with nested contact and account', async () => {
    const program_id = await ann.post('/programs/sendsms', { text_id: text, name: 'greet' });
    const id = await ann.post('/transmissions', {
      program_id,
      contact_id: contact,
      account_id: null,
      status: 'completed',
    });
    expect(await ann.get(`/transmissions/${id}`)).toMatchObject({
      title: 'greet',
      origin: 'sendsms',
      service_flag: 4,
      direction: 'outbound',
      status: 'pending',
      try_allowed: 1,
      try_done: 0,
      program_type: 'sendsms',
      username: 'ann',
      contact_phone: '+15550100',
      contact: { contact_id: contact, first_name: 'Zoe' },
      account: { username: 'ann' },
      last_run: null,
    });
  });

  it('a phone in place of a contact takes the contact that has it, or makes one', async () => {
    const first = await ann.get<{ contact_id: number }>(`/transmissions/${await to('+1 (555) 010-0')}`);
    expect(first.contact_id).toBe(contact);
    const made = await ann.get<{ contact_id: number }>(`/transmissions/${await to('+15550177')}`);
    expect(made.contact_id).not.toBe(contact);
    expect(await ann.get(`/transmissions/${await to('+1-555-0177')}`)).toMatchObject({ contact_id: made.contact_id });
  });

  it('refusals name the field', async () => {
    const program_id = await ann.post('/programs/sendsms', { text_id: text });
    const email = await ann.post('/contacts', { email: 'only@example.org' });
    expect(await ann.refusal('POST', '/transmissions', { contact_id: contact })).toMatchObject({
      status: 412,
      fields: ['program_id'],
    });
    expect(await ann.refusal('POST', '/transmissions', { program_id })).toMatchObject({
      status: 412,
      fields: ['contact_id'],
    });
    expect(await ann.refusal('POST', '/transmissions', { program_id, contact_id: email })).toMatchObject({
      status: 412,
      fields: ['contact_id'],
    });
    expect(
      await ann.refusal('POST', '/transmissions', { program_id, contact_id: contact, try_allowed: 0 }),
    ).toMatchObject({ status: 412, fields: ['try_allowed'] });
    expect(
      await ann.refusal('POST', '/transmissions', { program_id, contact_id: contact, direction: 'sideways' }),
    ).toMatchObject({ status: 412, fields: ['direction'] });
  });

  it('S41, S42: below a program by id, or by type with its data; send:true sends', async () => {
    const program = await ann.post('/programs/sendsms', { text_id: text });
    const flat = await ann.post(`/programs/${program}/transmissions`, { contact_id: contact, title: 'flat' });
    const nested = await ann.post(`/programs/${program}/transmissions`, {
      transmission_data: { contact_id: contact, title: 'nested' },
    });
    const listed = await ann.get<{ transmission_id: number }[]>(`/programs/${program}/transmissions`);
    expect(listed.map((row) => row.transmission_id)).toEqual([flat, nested]);
    const byType = await ann.post('/programs/sendsms/transmissions', {
      program_data: { message: 'hi' },
      transmission_data: { contact_id: contact, send: true },
    });
    expect(await done(byType)).toBe('completed');
    expect(
      await ann.refusal('POST', `/programs/${program}/transmissions`, { program_data: {}, contact_id: contact }),
    ).toMatchObject({ status: 412, fields: ['program_data'] });
    expect((await ann.refusal('POST', '/programs/nonsense/transmissions', { contact_id: contact })).status).toBe(404);
  });
});

describe('sending and looking (S64 to S73)', () => {
  it('send answers the spool id at once; status, detail and result tell the rest', async () => {
    const id = await to('+15550100');
    const spool = await ann.post(`/transmissions/${id}/send`);
    expect(await done(id)).toBe('completed');
    const [attempt] = await ann.get<Record<string, unknown>[]>(`/transmissions/${id}/detail`);
    expect(attempt).toMatchObject({
      spool_id: spool,
      transmission_id: id,
      status: 'completed',
      attempt: 1,
      amount: 1,
      reason: null,
    });
    for (const time of ['time_spool', 'time_start', 'time_connect', 'time_end']) {
      expect(Math.abs(Number(attempt?.[time]) - Date.now() / 1000)).toBeLessThan(30);
    }
    expect(String(attempt?.response)).toContain('loopback');
    expect(await ann.get(`/spools/${spool}/status`)).toBe('completed');
    expect(await ann.get(`/spools/${spool}`)).toEqual(attempt);
    const results = await ann.get<unknown[]>(`/transmissions/${id}/results`);
    expect(results).toContainEqual(expect.objectContaining({ type: 'application', name: 'sms_send', data: 'success' }));
    expect(await ann.get(`/spools/${spool}/result?name=sms_send`)).toHaveLength(1);
    for (const alias of ['spools', 'logs']) expect(await ann.get(`/smses/${id}/${alias}`)).toEqual([attempt]);
  });

  it('what has been completed is not sent again, but cloned', async () => {
    const id = await to('+15550100', { title: 'once' });
    await ann.get(`/transmissions/${id}/send`);
    await done(id);
    expect((await ann.refusal('POST', `/transmissions/${id}/send`)).status).toBe(423);
    const clone = await ann.post(`/transmissions/${id}/clone`);
    expect(await ann.get(`/transmissions/${clone}`)).toMatchObject({
      title: 'once',
      status: 'pending',
      try_done: 0,
      contact_id: contact,
    });
    expect(await ann.get(`/transmissions/${clone}/results`)).toEqual([]);
  });

  it('a failure shows its cause, tries as often as allowed, and may be tried again by hand', async () => {
    const id = await to('+15559901', { try_allowed: 2 });
    await ann.post(`/transmissions/${id}/send`);
    expect(await done(id)).toBe('failed');
    const row = await ann.get<{ response: string; try_done: number }>(`/transmissions/${id}`);
    expect(row.try_done).toBe(2);
    expect(row.response).toContain('loopback');
    await ann.post(`/transmissions/${id}/retry`);
    await eventually(
      () => ann.get<unknown[]>(`/transmissions/${id}/detail`),
      (attempts) => attempts.length === 3,
    );
    expect(await done(id)).toBe('failed');
    expect(await ann.get(`/transmissions/${id}`)).toMatchObject({ try_done: 3 });
    expect(await ann.get<unknown[]>(`/transmissions/${id}/results?all=1&name=sms_send`)).toHaveLength(3);
    expect(await ann.get<unknown[]>(`/transmissions/${id}/results?name=sms_send`)).toHaveLength(1);
  });

  it('an outcome that nobody knows is shown as such and not sent again', async () => {
    const id = await to('+15559907', { try_allowed: 5 });
    await ann.post(`/transmissions/${id}/send`);
    expect(await done(id)).toBe('failed');
    expect(await ann.get(`/transmissions/${id}`)).toMatchObject({ response: 'unknown_outcome', try_done: 1 });
  });

  it('receipts: later, early, twice, a failing one', async () => {
    const endings = { 9911: 'completed', 9912: 'failed', 9913: 'completed', 9914: 'completed' };
    for (const [ending, expected] of Object.entries(endings)) {
      const id = await to(`+1555${ending}`);
      await ann.post(`/transmissions/${id}/send`);
      expect({ ending, status: await done(id) }).toEqual({ ending, status: expected });
    }
  });

  it('the snapshot of number and address stays when the contact changes', async () => {
    const own = await ann.post('/contacts', { phone: '+15550300' });
    const program_id = await ann.post('/programs/sendsms', { text_id: text });
    const id = await ann.post('/transmissions', { program_id, contact_id: own });
    await ann.put(`/contacts/${own}`, { phone: '+15550301' });
    expect(await ann.get(`/transmissions/${id}`)).toMatchObject({ contact_phone: '+15550301' });
    await ann.post(`/transmissions/${id}/send`);
    await done(id);
    await ann.put(`/contacts/${own}`, { phone: '+15550302' });
    expect(await ann.get(`/transmissions/${id}`)).toMatchObject({ contact_phone: '+15550301' });
  });
});

describe('lists, changes, deletion (S61 to S63)', () => {
  it('lists by channel, filters, newest last, totals', async () => {
    const rows = await ann.get<{ transmission_id: number; service_flag: number }[]>('/smses');
    expect(rows.length).toBeGreaterThan(5);
    expect(rows.map((row) => row.transmission_id)).toEqual(
      [...rows.map((row) => row.transmission_id)].sort((a, b) => a - b),
    );
    expect(await ann.get('/emails')).toEqual([]);
    expect(await ann.get('/transmissions?service_flag=4')).toHaveLength(rows.length);
    const failed = await ann.get<{ status: string }[]>('/transmissions?status=failed,invalid');
    expect(new Set(failed.map((row) => row.status))).toEqual(new Set(['failed']));
    const page = await ann.request('GET', '/transmissions?limit=2&sort=-transmission_id');
    expect((page.body as { transmission_id: number }[])[0]?.transmission_id).toBe(rows.at(-1)?.transmission_id);
    expect(page.headers.get('x-total-count')).toBe(String(rows.length));
    expect(await ann.get('/transmissions?totalrows=1')).toBe(rows.length);
    expect(await ann.refusal('GET', '/transmissions?before=abc')).toMatchObject({ status: 412, fields: ['before'] });
  });

  it('PUT: everything while pending, later only title and is_read; putting back what was read changes nothing', async () => {
    const id = await to('+15550100');
    expect(await ann.put(`/transmissions/${id}`, { try_allowed: 3, title: 'new' })).toMatchObject({
      try_allowed: 3,
      title: 'new',
    });
    expect(await ann.put(`/transmissions/${id}`, { phone: '+15550188' })).toMatchObject({ contact_phone: '+15550188' });
    await ann.post(`/transmissions/${id}/send`);
    await done(id);
    expect((await ann.refusal('PUT', `/transmissions/${id}`, { try_allowed: 9 })).status).toBe(423);
    const row = await ann.get<Record<string, unknown>>(`/transmissions/${id}`);
    expect(await ann.put(`/transmissions/${id}`, { ...row, title: 'again', is_read: 1 })).toMatchObject({
      title: 'again',
      is_read: 1,
      try_allowed: 3,
    });
  });

  it('DELETE hides; administrators find it with is_deleted=1', async () => {
    const id = await to('+15550100');
    expect(await ann.delete(`/transmissions/${id}`)).toBe(true);
    const visible = async (client: ApiClient, query: string) =>
      (await client.get<{ transmission_id: number }[]>(`/transmissions${query}`)).some(
        (row) => row.transmission_id === id,
      );
    expect(await visible(ann, '')).toBe(false);
    expect(await visible(ann, '?is_deleted=1')).toBe(false);
    expect(await visible(server.admin(), '?is_deleted=1')).toBe(true);
    expect((await ann.refusal('POST', `/transmissions/${id}/send`)).status).toBe(423);
  });

  it('without any provider for the channel a send is 404 and the transmission stays pending', async () => {
    const admin = server.admin();
    const [loopback] = await admin.get<{ provider_id: number }[]>('/providers');
    await admin.put(`/providers/${loopback?.provider_id}`, { active: 0 });
    const id = await to('+15550100');
    const refusal = await ann.refusal('POST', `/transmissions/${id}/send`);
    expect(refusal).toMatchObject({ status: 404 });
    expect(refusal.message).toContain('No provider available');
    expect(await ann.get(`/transmissions/${id}/status`)).toBe('pending');
    await admin.put(`/providers/${loopback?.provider_id}`, { active: 1 });
    await ann.post(`/transmissions/${id}/send`);
    expect(await done(id)).toBe('completed');
  });
});
