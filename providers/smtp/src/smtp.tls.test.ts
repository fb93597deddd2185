import type { DriverSession } from '@ictcore/contract';
import { type ConfigOverrides, emailOrder, providerConfig, RecordingDriverContext } from '@ictcore/test-kit';
import { describeWithPeer, FaultySmtpServer, type PostfixPeer, startPostfix } from '@ictcore/test-peers';
import { smtpDriver } from './index';
import { clearPasswordProblem, connectionOptions, isLoopback } from './smtp.transport';

const signal = new AbortController().signal;
const user = { username: 'kit', password: 'right-password' };

async function withSession<T>(row: ConfigOverrides, work: (session: DriverSession) => Promise<T>): Promise<T> {
  const session = await smtpDriver.open(providerConfig(smtpDriver, row), new RecordingDriverContext());
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}

describeWithPeer('postfix', 'smtp with a Postfix that wants TLS and a password', () => {
  let peer: PostfixPeer;
  const row = (more: ConfigOverrides = {}, settings: Record<string, unknown> = {}): ConfigOverrides => {
    return { host: 'localhost', port: peer.port, ...user, ...more, settings: { ca: peer.caPem, ...settings } };
  };
  const both = (config: ConfigOverrides) =>
    withSession(config, async (session) => ({
      health: await session.check(signal),
      outcome: await session.submit?.(emailOrder(), signal),
    }));

  beforeAll(async () => {
    peer = await startPostfix({ mode: 'mailbox', tls: true, auth: user });
  });
  afterAll(() => peer?.stop());

  test('STARTTLS with an authority of its own, then the password', async () => {
    const { health, outcome } = await both(row());
    expect(health).toMatchObject({ state: 'ok', detail: expect.stringContaining('over TLS, signed in as kit') });
    expect(outcome).toMatchObject({ kind: 'delivered' });
    expect(await peer.log()).toMatch(/sasl_username=kit/);
  });

  test('TLS from the first byte', async () => {
    const { health, outcome } = await both(row({ port: peer.smtpsPort ?? 0 }, { encryption: 'tls' }));
    expect(health.state).toBe('ok');
    expect(outcome).toMatchObject({ kind: 'delivered' });
  });

  test('an unknown authority is not trusted, unless told to', async () => {
    const strange = row({}, { ca: undefined });
    const { health, outcome } = await both(strange);
    expect(health).toMatchObject({ state: 'error', detail: expect.stringMatching(/self-signed.*Give its authority/) });
    expect(outcome).toMatchObject({ kind: 'failed', reason: 'provider_down', notAccepted: true });
    expect((await both(row({}, { ca: undefined, reject_unauthorized: false }))).outcome).toMatchObject({
      kind: 'delivered',
    });
  });

  test('a wrong password is told as such', async () => {
    const { health, outcome } = await both(row({ password: 'wrong-password' }));
    expect(health).toMatchObject({ state: 'error', detail: expect.stringMatching(/535.*Check username and password/) });
    expect(outcome).toMatchObject({ kind: 'failed', reason: 'unauthorized', notAccepted: true });
  });

  test('a missing password is told as such', async () => {
    const { outcome } = await both(row({ username: '', password: '' }));
    // Postfix takes it for a stranger's mail.
    expect(outcome).toMatchObject({
      kind: 'refused',
      reason: 'blocked',
      detail: expect.stringContaining('Access denied'),
    });
  });

  test('the wrong kind of port is told as such', async () => {
    const { health } = await both(row({}, { encryption: 'tls' }));
    expect(health).toMatchObject({ state: 'error', detail: expect.stringContaining('set encryption to starttls') });
  });
});

describe('a password never goes over a clear link', () => {
  let server: FaultySmtpServer | undefined;
  afterAll(() => server?.stop());

  const config = (host: string, settings: Record<string, unknown> = {}, username = 'kit') =>
    providerConfig(smtpDriver, { host, username, password: 'right-password', settings });
  const requires = (row: ReturnType<typeof config>) =>
    connectionOptions(row, new RecordingDriverContext().log).requireTLS;

  test.each([
    ['127.0.0.1', true],
    ['127.8.9.10', true],
    ['::1', true],
    ['localhost', true],
    ['mail.localhost', true],
    ['localhost.example.org', false],
    ['127.0.0.1.example.org', false],
    ['192.0.2.1', false],
  ])('%s is this host: %s', (host, wanted) => expect(isLoopback(host)).toBe(wanted));

  test('STARTTLS is demanded where a password is sent to another host', () => {
    expect(requires(config('mail.example.org'))).toBe(true);
    expect(requires(config('mail.example.org', { encryption: 'opportunistic' }))).toBe(true);
    expect(requires(config('mail.example.org', {}, ''))).toBe(false);
    expect(requires(config('localhost'))).toBe(false);
    expect(requires(config('mail.example.org', { allow_clear_password: true }))).toBe(false);
  });

  test('a clear link to another host is refused, before anything is connected', async () => {
    const clear = { host: 'mail.invalid', ...user, settings: { encryption: 'none' } };
    expect(clearPasswordProblem(config('mail.invalid', { encryption: 'none' }))).toMatch(/allow_clear_password/);
    await withSession(clear, async (session) => {
      expect(await session.check(signal)).toMatchObject({
        state: 'error',
        detail: expect.stringMatching(/without TLS/),
      });
      expect(await session.submit?.(emailOrder(), signal)).toMatchObject({ reason: 'unauthorized', notAccepted: true });
    });
  });

  test('a server that hides STARTTLS gets no password', async () => {
    server = await FaultySmtpServer.start({ fault: 'none' });
    // Another host in the eyes of the driver that is this one in fact: an IPv4-mapped address.
    const row = { host: '::ffff:127.0.0.1', port: server.port, ...user };
    await withSession(row, async (session) => {
      const outcome = await session.submit?.(emailOrder(), signal);
      expect(outcome).toMatchObject({ kind: 'failed', reason: 'provider_down', notAccepted: true });
      expect((await session.check(signal)).detail).toMatch(/STARTTLS/);
    });
    expect(server.commands.some((line) => line.startsWith('STARTTLS'))).toBe(true);
    expect(server.commands.some((line) => line.startsWith('AUTH'))).toBe(false);
    expect(server.transactions).toEqual([]);
  });

  test('a server that knows no login is told as such, and gets no mail as a stranger', async () => {
    server ??= await FaultySmtpServer.start({ fault: 'none' });
    const { port, transactions } = server;
    const before = transactions.length;
    await withSession({ host: '127.0.0.1', port, ...user }, async (session) => {
      expect(await session.check(signal)).toMatchObject({
        state: 'error',
        detail: expect.stringContaining('username'),
      });
      expect(await session.submit?.(emailOrder(), signal)).toMatchObject({ reason: 'unauthorized', notAccepted: true });
    });
    expect(transactions.length).toBe(before);
  });
});
