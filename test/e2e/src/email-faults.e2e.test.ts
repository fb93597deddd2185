import { createServer } from 'node:net';
import {
  describeWithPeer,
  FaultySmtpServer,
  type PostfixPeer,
  type RecipientRules,
  startPostfix,
} from '@ictcore/test-peers';
import type { ApiClient } from './support/api-client';
import { MailDesk, type Report, SmtpProviders } from './support/mail-desk';
import { eventually, RunningServer } from './support/running-server';

interface Health {
  state: string;
  detail: string;
  round_trip_ms: number | null;
}

/** Seconds a hand-over may take here. */
const SUBMIT_TIMEOUT = 3;
const LOGIN = { username: 'mailer', password: 'smtp secret of the mailer' };

/** A port of this host where nobody listens. */
async function deadPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describeWithPeer('postfix', 'e-mail that meets trouble', () => {
  let server: RunningServer;
  let postfix: PostfixPeer;
  let guarded: PostfixPeer;
  let admin: ApiClient;
  let desk: MailDesk;
  let providers: SmtpProviders;
  const started: FaultySmtpServer[] = [];

  beforeAll(async () => {
    [server, postfix, guarded] = await Promise.all([
      RunningServer.start({ env: { ICTCORE_ENGINE_SUBMIT_TIMEOUT: String(SUBMIT_TIMEOUT) } }),
      startPostfix({ mode: 'mailbox' }),
      startPostfix({ mode: 'mailbox', tls: true, auth: LOGIN }),
    ]);
    admin = server.admin();
    desk = new MailDesk(await server.user('maria'));
    providers = new SmtpProviders(admin);
  }, 60_000);
  afterAll(async () => {
    await server?.dispose();
    await Promise.all([postfix?.stop(), guarded?.stop(), ...started.map((fake) => fake.stop())]);
  });

  const good = () => ({ host: postfix.host, port: postfix.port });
  const faulty = async (fault: FaultySmtpServer['fault']) => {
    const fake = await FaultySmtpServer.start({ fault });
    started.push(fake);
    return fake;
  };

  /** Nothing is left that says it is still going on. */
  const expectOver = async ({ transmission, spools }: Report) => {
    expect(transmission.next_run).toBeNull();
    expect(spools.every((spool) => spool.time_end !== null && ['completed', 'failed'].includes(spool.status))).toBe(
      true,
    );
    expect(transmission.try_done).toBe(spools.length);
  };

  /** Rules for recipients, and a provider without connections that Postfix still serves by the old ones. */
  const rules = async (given: RecipientRules) => {
    await postfix.setRecipients(given);
    await providers.use(good());
  };

  describe('recipients', () => {
    afterAll(() => postfix.setRecipients({}));

    test('refused: failed with the words of the server, and not tried again though two tries are left', async () => {
      await rules({ rejectRecipients: { 'nobody@example.net': '550 5.1.1 No such person here' } });
      const report = await desk.deliver({ to: 'nobody@example.net', tryAllowed: 3, retryDelay: 0 });
      expect(report.transmission).toMatchObject({ status: 'failed', try_done: 1, next_run: null });
      expect(report.transmission.response).toMatch(/^550 5\.1\.1 .*No such person here/);
      expect(report.spools).toEqual([
        expect.objectContaining({
          status: 'failed',
          reason: 'invalid_destination',
          response: report.transmission.response,
          time_connect: null,
          amount: 0,
        }),
      ]);
      const results = await desk.client.get<object[]>(`/transmissions/${report.transmission.transmission_id}/result`);
      expect(results).toContainEqual(
        expect.objectContaining({ type: 'application', name: 'email_send', data: 'error' }),
      );
      await pause(1500);
      await expectOver(await desk.report(report.transmission.transmission_id));
    });

    test('deferred: as many attempts as allowed, after the delay, then failed', async () => {
      await rules({ deferRecipients: { 'busy@example.net': '450 4.2.1 Mailbox busy' } });
      const report = await desk.deliver({ to: 'busy@example.net', tryAllowed: 2, retryDelay: 1 });
      expect(report.transmission).toMatchObject({ status: 'failed', try_done: 2 });
      expect(report.transmission.response).toMatch(/^450 4\.2\.1 .*Mailbox busy/);
      expect(report.spools.map((spool) => [spool.attempt, spool.status, spool.reason])).toEqual([
        [1, 'failed', 'busy'],
        [2, 'failed', 'busy'],
      ]);
      const [first, second] = report.spools;
      expect(Number(second?.time_spool)).toBeGreaterThanOrEqual(Number(first?.time_end) + 1);
      await expectOver(report);
      expect(await postfix.messages('busy@example.net')).toEqual([]);
    });

    test('deferred, and free again before the second attempt: delivered once', async () => {
      await rules({ deferRecipients: { 'later@example.net': '451 4.3.0 Come back later' } });
      const id = await desk.prepare({ to: 'later@example.net', tryAllowed: 2, retryDelay: 3 });
      await desk.send(id);
      await desk.reached(id, ['pending_retry']);
      const waiting = (await desk.report(id)).transmission;
      expect(waiting.response).toContain('Come back later');
      expect(Number(waiting.next_run) - Number(waiting.last_run)).toBe(3);
      await rules({});
      const report = await desk.ended(id);
      expect(report.transmission).toMatchObject({ status: 'completed', response: '', try_done: 2 });
      expect(report.spools.map((spool) => spool.status)).toEqual(['failed', 'completed']);
      expect(new Set(report.spools.map((spool) => spool.call_id)).size).toBe(2);
      expect(await postfix.waitForMessages('later@example.net', 1)).toHaveLength(1);
    });

    test('a failed one is sent again by hand, beyond the tries allowed', async () => {
      await rules({ rejectRecipients: { 'hand@example.net': '550 5.1.1 Not yet' } });
      const { transmission } = await desk.deliver({ to: 'hand@example.net' });
      await rules({});
      await desk.client.post(`/transmissions/${transmission.transmission_id}/retry`);
      const report = await desk.ended(transmission.transmission_id);
      expect(report.transmission).toMatchObject({ status: 'completed', try_done: 2, response: '' });
    });
  });

  describe('a dead server', () => {
    test('failed with a clear response, and never through loopback instead', async () => {
      const port = await deadPort();
      const [providerId] = await providers.use({ host: '127.0.0.1', port });
      const report = await desk.deliver({ to: 'a@example.net' });
      expect(report.transmission.status).toBe('failed');
      expect(report.transmission.response).toContain('ECONNREFUSED');
      expect(report.transmission.response).toContain(String(port));
      expect(report.spools).toEqual([expect.objectContaining({ reason: 'provider_down', provider_id: providerId })]);
      await expectOver(report);
    });

    test('killed and back again: retried until it takes the mail', async () => {
      await providers.use(good());
      await desk.deliver({ to: 'warm@example.net' }); // a pooled connection is open when the server dies
      await postfix.kill();
      const id = await desk.prepare({ to: 'phoenix@example.net', tryAllowed: 20, retryDelay: 1 });
      await desk.send(id);
      await desk.reached(id, ['pending_retry']);
      await postfix.restart();
      const report = await desk.ended(id);
      expect(report.transmission.status).toBe('completed');
      expect(report.spools.length).toBeGreaterThanOrEqual(2);
      expect(report.spools[0]).toMatchObject({ status: 'failed', reason: 'provider_down' });
      expect(await postfix.waitForMessages('phoenix@example.net', 1)).toHaveLength(1);
    }, 60_000);

    test('two providers: the second delivers within the same attempt, and the attempt names it', async () => {
      const [, second] = await providers.use(
        { host: '127.0.0.1', port: await deadPort(), weight: 1 },
        { ...good(), weight: 2 },
      );
      const report = await desk.deliver({ to: 'failover@example.net' });
      expect(report.transmission).toMatchObject({ status: 'completed', try_done: 1 });
      expect(report.spools).toEqual([
        expect.objectContaining({ provider_id: second, response: expect.stringMatching(/^250 /) }),
      ]);
      expect(await postfix.waitForMessages('failover@example.net', 1)).toHaveLength(1);
    });

    test('a refusal of the recipient is no reason to ask the second provider', async () => {
      await postfix.setRecipients({ rejectRecipients: { 'no@example.net': '550 5.7.1 Not from you' } });
      const other = await faulty('none');
      await providers.use({ ...good(), weight: 1 }, { host: other.host, port: other.port, weight: 2 });
      const report = await desk.deliver({ to: 'no@example.net' });
      expect(report.transmission.status).toBe('failed');
      expect(other.transactions).toEqual([]);
      await postfix.setRecipients({});
    });
  });

  describe('a server that breaks off', () => {
    test.each(['hang_after_data', 'drop_after_data', 'garbage_after_data'] as const)(
      '%s: nobody knows whether it was taken, so unknown_outcome and not sent again',
      async (fault) => {
        const [first, second] = [await faulty(fault), await faulty('none')];
        await providers.use(
          { host: first.host, port: first.port, weight: 1 },
          { host: second.host, port: second.port, weight: 2 },
        );
        const report = await desk.deliver({ to: 'once@example.net', tryAllowed: 3, retryDelay: 0 });
        expect(report.transmission).toMatchObject({ status: 'failed', response: 'unknown_outcome', try_done: 1 });
        expect(report.spools).toEqual([expect.objectContaining({ status: 'failed', reason: 'unknown' })]);
        await pause(1500);
        await expectOver(await desk.report(report.transmission.transmission_id));
        expect(first.transactions.map(({ complete }) => complete)).toEqual([true]);
        expect(second.transactions).toEqual([]);
      },
    );

    test.each(['drop_during_data', 'greeting_421', 'garbage'] as const)(
      '%s: surely not taken, so the next provider delivers',
      async (fault) => {
        const first = await faulty(fault);
        await providers.use({ host: first.host, port: first.port, weight: 1 }, { ...good(), weight: 2 });
        const attachments = [{ name: 'a.bin', mediaType: 'application/octet-stream', bytes: Buffer.alloc(200_000, 7) }];
        const to = `${fault}@example.net`.replaceAll('_', '-');
        const report = await desk.deliver({ to, attachments });
        expect(report.transmission.status).toBe('completed');
        expect(await postfix.waitForMessages(to, 1)).toHaveLength(1);
      },
    );

    test('drop_after_accept: taken is taken', async () => {
      const fake = await faulty('drop_after_accept');
      await providers.use({ host: fake.host, port: fake.port });
      const report = await desk.deliver({ to: 'x@example.net', tryAllowed: 3, retryDelay: 0 });
      expect(report.transmission.status).toBe('completed');
      expect(fake.transactions).toHaveLength(1);
    });

    test('the server is killed while a mail is out: after the restart unknown_outcome, never a second mail', async () => {
      const fake = await faulty('hang_after_data');
      const own = await RunningServer.start({ env: { ICTCORE_ENGINE_LEASE: '5' } });
      let again: RunningServer | undefined;
      try {
        await new SmtpProviders(own.admin()).use({ host: fake.host, port: fake.port });
        const id = await new MailDesk(own.admin()).prepare({ to: 'crash@example.net', tryAllowed: 3, retryDelay: 0 });
        await own.admin().put('/accounts/-1', { email: 'admin@example.org' });
        await new MailDesk(own.admin()).send(id);
        await eventually(
          async () => fake.transactions[0]?.complete,
          (complete) => complete === true,
        );
        await own.kill();
        fake.fault = 'none';
        again = await RunningServer.start({
          dataDir: own.dataDir,
          databaseUrl: own.databaseUrl as string,
          env: { ICTCORE_ENGINE_LEASE: '5' },
        });
        const report = await new MailDesk(again.admin()).ended(id);
        expect(report.transmission).toMatchObject({ status: 'failed', response: 'unknown_outcome', try_done: 1 });
        expect(fake.transactions).toHaveLength(1);
      } finally {
        await again?.dispose();
        await own.dispose();
      }
    }, 60_000);
  });

  describe('TLS with an authority of its own, and a login', () => {
    const safe = (settings: Record<string, unknown> = {}, row: Record<string, unknown> = {}) => ({
      host: 'localhost',
      port: guarded.port,
      ...LOGIN,
      ...row,
      settings: { encryption: 'starttls', ca: guarded.caPem, ...settings },
    });
    const test_ = async (row: Record<string, unknown>): Promise<Health> => {
      const [id] = await providers.use(row);
      const health = await admin.post<Health>(`/providers/${id}/test`);
      const shown = await admin.get<Record<string, unknown>>(`/providers/${id}`);
      expect(shown).toMatchObject({ state: health.state, state_detail: health.detail });
      expect(Math.abs(Number(shown.checked_at) - Date.now() / 1000)).toBeLessThan(30);
      return health;
    };

    test('test says ok, and mail goes out: STARTTLS', async () => {
      const health = await test_(safe());
      expect(health).toMatchObject({ state: 'ok', round_trip_ms: expect.any(Number) });
      expect(health.detail).toMatch(/over TLS, signed in as mailer: postfix\.test$/);
      const report = await desk.deliver({ to: 'starttls@example.net' });
      expect(report.transmission.status).toBe('completed');
      const [mail] = await guarded.waitForMessages('starttls@example.net', 1);
      expect(mail?.raw.toString('latin1')).toMatch(/with ESMTPSA/);
    });

    test('TLS from the first byte', async () => {
      expect(await test_(safe({ encryption: 'tls' }, { port: guarded.smtpsPort }))).toMatchObject({ state: 'ok' });
      expect((await desk.deliver({ to: 'smtps@example.net' })).transmission.status).toBe('completed');
      expect(await guarded.waitForMessages('smtps@example.net', 1)).toHaveLength(1);
    });

    test('wrong password: test says so, and the mail fails as unauthorized', async () => {
      const health = await test_(safe({}, { password: 'wrong one' }));
      expect(health.state).toBe('error');
      expect(health.detail).toMatch(/535 5\.7\.8 .*authentication fail.*Check username and password/i);
      const report = await desk.deliver({ to: 'wrong@example.net' });
      expect(report.transmission).toMatchObject({ status: 'failed', response: expect.stringMatching(/535 5\.7\.8/) });
      expect(report.spools[0]?.reason).toBe('unauthorized');
    });

    test('an unknown authority: test names the certificate, and the password is not sent', async () => {
      const health = await test_({ ...safe(), settings: { encryption: 'starttls' } });
      expect(health).toMatchObject({ state: 'error', detail: expect.stringMatching(/self-signed certificate.*ca/i) });
      const report = await desk.deliver({ to: 'untrusted@example.net' });
      expect(report.transmission).toMatchObject({ status: 'failed', response: expect.stringMatching(/certificate/) });
      expect(await guarded.messages('untrusted@example.net')).toEqual([]);
    });

    test('a dead server: test says what to check', async () => {
      const port = await deadPort();
      const health = await test_(safe({}, { port }));
      expect(health).toMatchObject({ state: 'error', round_trip_ms: null });
      expect(health.detail).toMatch(new RegExp(`localhost:${port}: .*ECONNREFUSED.*Nothing listens there`));
    });

    test('a server that never answers: test ends in time', async () => {
      const fake = await faulty('hang_after_connect');
      const health = await test_(safe({ greeting_timeout_ms: 500 }, { host: fake.host, port: fake.port }));
      expect(health).toMatchObject({ state: 'error', detail: expect.stringMatching(/Greeting never received/i) });
    });

    test('only those who may change providers may test them', async () => {
      const [id] = await providers.use(safe());
      expect(await desk.client.refusal('POST', `/providers/${id}/test`)).toMatchObject({ status: 403 });
      expect(await admin.refusal('POST', '/providers/999999/test')).toMatchObject({ status: 404 });
    });
  });
});
