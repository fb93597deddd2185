import type { Call, CallOrder, CallStep, Outcome } from '@ictcore/contract';
import type { InboundCall } from '../call/inbound-flow';
import { callOrderOf, eventOf, type Line, PHONE, type TestTrunk } from './line';

/** Calls decided step by step; `test`s of a suite whose line is open by then. */
export function callSuite(given: () => { line: Line; trunk: TestTrunk }): void {
  let line: Line;
  let trunk: TestTrunk;
  beforeAll(async () => {
    ({ line, trunk } = given());
    await line.service.setExtensions([{ ...PHONE, number: PHONE.name, name: 'Front desk' }]);
  });
  const signal = new AbortController().signal;

  const place = (phone: string, more: Partial<CallOrder> = {}) =>
    (trunk.session.call as (o: CallOrder, s: AbortSignal) => Promise<Call | Outcome>)(callOrderOf(phone, more), signal);
  const answered = async (phone: string): Promise<Call> => {
    const call = await place(phone);
    if ('kind' in call) throw new Error(`not answered: ${JSON.stringify(call)}`);
    return call;
  };
  const step = (use: string, more: Record<string, unknown> = {}, sound = false): CallStep => ({
    use,
    with: more,
    ...(sound && { files: { message: line.file('msg.wav') } }),
  });

  test('never answered: the outcome in place of a call', async () => {
    const flows = (ref: string) => Number(ref.split('-')[1]) > firstSpool;
    const firstSpool = callOrderOf('1').spoolId;
    const reports = () => trunk.context.events.filter((e) => e.kind === 'report' && flows(e.ref)).length;
    const before = 0;
    expect(await place('1002')).toMatchObject({ kind: 'failed', reason: 'busy' });
    expect(await place('1005')).toMatchObject({ kind: 'refused', reason: 'invalid_destination' });
    expect(await place('1001@evil')).toMatchObject({ kind: 'refused', reason: 'invalid_destination' });
    expect(await place('1003', { ringTimeoutMs: 1000 })).toMatchObject({ kind: 'failed', reason: 'no_answer' });
    expect(reports()).toBe(before);
  });

  test('a menu walked by keys, digits put in, things said, recorded, hung up', async () => {
    const call = await answered('10165421');
    expect(await call.perform(step('play_menu', { key_timeout: 5 }, true), signal)).toEqual({
      outcome: '5',
      facts: [{ type: 'info', name: 'key', data: '5' }],
    });
    expect(await call.perform(step('input', { max_digits: 3, key_timeout: 5 }, true), signal)).toMatchObject({
      outcome: 'success',
      facts: [{ name: 'key', data: '421' }],
    });
    for (const [use, value] of [
      ['say_digit', '7'],
      ['say_number', '3'],
      ['say_alpha', 'a'],
    ] as const) {
      expect(await call.perform(step(use, { value }), signal)).toEqual({ outcome: 'success' });
    }
    expect(await call.perform(step('wait', { delay: 200 }), signal)).toEqual({ outcome: 'success' });
    expect(await call.perform(step('play_menu', { key_timeout: 1, tries: 1 }, true), signal)).toEqual({
      outcome: 'timeout',
    });
    await call.perform(step('disconnect'), signal);
    const end = await call.ended;
    expect(end.outcome).toMatchObject({ kind: 'delivered' });
    expect(end.endedAt - (end.answeredAt ?? 0)).toBeGreaterThan(5000);
    expect(await call.perform(step('voice_play', {}, true), signal)).toEqual({ outcome: 'hangup' });
  });

  test('the far end hangs up during a step', async () => {
    const call = await answered('101401');
    expect(await call.perform(step('wait', { delay: 20_000 }), signal)).toEqual({ outcome: 'hangup' });
    expect((await call.ended).outcome.kind).toBe('delivered');
  });

  test('a person, and a machine', async () => {
    const [person, machine] = await Promise.all([answered('1007'), answered('1008')]);
    const [a, b] = await Promise.all([person, machine].map((call) => call.perform(step('amd'), signal)));
    expect([a?.outcome, b?.outcome]).toEqual(['human', 'machine']);
    await Promise.all([person.hangup(), machine.hangup(), person.ended, machine.ended]);
  });

  test('wrong steps are errors, and the call goes on', async () => {
    const call = await answered('101420');
    for (const bad of [
      step('no_such_step'),
      step('constructor'),
      step('voice_play'),
      step('say_digit', { value: `1","\${SHELL(id)}` }),
      step('transfer', { extension: '1200&PJSIP/1' }),
      step('transfer', { phone: '1001@evil' }),
      step('callerid_set', { callerid: 'x' }),
      step('wait', { delay: -5 }),
    ]) {
      expect([bad.use, (await call.perform(bad, signal)).outcome]).toEqual([bad.use, 'error']);
    }
    expect(await call.perform(step('voice_play', {}, true), signal)).toEqual({ outcome: 'success' });
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 200);
    await call.perform(step('wait', { delay: 30_000 }), abort.signal);
    expect((await call.ended).outcome.kind).toBe('delivered');
  });

  test('a phone of an account registers, and a call is transferred to it', async () => {
    let outcome = 'error';
    for (let attempt = 0; attempt < 20 && outcome !== 'success'; attempt += 1) {
      const call = await answered('101404');
      outcome = (await call.perform(step('transfer', { extension: '1200' }), signal)).outcome;
      if (outcome !== 'success') await new Promise((resolve) => setTimeout(resolve, 500));
      await call.hangup();
      if (outcome === 'hangup') outcome = 'success';
    }
    const call = await line.far.waitForCall('the phone', ({ channel }) => channel.startsWith('PJSIP/phone-'), 15_000);
    expect(call.disposition).toBe('ANSWERED');
  }, 60_000);

  test('a fax sent in the middle of a call', async () => {
    const call = await answered('1010');
    const fax: CallStep = {
      use: 'fax_send',
      with: { pages: 1, header: 'Acme', station_id: '+15550100' },
      files: { document: line.file('light.tif') },
    };
    const { outcome, facts } = await call.perform(fax, signal);
    expect([outcome, facts]).toEqual(['success', expect.arrayContaining([{ type: 'info', name: 'pages', data: '1' }])]);
    expect((await call.ended).outcome).toMatchObject({ kind: 'delivered', amount: 1 });
  }, 60_000);

  test('a call from outside: bound number, answered, menu, recording; unknown number refused with 404', async () => {
    const calls: InboundCall[] = [];
    const unknown: unknown[] = [];
    line.service.onCall((call) => calls.push(call));
    line.service.onUnknownNumber((call) => unknown.push(call));
    await line.service.bindDid('85551234', 'flow');
    await line.service.bindDid('75551234', 'record');
    await line.far.waitForRegistration('gateway');
    const from = { number: '+4402071234', name: 'Bob' };
    await line.far.call({ to: 'gateway', did: '85551234', script: 'digits', digits: '2', seconds: 12, from });
    await line.far.call({ to: 'gateway', did: '75551234', script: 'talk', seconds: 1, from });
    await line.far.call({ to: 'gateway', did: '4441234', script: 'talk', seconds: 1, from });
    while (calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    const inbound = calls[0] as InboundCall;
    expect(inbound).toMatchObject({ from: '+4402071234', fromName: 'Bob', to: '85551234', providerId: 3 });
    expect(await inbound.call.perform(step('connect'), signal)).toEqual({ outcome: 'success' });
    expect(await inbound.call.perform(step('play_menu', { key_timeout: 5 }, true), signal)).toMatchObject({
      outcome: '2',
    });
    const recorded = await inbound.call.perform(step('record', { max_duration: 1 }), signal);
    expect(recorded).toMatchObject({
      outcome: 'success',
      facts: [{ name: 'recording' }, { name: 'duration', data: '1.0' }],
    });
    await inbound.call.hangup();
    expect((await inbound.call.ended).outcome.kind).toBe('delivered');
    const message = await eventOf(trunk.context, (each) => each.kind === 'inbound' && each.channel === 'voice', 30_000);
    expect(message).toMatchObject({ to: { phone: '75551234' }, facts: [{ name: 'record' }, { name: 'duration' }] });
    expect(unknown).toEqual([{ did: '4441234', from: '+4402071234', trunk: 'trunk-3' }]);
    expect(await line.far.log()).toMatch(/4441234|404|Not Found|failed/i);
    await line.service.unbindDid('85551234');
    await line.far.call({ to: 'gateway', did: '85551234', script: 'talk', seconds: 1, from });
    while (unknown.length < 2) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(calls).toHaveLength(1);
  }, 60_000);
}
