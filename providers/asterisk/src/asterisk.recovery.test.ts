import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Accepted, FaxOrder, Outcome, VoiceOrder } from '@ictcore/contract';
import { describeWithPeer } from '@ictcore/test-peers';
import { type SipDriver, sipDriver } from './asterisk.driver';
import { AsteriskInstance } from './config/asterisk-instance';
import { siteOf } from './hub/site';
import { CutProxy } from './testing/cut-proxy';
import { gatewayOptions, removeFolder } from './testing/gateway';
import { eventOf, Line, reportOf } from './testing/line';

describeWithPeer('asterisk', 'recovery: the truth about calls after something was away', () => {
  let line: Line;
  let asterisk: AsteriskInstance;
  const proxies: CutProxy[] = [];
  const signal = new AbortController().signal;

  /** One server: its own driver, its own line to the same Asterisk, which can be cut. */
  const server = async (): Promise<{ sip: SipDriver; proxy: CutProxy }> => {
    const proxy = await CutProxy.start(asterisk.layout.ami.port);
    proxies.push(proxy);
    const site = siteOf(asterisk.layout);
    return { proxy, sip: sipDriver(() => ({ existing: { ...site, ami: { ...site.ami, port: proxy.port } } })) };
  };
  const open = (sip: SipDriver) => line.open({}, sip);
  type Trunk = Awaited<ReturnType<typeof open>>;
  const submit = async ({ session }: Trunk, order: VoiceOrder | FaxOrder) => {
    const outcome = await (session.submit as (o: typeof order, s: AbortSignal) => Promise<Outcome>)(
      order,
      new AbortController().signal,
    );
    expect(outcome).toMatchObject({ kind: 'accepted' });
    return (outcome as Accepted).ref;
  };
  const reports = ({ context }: Trunk, ref: string) =>
    context.events.filter((event) => event.kind === 'report' && event.ref === ref);

  beforeAll(async () => {
    line = await Line.start();
    asterisk = await AsteriskInstance.prepare(await gatewayOptions());
    await asterisk.start();
  }, 60_000);
  afterAll(async () => {
    await line?.stop();
    for (const proxy of proxies) await proxy.stop();
    await asterisk?.stop();
    await removeFolder(asterisk.layout.dir);
  });

  test('the link is away for 3 s during 20 calls: every end is true, and told once', async () => {
    const { sip, proxy } = await server();
    const trunk = await open(sip);
    const numbers = ['1001', '1002', '101401', '1005', '1003'];
    const orders = Array.from({ length: 20 }, (_, index) =>
      line.voice(numbers[index % 5] ?? '', { ringTimeoutMs: 1500 }),
    );
    const refs = await Promise.all(orders.map((order) => submit(trunk, order)));
    proxy.freeze();
    proxy.cut();
    const [away] = await Promise.all([
      submitOutcome(trunk, line.voice('1001'), AbortSignal.timeout(1000)),
      sleep(3000),
    ]);
    expect(away).toMatchObject({ kind: 'failed', notAccepted: true });
    proxy.thaw();
    const outcomes = await Promise.all(refs.map((ref) => reportOf(trunk.context, ref)));
    const kinds = outcomes.map((each) => ('reason' in each ? each.reason : each.kind));
    const once = ['delivered', 'busy', 'delivered', 'invalid_destination', 'no_answer'];
    expect(kinds).toEqual(Array.from({ length: 20 }, (_, index) => once[index % 5]));
    await sleep(300);
    for (const ref of refs) expect(reports(trunk, ref)).toHaveLength(1);
    await trunk.session.close();
  });

  const submitOutcome = ({ session }: Trunk, order: VoiceOrder, until = signal) =>
    (session.submit as (o: VoiceOrder, s: AbortSignal) => Promise<Outcome>)(order, until);

  test('our server dies in mid-call and in mid-fax: the next one tells how they ended', async () => {
    const old = await server();
    const first = await open(old.sip);
    const voice = await submit(first, line.voice('1001'));
    const busyLater = await submit(first, line.voice('1003', { ringTimeoutMs: 2000 }));
    const fax = await submit(first, line.fax('1010'));
    const long = await submit(first, line.voice('101405', { steps: [{ use: 'wait', with: { delay: 20_000 } }] }));
    await old.sip.service.bindDid('75551234', 'record');
    await line.far.waitForRegistration('gateway');
    await line.far.call({ to: 'gateway', did: '75551234', script: 'talk', file: 'hello', seconds: 1 });
    await sleep(200);
    // What a killed server looks like to Asterisk and to its successor: silent, nothing tidied up.
    old.proxy.freeze();
    old.proxy.cut();
    await sleep(3500);
    const next = await server();
    const second = await open(next.sip);
    expect(await reportOf(second.context, voice)).toMatchObject({ kind: 'delivered', amount: expect.any(Number) });
    expect(await reportOf(second.context, busyLater)).toMatchObject({ kind: 'failed', reason: 'no_answer' });
    const message = await eventOf(second.context, ({ kind }) => kind === 'inbound');
    expect(message).toMatchObject({
      channel: 'voice',
      to: { phone: '75551234' },
      body: { files: [{ mediaType: 'audio/wav' }] },
    });
    // These two were still up when the next server came: it follows them.
    expect(await reportOf(second.context, long)).toMatchObject({ kind: 'delivered' });
    expect(await reportOf(second.context, fax, 60_000)).toMatchObject({
      kind: 'delivered',
      detail: 'SUCCESS',
      amount: 1,
    });
    expect(first.context.events.filter(({ kind }) => kind === 'report')).toEqual([]);
    await second.session.close();
    const third = await server();
    const again = await open(third.sip);
    await sleep(500);
    expect(again.context.events.filter(({ kind }) => kind !== 'health')).toEqual([]);
    await again.session.close();
    await first.session.close();
  }, 90_000);

  test('an end that cannot be stored is told again, and its place in the journal is kept', async () => {
    const { sip } = await server();
    const trunk = await open(sip);
    trunk.context.emitError = new Error('the database is away');
    const ref = await submit(trunk, line.voice('1002'));
    await sleep(1000);
    expect(reports(trunk, ref)).toEqual([]);
    const checkpoint = Number(
      await readFile(`${siteOf(asterisk.layout).stateDir}/checkpoint`, 'utf8').catch(() => '0'),
    );
    trunk.context.emitError = undefined;
    expect(await reportOf(trunk.context, ref)).toMatchObject({ reason: 'busy' });
    const journal = await readFile(siteOf(asterisk.layout).journalFile, 'utf8');
    expect(journal.indexOf(ref)).toBeGreaterThanOrEqual(checkpoint);
    await trunk.session.close();
  });

  test('Asterisk is stopped in mid-call: the end is known; it is killed: unknown, and never dialled again', async () => {
    const { sip } = await server();
    const trunk = await open(sip);
    const talk = () => line.voice('101430', { steps: [{ use: 'wait', with: { delay: 30_000 } }] });
    const stopped = await submit(trunk, talk());
    await sleep(500);
    await asterisk.command('core stop now').catch(() => undefined);
    expect(await reportOf(trunk.context, stopped)).toMatchObject({ kind: 'delivered' });
    // The instance watches its Asterisk and starts it again by itself; the trunk comes back with it.
    await until('the trunk', async () => (await trunk.session.check(signal)).state === 'registered');
    const killed = await submit(trunk, talk());
    await sleep(500);
    process.kill(asterisk.pid as number, 'SIGKILL');
    expect(await reportOf(trunk.context, killed, 30_000)).toEqual({
      kind: 'refused',
      reason: 'unknown',
      detail: 'unknown_outcome',
      ref: killed,
    });
    await until('the trunk', async () => (await trunk.session.check(signal)).state === 'registered');
    const after = await submit(trunk, line.voice('1002'));
    expect(await reportOf(trunk.context, after)).toMatchObject({ reason: 'busy' });
    expect((await line.far.calls()).filter(({ dst }) => dst === '101430').length).toBeLessThanOrEqual(2);
    await trunk.session.close();
  }, 90_000);

  test('the carrier goes away and comes back: told by events; orders meanwhile are proven not accepted', async () => {
    const { sip } = await server();
    const trunk = await open(sip);
    expect((await trunk.session.check(signal)).state).toBe('registered');
    await line.far.kill();
    await until('the loss', async () => trunk.context.events.some((e) => e.kind === 'health' && e.state === 'error'));
    expect(await submitOutcome(trunk, line.voice('1001'))).toMatchObject({
      kind: 'failed',
      reason: 'provider_down',
      notAccepted: true,
    });
    await line.far.restart();
    await until('the return', async () => (await trunk.session.check(signal)).state === 'registered', 40_000);
    await trunk.session.close();
  }, 90_000);

  async function until(what: string, probe: () => Promise<boolean>, timeoutMs = 20_000): Promise<void> {
    const end = Date.now() + timeoutMs;
    while (!(await probe())) {
      if (Date.now() > end) throw new Error(`no ${what} in ${timeoutMs} ms`);
      await sleep(100);
    }
  }
});
