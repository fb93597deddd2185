import { describeWithPeer, type KannelPeer, type SmscPeer, startKannel, startSmppSmsc } from '@ictcore/test-peers';
import type { ApiClient } from './support/api-client';
import { eventually, RunningServer } from './support/running-server';

/** Messages that come in, from the outside: guide lines S43 to S47 and S79 to S81, what nobody takes, keywords, kill -9. */

interface TransmissionRow {
  transmission_id: number;
  status: string;
  direction: string;
  contact_phone: string | null;
  contact_email: string | null;
  account_id: number;
  program_type: string;
  response: string;
}

const TOKEN = 'a-token-of-sixteen-or-more';

/** The user's default account, with a number of its own. */
async function accountOf(client: ApiClient, phone: string): Promise<number> {
  const [account] = await client.get<{ account_id: number }[]>('/accounts');
  const id = account?.account_id as number;
  await client.put(`/accounts/${id}`, { phone });
  return id;
}

const inboundOf = (client: ApiClient) => client.get<TransmissionRow[]>('/transmissions?direction=inbound');

async function resultsOf(client: ApiClient, id: number): Promise<Record<string, string>> {
  const results = await client.get<{ name: string; data: string }[]>(`/transmissions/${id}/results`);
  return Object.fromEntries(results.map((result) => [result.name, result.data]));
}

describe('with the loopback carrier, which answers', () => {
  let server: RunningServer;
  let ann: ApiClient;
  let bob: ApiClient;
  let annsAccount: number;
  let bobsAccount: number;

  beforeAll(async () => {
    server = await RunningServer.start();
    ann = await server.user('ann');
    bob = await server.user('bob');
    annsAccount = await accountOf(ann, '+1 (555) 010-0100');
    bobsAccount = await accountOf(bob, '+15550200');
  }, 60_000);
  afterAll(() => server.dispose());

  async function text(client: ApiClient, to: string, message: string, account_id: number): Promise<number> {
    const program_id = await client.post('/programs/sendsms', { message });
    return client.post('/transmissions', { program_id, phone: to, account_id, send: true });
  }

  test('S79: a program is installed on an account, once; the account’s own record is welcome as a body', async () => {
    const record = await ann.get<Record<string, unknown>>(`/accounts/${annsAccount}`);
    const id = await ann.put<number>(`/accounts/${annsAccount}/programs/receivesms`, record);
    expect(typeof id).toBe('number');
    expect(await ann.put(`/accounts/${annsAccount}/programs/receivesms`, { notify_email: 'desk@example.org' })).toBe(
      id,
    );
    expect(await ann.put(`/accounts/-1/programs/${id}`, {})).toBe(id);
    expect(await ann.get(`/programs/${id}`)).toMatchObject({
      type: 'receivesms',
      account_id: annsAccount,
      notify_email: 'desk@example.org',
    });
    await ann.put(`/accounts/${annsAccount}/programs/receiveemail`, {});
    expect(await ann.get(`/accounts/${annsAccount}`)).toMatchObject({
      programs: [{ program_id: id, type: 'receivesms' }, { type: 'receiveemail' }],
    });
    const refused = (method: string, path: string, body?: unknown) => ann.refusal(method, path, body);
    expect(await refused('PUT', `/accounts/${annsAccount}/programs/nosuch`, {})).toMatchObject({ status: 404 });
    expect(await refused('PUT', `/accounts/${annsAccount}/programs/sendsms`, {})).toMatchObject({ status: 412 });
    expect(await refused('PUT', `/accounts/${bobsAccount}/programs/receivesms`, {})).toMatchObject({ status: 404 });
    expect(await refused('DELETE', `/accounts/${annsAccount}/programs/receivefax`)).toMatchObject({ status: 404 });
    expect(await refused('POST', '/programs/receivesms', { phone: '+15550200' })).toMatchObject({
      status: 412,
      fields: ['phone'],
    });
    expect(await refused('POST', '/programs/receivesms', {})).toMatchObject({ status: 403 });
    expect(await refused('POST', '/programs/receivesms', { phone: '15550100100' })).toMatchObject({
      status: 409,
      message: expect.stringContaining(`program ${id} (receivesms)`),
    });
  });

  test('an answer becomes an inbound transmission with its text, and one mail tells of it', async () => {
    await text(ann, '+15551239921', 'hello there', annsAccount);
    const [got] = await eventually(
      () => inboundOf(ann),
      (rows) => rows.length === 1,
    );
    expect(got).toMatchObject({
      status: 'completed',
      contact_phone: '+15551239921',
      account_id: annsAccount,
      program_type: 'receivesms',
    });
    const id = got?.transmission_id as number;
    const results = await resultsOf(ann, id);
    expect(results).toMatchObject({ sms_receive: 'success', text: expect.any(String) });
    expect(results.contact_new).toBeUndefined();
    expect(await ann.get(`/messages/texts/${results.text}`)).toMatchObject({
      data: 'loopback: hello there',
      description: `received while processing transmission ${id}`,
    });
    const [mail] = await eventually(
      () => ann.get<TransmissionRow[]>('/emails?status=completed'),
      (rows) => rows.length === 1,
    );
    expect(mail).toMatchObject({ direction: 'outbound', contact_email: 'desk@example.org' });
    expect(await ann.refusal('POST', `/transmissions/${id}/send`)).toMatchObject({ status: 423 });
    const clone = await ann.post(`/transmissions/${id}/clone`);
    expect(await ann.refusal('POST', `/transmissions/${clone}/send`)).toMatchObject({ status: 423 });
    const { program_id } = await ann.get<{ program_id: number }>(`/transmissions/${id}`);
    expect(await ann.refusal('POST', '/transmissions', { program_id, phone: '+15550123' })).toMatchObject({
      status: 412,
      fields: ['program_id'],
    });
    await ann.delete(`/transmissions/${clone}`);
    expect(await inboundOf(bob)).toEqual([]);
  });

  test('mail that is answered becomes a template', async () => {
    const template_id = await ann.post('/messages/templates', { name: 'm', subject: 'Hi', body: '<p>Hi</p>' });
    const program_id = await ann.post('/programs/sendemail', { template_id });
    await ann.post('/transmissions', { program_id, email: 'reply@example.net', send: true });
    const rows = await eventually(
      () => ann.get<TransmissionRow[]>('/emails?direction=inbound'),
      (all) => all.length === 1,
    );
    const results = await resultsOf(ann, rows[0]?.transmission_id as number);
    expect(await ann.get(`/messages/templates/${results.template}`)).toMatchObject({ subject: 'Re: Hi' });
  });

  test('what nobody takes is the administrators’ to see and to assign', async () => {
    const admin = server.admin();
    await text(bob, '+15551239921', 'lost words', bobsAccount);
    const [message] = await eventually(
      () => admin.get<{ unmatched_id: number }[]>('/inbound/unmatched?channel=sms'),
      (rows) => rows.length === 1,
    );
    const path = `/inbound/unmatched/${message?.unmatched_id}`;
    expect(await admin.get(path)).toMatchObject({
      source: '+15551239921',
      destination: '+15550200',
      text: 'loopback: lost words',
      reason: expect.stringContaining('no program receives'),
    });
    expect(await bob.refusal('GET', '/inbound/unmatched')).toMatchObject({ status: 403 });
    expect(await admin.refusal('POST', `${path}/assign`, { account_id: bobsAccount })).toMatchObject({ status: 423 });
    await bob.put(`/accounts/${bobsAccount}/programs/receivesms`, {});
    const id = await admin.post(`${path}/assign`, { account_id: bobsAccount });
    expect(await bob.get(`/transmissions/${id}`)).toMatchObject({ status: 'completed', contact_phone: '+15551239921' });
    expect(await admin.refusal('GET', path)).toMatchObject({ status: 404 });
  });

  test('do-not-contact: CSV in and out, 423 on send, the refusal on record', async () => {
    const headers = { 'Content-Type': 'text/csv' };
    const reply = await ann.request(
      'POST',
      '/contact_dncs/csv?channel=sms',
      '+1 555 777 0001\n+15557770002\n',
      headers,
    );
    expect(reply.body).toMatchObject({ imported: 2, duplicates: 0, skipped: 0 });
    expect((await ann.request('GET', '/contact_dncs/csv')).text).toContain('sms,+1 555 777 0001,\r\n');
    const program_id = await ann.post('/programs/sendsms', { message: 'x' });
    const id = await ann.post('/transmissions', { program_id, phone: '+15557770001', try_allowed: 3 });
    expect(await ann.refusal('POST', `/transmissions/${id}/send`)).toEqual({
      status: 423,
      message: 'Not sent: do_not_contact',
      fields: [],
    });
    expect(await ann.get(`/transmissions/${id}`)).toMatchObject({ status: 'failed', response: 'do_not_contact' });
    expect(await ann.get(`/transmissions/${id}/spools`)).toMatchObject([
      { status: 'failed', response: 'do_not_contact' },
    ]);
    expect(await ann.refusal('POST', '/contact_dncs', { channel: 'sms', phone: '15557770002' })).toMatchObject({
      status: 409,
    });
    expect(await ann.refusal('POST', '/contact_dncs', { channel: 'sms', phone: '1', everyone: 1 })).toMatchObject({
      status: 403,
    });
    // Bob's list is another one.
    const bobs = await bob.post('/programs/sendsms', { message: 'x' });
    const free = await bob.post('/transmissions', { program_id: bobs, phone: '+15557770001', send: true });
    await eventually(
      () => bob.get(`/transmissions/${free}/status`),
      (status) => status === 'completed',
    );
    await server.admin().post('/contact_dncs', { channel: 'sms', phone: '+15557770003', everyone: 1 });
    const barred = await bob.post('/transmissions', { program_id: bobs, phone: '+15557770003', send: true });
    await eventually(
      () => bob.get(`/transmissions/${barred}/status`),
      (status) => status === 'failed',
    );
    expect(await bob.get('/contact_dncs')).toEqual([]);
  });

  test('S81 and S80: programs go, and the number is free again', async () => {
    expect(await ann.delete(`/accounts/${annsAccount}/programs/receivesms`)).toBe(true);
    expect(await ann.delete(`/accounts/${annsAccount}/programs`)).toBe(true);
    expect(await ann.get(`/accounts/${annsAccount}`)).toMatchObject({ programs: [] });
    expect(typeof (await ann.post('/programs/receivesms', { account_id: annsAccount }))).toBe('number');
  });
});

describe('kill -9 while messages come in', () => {
  const MESSAGES = 120;

  test('each message and each follow-up is there exactly once', async () => {
    let server = await RunningServer.start();
    const { databaseUrl, dataDir } = server;
    const restart = async () => {
      server = await RunningServer.start({ dataDir, ...(databaseUrl && { databaseUrl }) });
    };
    const first = server;
    try {
      const settings = { callback_secret: TOKEN };
      const provider = {
        name: 'kannel',
        type: 'kannel',
        host: '127.0.0.1',
        port: 9,
        username: 'u',
        password: 'p',
        settings,
      };
      const providerId = await server.admin().post('/providers', provider);
      const ann = await server.user('ann');
      const account = await accountOf(ann, '+15550100');
      await ann.put(`/accounts/${account}/programs/receivesms`, { notify_email: 'desk@example.org' });
      const post = async (n: number): Promise<boolean> => {
        const path = `/providers/${providerId}/webhook/mo?token=${TOKEN}&from=%2B1555020${n + 1000}&to=%2B15550100&id=${n}`;
        const reply = await ann
          .anonymous()
          .request('POST', server.url + path, `message ${n}`, { 'Content-Type': 'text/plain' });
        return reply.status === 200;
      };
      const confirmed = new Set<number>();
      for (let round = 0; round < 3; round++) {
        const dying = server;
        const posts = Array.from({ length: MESSAGES }, async (_, n) => {
          await new Promise((resolve) => setTimeout(resolve, n * 6));
          if (await post(n).catch(() => false)) confirmed.add(n);
        });
        setTimeout(() => void dying.kill(), 250 + round * 200);
        await Promise.all(posts);
        await dying.exited;
        await restart();
      }
      for (let n = 0; n < MESSAGES; n++) if (await post(n)) confirmed.add(n);
      expect(confirmed.size).toBe(MESSAGES);
      const received = () =>
        server.sql<{ n: number }>(`select count(*)::int as n from transmission where direction = 'inbound'`);
      expect(await received()).toEqual([{ n: MESSAGES }]);
      const notices = () =>
        server.sql<{ n: number; parents: number }>(
          `select count(*)::int as n, count(distinct x.body)::int as parents
             from transmission t join program p using (program_id) join template x on x.template_id = (p.data->>'template_id')::int8
            where p.parent_id is not null`,
        );
      await eventually(notices, ([row]) => (row?.n ?? 0) >= MESSAGES, 30_000);
      await new Promise((resolve) => setTimeout(resolve, 2500));
      expect(await notices()).toEqual([{ n: MESSAGES, parents: MESSAGES }]);
      expect(await server.sql('select count(*)::int as n from text')).toEqual([{ n: MESSAGES }]);
    } finally {
      await server.dispose();
      if (server !== first) await first.dispose();
    }
  }, 180_000);
});

describeWithPeer(['kannel', 'smsc'], 'with a real Kannel', () => {
  let server: RunningServer;
  let smsc: SmscPeer;
  let kannel: KannelPeer;
  let ann: ApiClient;

  beforeAll(async () => {
    server = await RunningServer.start();
    const admin = server.admin();
    const provider = {
      name: 'kannel',
      type: 'kannel',
      host: '127.0.0.1',
      port: 9,
      username: 'tester',
      password: 'foobar',
    };
    const id = await admin.post('/providers', { ...provider, settings: { callback_secret: TOKEN } });
    const webhook = `${server.url}/api/providers/${id}/webhook`;
    smsc = await startSmppSmsc();
    kannel = await startKannel({ smsc, inboundUrl: `${webhook}/mo?token=${TOKEN}&from=%p&to=%P&id=%I` });
    await admin.put(`/providers/${id}`, {
      port: kannel.port,
      settings: { callback_secret: TOKEN, callback_url: webhook },
    });
    ann = await server.user('ann');
    await ann.put(`/accounts/${await accountOf(ann, '12345')}/programs/receivesms`, {});
  }, 90_000);
  afterAll(async () => {
    await kannel?.stop();
    await smsc?.stop();
    await server?.dispose();
  });

  test('a message comes in, one goes out and is reported on, STOP ends it with one confirmation', async () => {
    const from = { from: '447700900001', to: '12345' };
    await smsc.inbound({ ...from, message: Buffer.from('Hello') });
    const [got] = await eventually(
      () => inboundOf(ann),
      (rows) => rows.length === 1,
    );
    expect(got).toMatchObject({ status: 'completed', contact_phone: '+447700900001' });
    const program_id = await ann.post('/programs/sendsms', { message: 'Hello yourself' });
    const { contact_id } = await ann.get<{ contact_id: number }>(`/transmissions/${got?.transmission_id}`);
    const sent = await ann.post('/transmissions', { program_id, contact_id, send: true });
    await eventually(
      () => ann.get(`/transmissions/${sent}/status`),
      (status) => status === 'completed',
    );
    const before = smsc.submits.length;
    await smsc.inbound({ ...from, message: Buffer.from('Stop') });
    await smsc.inbound({ ...from, message: Buffer.from('STOP') });
    await eventually(
      () => inboundOf(ann),
      (rows) => rows.length === 3,
    );
    await eventually(
      async () => smsc.submits.length,
      (count) => count > before,
    );
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect(smsc.submits.length).toBe(before + 1);
    expect(Buffer.from(smsc.submits.at(-1)?.hex ?? '', 'hex').toString()).toContain('unsubscribed');
    expect(await ann.get('/contact_dncs')).toMatchObject([
      { channel: 'sms', phone: '+447700900001', origin: 'keyword' },
    ]);
    const again = await ann.post('/transmissions', { program_id, contact_id });
    expect(await ann.refusal('POST', `/transmissions/${again}/send`)).toMatchObject({ status: 423 });
    expect(smsc.submits.length).toBe(before + 1);
  }, 60_000);
});
