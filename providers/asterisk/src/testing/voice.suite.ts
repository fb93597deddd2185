import { existsSync } from 'node:fs';
import type { Accepted, FinalOutcome, Outcome, VoiceOrder } from '@ictcore/contract';
import { measureWav } from '@ictcore/test-peers';
import { type Line, reportOf, type TestTrunk } from './line';

/** One-shot voice orders; `test`s of a suite whose line is open by then. */
export function voiceSuite(given: () => { line: Line; trunk: TestTrunk }): void {
  let line: Line;
  let trunk: TestTrunk;
  beforeAll(() => {
    ({ line, trunk } = given());
  });
  const signal = new AbortController().signal;

  const submit = (order: VoiceOrder) =>
    (trunk.session.submit as (o: VoiceOrder, s: AbortSignal) => Promise<Outcome>)(order, signal);
  const end = async (order: VoiceOrder, timeoutMs = 20_000) => {
    const outcome = await submit(order);
    if (outcome.kind !== 'accepted') return outcome as FinalOutcome;
    expect(outcome).toMatchObject({ kind: 'accepted', ref: `ict3-${order.spoolId}` });
    return reportOf(trunk.context, (outcome as Accepted).ref, timeoutMs);
  };

  test('the trunk registers and tells its round trip', async () => {
    expect(await trunk.session.check(signal)).toEqual({
      state: 'registered',
      detail: 'registered at the carrier',
      roundTripMs: expect.any(Number),
    });
    await line.far.waitForRegistration('gateway');
  });

  test('every outcome of a call ends as its own report', async () => {
    const cases = [
      ['1002', 'failed', 'busy', 'USER_BUSY (SIP 486)'],
      ['1003', 'failed', 'no_answer', 'NO_ANSWER (SIP 480)'],
      ['1004', 'failed', 'throttled', 'NORMAL_CIRCUIT_CONGESTION (SIP 503)'],
      ['1005', 'refused', 'invalid_destination', 'UNALLOCATED_NUMBER (SIP 404)'],
      ['1017', 'refused', 'invalid_destination', 'UNALLOCATED_NUMBER (SIP 404)'],
      ['1021', 'failed', 'rejected', 'CALL_REJECTED (SIP 403)'],
      ['1018', 'failed', 'no_answer', 'NO_USER_RESPONSE (SIP 408)'],
      ['1022', 'refused', 'invalid_destination', 'NUMBER_CHANGED (SIP 410)'],
      ['1027', 'failed', 'provider_down', 'DESTINATION_OUT_OF_ORDER (SIP 502)'],
      ['1028', 'refused', 'invalid_destination', 'INVALID_NUMBER_FORMAT (SIP 484)'],
      ['1038', 'failed', 'provider_down', 'NETWORK_OUT_OF_ORDER (SIP 500)'],
    ] as const;
    const outcomes = await Promise.all(cases.map(([number]) => end(line.voice(number))));
    const seen = outcomes.map((each) => [each.kind, 'reason' in each && each.reason, 'detail' in each && each.detail]);
    expect(seen).toEqual(cases.map(([, kind, reason, detail]) => [kind, reason, detail]));
  });

  test('the message arrives as it is, with the caller id, and is billed by seconds', async () => {
    const outcome = await end(
      line.voice('+15551001', { from: { phone: '+15550177', email: null, name: 'Acme, Inc.' } }),
    );
    expect(outcome).toMatchObject({ kind: 'delivered', detail: 'NORMAL_CLEARING' });
    const facts = Object.fromEntries((outcome.facts ?? []).map(({ name, data }) => [name, data]));
    expect(facts).toMatchObject({ originate: 'success', played: '1' });
    expect(Number(facts.duration)).toBeGreaterThan(1.9);
    const call = await line.far.waitForCall('1001', ({ dst }) => dst === '1001');
    expect(call.clid).toBe('"Acme, Inc." <+15550177>');
    const heard = await measureWav(call.facts.file ?? '');
    expect(heard.soundSeconds).toBeCloseTo(2, 1);
    expect(heard.rms).toBeGreaterThan(0.16);
    expect(heard.rms).toBeLessThan(0.19);
  });

  test('a digit that is pressed, a person, a machine hung up on, a machine spoken to after its beep', async () => {
    const message = { message: line.file('msg.wav') };
    const play = { use: 'voice_play', with: {}, files: message };
    const [digit, human, hungUp, spoken] = await Promise.all([
      end(line.voice('1006', { steps: [{ use: 'play_menu', with: { key_timeout: 4 }, files: message }] })),
      end(line.voice('1007', { steps: [{ use: 'amd', with: { machine: 'hangup' } }, play] })),
      end(line.voice('1008', { steps: [{ use: 'amd', with: { machine: 'hangup' } }, play] })),
      end(line.voice('1008', { steps: [{ use: 'amd', with: { machine: 'beep' } }, play] }), 40_000),
    ]);
    const fact = (outcome: Outcome, name: string) =>
      ('facts' in outcome ? outcome.facts : [])?.find((each) => each.name === name)?.data;
    expect([fact(digit, 'key'), digit.kind]).toEqual(['1', 'delivered']);
    expect([fact(human, 'amd'), fact(human, 'played')]).toEqual(['human', '1']);
    expect([fact(hungUp, 'amd'), fact(hungUp, 'played')]).toEqual(['machine', '0']);
    expect([fact(spoken, 'amd'), fact(spoken, 'played')]).toEqual(['machine', '1']);
    const calls = await Promise.all(
      (await line.far.calls())
        .filter(({ dst }) => dst === '1008')
        .map((call) => measureWav(call.facts.file ?? '').catch(() => undefined)),
    );
    expect(Math.max(...calls.map((each) => each?.soundSeconds ?? 0))).toBeGreaterThan(1.5);
  });

  test('several steps: wait, say digits, number, letters, date, time, play again', async () => {
    const play = { use: 'voice_play', with: {}, files: { message: line.file('msg.wav') } };
    const steps = [
      { use: 'wait', with: { delay: 300 } },
      { use: 'say_digit', with: { digits: '12' } },
      { use: 'say_number', with: { number: 21 } },
      { use: 'say_alpha', with: { text: 'ab' } },
      { use: 'say_date', with: { date: '2026-02-03' } },
      { use: 'say_time', with: { time: '2026-02-03T10:30:00Z' } },
      play,
    ];
    const outcome = await end(line.voice('1001', { steps }), 40_000);
    expect(outcome).toMatchObject({
      kind: 'delivered',
      facts: expect.arrayContaining([{ type: 'info', name: 'played', data: '1' }]),
    });
    expect((outcome as { amount: number }).amount).toBeGreaterThan(8);
  });

  test('cancelled while it rings and while it talks', async () => {
    const ringing = line.voice('1003', { ringTimeoutMs: 30_000 });
    const talking = line.voice('101430', { steps: [{ use: 'wait', with: { delay: 30_000 } }] });
    for (const order of [ringing, talking]) expect((await submit(order)).kind).toBe('accepted');
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const refs = [ringing, talking].map(({ spoolId }) => `ict3-${spoolId}`);
    for (const ref of refs) expect(await trunk.session.cancel?.(ref)).toBe(true);
    expect(await reportOf(trunk.context, refs[0] ?? '')).toMatchObject({ kind: 'failed', reason: 'cancelled' });
    expect(await reportOf(trunk.context, refs[1] ?? '')).toMatchObject({ kind: 'delivered' });
    expect(await trunk.session.cancel?.(refs[0] ?? '')).toBe(false);
    expect(await trunk.session.cancel?.('ict3-999999')).toBe(false);
  });

  test('nothing of a user reaches Asterisk as more than a number', async () => {
    const numbers = async () =>
      (await line.far.calls()).filter(({ dst }) => !/^(fax|1010|1011|1012..|1013..|101490)$/.test(dst)).length;
    const before = await numbers();
    const nasty = [
      '1001@127.0.0.2',
      '1001&PJSIP/1002',
      '1001\r\nAction: Originate',
      '$' + '{SHELL(touch /tmp/ict-pwned)}',
      '1001,s,1',
      'Local/s@ict-end',
      '1001?Subject=x',
      '1001;user=x',
      '',
    ];
    for (const phone of nasty) {
      expect([phone, await submit(line.voice(phone))]).toEqual([
        phone,
        { kind: 'refused', reason: 'invalid_destination', detail: 'INVALID_NUMBER_FORMAT' },
      ]);
    }
    const name = `"> \${SHELL(touch /tmp/ict-pwned)}
Variable: X=1`;
    const outcome = await end(line.voice('1014' + '01', { from: { phone: '$' + '{EVIL}', email: null, name } }));
    expect(outcome.kind).toBe('delivered');
    expect(await numbers()).toBe(before + 1);
    expect(existsSync('/tmp/ict-pwned')).toBe(false);
  });

  test('what cannot be played or done is refused before anything is dialled', async () => {
    const gone = { ...line.file('msg.wav'), localPath: async () => '/nonexistent/file' };
    const steps = [{ use: 'voice_play', with: {}, files: { message: gone } }];
    expect(await submit(line.voice('1001', { steps }))).toMatchObject({
      kind: 'refused',
      reason: 'media_rejected',
      detail: 'media_missing',
    });
    expect(await submit(line.voice('1001', { steps: [] }))).toMatchObject({ kind: 'refused', reason: 'rejected' });
  });

  test('a file that is no sound ends as media_rejected', async () => {
    const bad = { ...line.file('msg.wav'), localPath: async () => __filename };
    const steps = [{ use: 'voice_play', with: {}, files: { message: bad } }];
    expect(await end(line.voice('1001', { steps }))).toMatchObject({ kind: 'failed', reason: 'media_rejected' });
  });
}
