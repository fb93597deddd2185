import type { DeliveryReport } from '@ictcore/contract';
import { RecordingDriverContext, smsOrder } from '@ictcore/test-kit';
import { describeWithPeer, type SmscPeer, startSmppSmsc } from '@ictcore/test-peers';
import { type Opened, openSession, until } from './testing/open';

const LONG = 'a long text with the euro sign € in it, '.repeat(10); // three parts

describeWithPeer('smsc', 'smpp towards a real SMSC', () => {
  let smsc: SmscPeer;
  let opened: Opened;

  beforeEach(async () => {
    smsc = await startSmppSmsc();
  });
  afterEach(async () => {
    await opened?.close();
    await smsc?.stop();
  });

  const reports = (count: number): Promise<DeliveryReport[]> =>
    until(`${count} reports`, () => opened.of('report').length >= count && opened.of('report'));

  describe('sending', () => {
    test('a message and its receipt', async () => {
      opened = await openSession(smsc.port);
      const outcome = await opened.send('+447700900123', 'Grüße {€}');
      expect(outcome).toMatchObject({ kind: 'accepted', ref: '80000001' });
      expect(await smsc.waitForEvents('submit', 1)).toMatchObject([
        {
          from: '15550100',
          fromTon: 1,
          fromNpi: 1,
          to: '447700900123',
          toTon: 1,
          toNpi: 1,
          dataCoding: 0,
          registeredDelivery: 1,
          hex: '47727e1e65201b281b651b29',
        },
      ]);
      const [report] = await reports(1);
      expect(report).toMatchObject({ ref: '80000001', outcome: { kind: 'delivered', detail: 'DELIVRD', amount: 1 } });
      // Acknowledged, and only then.
      expect(await smsc.waitForEvents('deliver_resp', 1)).toMatchObject([{ status: 0 }]);
    });

    test('UCS-2, flash and binary', async () => {
      opened = await openSession(smsc.port);
      await opened.send('+447', 'مرحبا 🎉', { encoding: 'ucs2' });
      await opened.send('+447', 'flash', { messageClass: 'flash' });
      await opened.send('+447', 'я', { encoding: 'ucs2', messageClass: 'flash' });
      await opened.send('+447', '\u0001\u00ff', { encoding: 'binary' });
      const seen = await smsc.waitForEvents('submit', 4);
      expect(seen.map(({ dataCoding, hex }) => [dataCoding, hex])).toEqual([
        [8, '0645063106 2d06280627 0020 d83cdf89'.replaceAll(' ', '')],
        [0x10, Buffer.from('flash').toString('hex')],
        [0x18, '044f'],
        [4, '01ff'],
      ]);
    });

    test('a text that GSM cannot write goes as UCS-2, whatever the order says', async () => {
      opened = await openSession(smsc.port);
      await opened.send('+447', 'я', { encoding: 'gsm7' });
      expect((await smsc.waitForEvents('submit', 1))[0]).toMatchObject({ dataCoding: 8, hex: '044f' });
    });

    test('a prefix, a sender of its own, a type of service and a time of validity', async () => {
      opened = await openSession(
        smsc.port,
        { source_addr: 'ICTCore', registered_delivery: 'none', validity_period: 3661 },
        { prefix: '0044|+44,00|+' },
      );
      expect(await opened.send('00447700900123')).toMatchObject({ kind: 'delivered', amount: 1 });
      expect((await smsc.waitForEvents('submit', 1))[0]).toMatchObject({
        from: 'ICTCore',
        fromTon: 5,
        fromNpi: 0,
        to: '447700900123',
        toTon: 1,
        registeredDelivery: 0,
      });
    });

    test('refusals by status, each without a retry that cannot work', async () => {
      opened = await openSession(smsc.port);
      const refuse = { '1': 0x0b, '2': 0x0a, '3': 0x01, '4': 0x45, '5': 0x08, '6': 0x14, '7': 0x401 };
      await smsc.set({ refuse });
      const outcomes = await Promise.all(Object.keys(refuse).map((to) => opened.send(to)));
      expect(outcomes).toMatchObject([
        { kind: 'refused', reason: 'invalid_destination', detail: 'ESME_RINVDSTADR (0x0b)' },
        { kind: 'refused', reason: 'rejected', detail: 'ESME_RINVSRCADR (0x0a)' },
        { kind: 'refused', reason: 'media_rejected' },
        { kind: 'failed', reason: 'rejected', notAccepted: true },
        { kind: 'failed', reason: 'provider_down', notAccepted: true },
        { kind: 'deferred', reason: 'throttled', detail: 'ESME_RMSGQFUL (0x14)' },
        { kind: 'failed', reason: 'rejected', detail: 'status 0x401', notAccepted: true },
      ]);
    });

    test('numbers that SMPP cannot carry are refused without asking', async () => {
      opened = await openSession(smsc.port);
      expect(await opened.send('anna@example.org')).toMatchObject({ kind: 'refused', reason: 'invalid_destination' });
      expect(await opened.send('+447', 'x', { to: { phone: null, email: null, name: '' } })).toMatchObject({
        kind: 'refused',
      });
      expect(smsc.submits).toHaveLength(0);
    });

    test('throttled messages are no tries, and all arrive in the end', async () => {
      opened = await openSession(smsc.port, { window: 5 });
      await smsc.set({ throttleEvery: 4 });
      let deferrals = 0;
      const deliver = async (to: string): Promise<void> => {
        for (;;) {
          const outcome = await opened.send(to);
          if (outcome.kind === 'accepted') return;
          if (outcome.kind !== 'deferred') throw new Error(JSON.stringify(outcome));
          deferrals += 1;
          expect(outcome.afterMs).toBeGreaterThanOrEqual(100);
          await new Promise((resolve) => setTimeout(resolve, outcome.afterMs));
        }
      };
      await Promise.all(Array.from({ length: 12 }, (_, index) => deliver(`+44770090${100 + index}`)));
      expect(deferrals).toBeGreaterThan(1);
      expect(deferrals).toBe(smsc.submits.filter((submit) => submit.status === 0x58).length);
      await reports(12);
    });

    test('the pace', async () => {
      opened = await openSession(smsc.port, { per_second: 40, registered_delivery: 'none' });
      await until('the bind', () => opened.of('health').length > 0);
      const begin = Date.now();
      await Promise.all(Array.from({ length: 24 }, () => opened.send('+447')));
      // 24 at 40 a second, less a burst of 4.
      expect(Date.now() - begin).toBeGreaterThan(450);
      expect(Date.now() - begin).toBeLessThan(2000);
    });
  });

  describe('receipts', () => {
    test('states of failure', async () => {
      opened = await openSession(smsc.port);
      await smsc.set({ statusOf: { '1': 'UNDELIV', '2': 'EXPIRED', '3': 'REJECTD', '4': 'ACCEPTD', '5': 'DELETED' } });
      for (const to of ['1', '2', '3', '4', '5']) await opened.send(to);
      expect((await reports(5)).map(({ outcome }) => outcome)).toMatchObject([
        { kind: 'failed', reason: 'rejected', detail: 'UNDELIV err:012' },
        { kind: 'failed', reason: 'timeout' },
        { kind: 'refused', reason: 'rejected' },
        { kind: 'accepted' },
        { kind: 'failed', reason: 'cancelled' },
      ]);
    });

    test.each([
      ['hex', 'same'],
      ['hex_then_decimal', 'hex_then_decimal'],
      ['decimal', 'same'],
    ] as const)('ids written %s', async (idFormat, message_id_format) => {
      await smsc.set({ idFormat });
      opened = await openSession(smsc.port, { message_id_format });
      const outcome = await opened.send('+447');
      expect((await reports(1))[0]?.ref).toBe((outcome as { ref: string }).ref);
    });

    test('without parameters, before the answer, reversed, and twice', async () => {
      await smsc.set({ receiptTlv: false, receiptBeforeResponse: true });
      opened = await openSession(smsc.port);
      const early = await opened.send('+447');
      expect((await reports(1))[0]?.ref).toBe((early as { ref: string }).ref);
      await smsc.set({ receiptBeforeResponse: false, receiptOrder: 'reversed', receiptDelayMs: 100 });
      const refs: string[] = [];
      for (let n = 0; n < 3; n++) refs.push(((await opened.send('+447')) as { ref: string }).ref);
      expect((await reports(4)).slice(1).map(({ ref }) => ref)).toEqual(refs.reverse());
      const text = Buffer.from(
        `id:${refs[0]} sub:001 dlvrd:001 submit date:2601010101 done date:2601010101 stat:DELIVRD err:000 text:`,
      );
      await smsc.inbound({ from: '447', to: '15550100', message: text, esmClass: 4 });
      await smsc.inbound({
        from: '447',
        to: '15550100',
        message: Buffer.from('id:unheard-of stat:UNDELIV err:1'),
        esmClass: 4,
      });
      expect((await reports(6)).slice(4)).toMatchObject([
        { ref: refs[0], outcome: { kind: 'delivered' } },
        { ref: 'unheard-of', outcome: { kind: 'failed' } },
      ]);
    });

    test('a receipt that cannot be stored is asked for again', async () => {
      opened = await openSession(smsc.port);
      await until('the bind', () => opened.of('health').length > 0);
      opened.context.emitError = new Error('the database is away');
      await opened.send('+447');
      expect(await smsc.waitForEvents('deliver_resp', 1)).toMatchObject([{ status: 0x64 }]);
    });

    test('a text that only looks like a receipt is a message', async () => {
      opened = await openSession(smsc.port);
      await until('the bind', () => opened.of('health').length > 0);
      const forged = 'id:80000001 sub:001 dlvrd:001 submit date:2601010101 done date:2601010101 stat:DELIVRD err:000';
      await smsc.inbound({ from: '447', to: '100', message: Buffer.from(forged) });
      const [message] = await until('the message', () => opened.of('inbound').length > 0 && opened.of('inbound'));
      expect(message?.body.text).toBe(forged);
      expect(opened.of('report')).toHaveLength(0);
    });
  });

  describe('long messages', () => {
    test('three parts by user data header: one ref, delivered when all parts are', async () => {
      await smsc.set({ receiptOrder: 'reversed', receiptDelayMs: 200 });
      opened = await openSession(smsc.port);
      const outcome = await opened.send('+447', LONG);
      expect(outcome).toMatchObject({ kind: 'accepted', ref: '80000003', facts: [{ name: 'segments', data: '3' }] });
      expect(
        (await smsc.waitForEvents('submit', 3)).map(({ esmClass, hex }) => [
          esmClass,
          hex.slice(0, 6),
          hex.slice(8, 12),
        ]),
      ).toEqual([
        [0x40, '050003', '0301'],
        [0x40, '050003', '0302'],
        [0x40, '050003', '0303'],
      ]);
      await smsc.waitForEvents('deliver_resp', 3);
      expect(await reports(1)).toMatchObject([
        { ref: '80000003', outcome: { kind: 'delivered', ref: '80000003', amount: 3 } },
      ]);
      expect(opened.of('report')).toHaveLength(1);
    });

    test('receipts of all parts before their answers', async () => {
      await smsc.set({ receiptBeforeResponse: true });
      opened = await openSession(smsc.port);
      const outcome = await opened.send('+447', LONG);
      expect(outcome).toMatchObject({ ref: '80000003' });
      // The last receipt and its answer travel together: either is taken first, and the end is told once.
      await smsc.waitForEvents('deliver_resp', 3);
      const ends = [outcome, ...opened.of('report').map((report) => report.outcome)].slice(-1);
      expect(ends).toMatchObject([{ kind: 'delivered', ref: '80000003', amount: 3 }]);
      expect(opened.of('report').length).toBe(outcome.kind === 'delivered' ? 0 : 1);
    });

    test('one failed part fails the message', async () => {
      await smsc.set({ receiptDelayMs: 100 });
      opened = await openSession(smsc.port);
      await opened.send('+447', LONG);
      await smsc.set({ status: 'UNDELIV' });
      const failing = await opened.send('+448', LONG);
      const ref = (failing as { ref: string }).ref;
      const found = await until('its report', () => opened.of('report').find((report) => report.ref === ref));
      expect(found).toMatchObject({ outcome: { kind: 'failed', ref, detail: 'UNDELIV err:012' } });
    });

    test('SAR parameters, and message_payload', async () => {
      opened = await openSession(smsc.port, { concatenation: 'sar' });
      await opened.send('+447', LONG);
      expect((await smsc.waitForEvents('submit', 3)).map(({ esmClass }) => esmClass)).toEqual([0, 0, 0]);
      expect((await reports(1))[0]?.outcome).toMatchObject({ amount: 3 });
      await opened.close();
      opened = await openSession(smsc.port, { concatenation: 'payload' });
      expect(await opened.send('+447', LONG)).toMatchObject({ kind: 'accepted', ref: '80000004' });
      expect(smsc.submits[3]?.hex.length).toBe((LONG.length + 10) * 2); // ten euro signs with their escapes
      expect((await reports(1))[0]).toMatchObject({ ref: '80000004', outcome: { amount: 3 } });
    });

    test('only the last part is asked about', async () => {
      opened = await openSession(smsc.port, { receipt_parts: 'last' });
      await opened.send('+447', LONG);
      expect((await smsc.waitForEvents('submit', 3)).map(({ registeredDelivery }) => registeredDelivery)).toEqual([
        0, 0, 1,
      ]);
      expect(await reports(1)).toMatchObject([{ ref: '80000003', outcome: { kind: 'delivered' } }]);
    });

    test('a throttled part is sent again, and the parts before it are not', async () => {
      await smsc.set({ throttleEvery: 2 });
      opened = await openSession(smsc.port);
      expect(await opened.send('+447', LONG)).toMatchObject({ kind: 'accepted' });
      const taken = smsc.submits.filter(({ status }) => status === 0);
      expect(taken.map(({ hex }) => hex.slice(10, 12))).toEqual(['01', '02', '03']);
    });

    test('what is awaited outlives a restart', async () => {
      await smsc.set({ receiptDelayMs: 1500 });
      const context = new RecordingDriverContext();
      opened = await openSession(smsc.port, {}, { context });
      expect(await opened.send('+447', LONG)).toMatchObject({ kind: 'accepted', ref: '80000003' });
      await opened.session.close();
      expect(opened.of('report')).toHaveLength(0);
      opened = await openSession(smsc.port, {}, { context });
      await smsc.waitForEvents('deliver_resp', 3);
      expect(opened.of('report')).toMatchObject([{ ref: '80000003', outcome: { kind: 'delivered', amount: 3 } }]);
      await opened.close();
      await context.dispose();
    });
  });

  describe('the link', () => {
    test('lost before the answer: nobody knows, and nothing is sent again', async () => {
      await smsc.set({ dropAfter: 1 });
      opened = await openSession(smsc.port);
      await opened.send('+447');
      await expect(opened.send('+447', 'second')).rejects.toThrow('the link broke');
      expect(await opened.send('+447', 'third')).toMatchObject({ kind: 'accepted' });
      expect((await smsc.waitForEvents('submit', 2)).map(({ hex }) => Buffer.from(hex, 'hex').toString())).toEqual([
        'hello',
        'third',
      ]);
    });

    test('lost before the answer, policy resend: sent again', async () => {
      await smsc.set({ dropAfter: 1 });
      opened = await openSession(smsc.port, { in_flight_policy: 'resend' });
      await opened.send('+447');
      expect(await opened.send('+447', 'second')).toMatchObject({ kind: 'accepted' });
      expect(smsc.submits).toHaveLength(2);
    });

    test('no answer in time: nobody knows', async () => {
      await smsc.set({ silentSubmit: true });
      opened = await openSession(smsc.port, { response_timeout_seconds: 0.3 });
      await expect(opened.send('+447')).rejects.toThrow('no answer within 300 ms');
      await smsc.set({ silentSubmit: false });
      expect(await opened.send('+447')).toMatchObject({ kind: 'accepted' });
    });

    test('down: provably not accepted, and it comes back by itself', async () => {
      const { port } = smsc;
      opened = await openSession(port);
      await opened.send('+447');
      await smsc.stop();
      const down = await until('news of the end', () => opened.of('health').find(({ state }) => state === 'error'));
      expect(down.detail).toContain('link broke');
      let outcome = await opened.send('+447');
      for (let n = 0; n < 20 && outcome.kind !== 'failed'; n++) outcome = await opened.send('+447');
      expect(outcome).toMatchObject({ kind: 'failed', reason: 'provider_down', notAccepted: true });
      smsc = await startSmppSmsc({ port });
      await until('the link', () => opened.of('health').at(-1)?.state === 'ok', 10_000);
      expect(await opened.send('+447')).toMatchObject({ kind: 'accepted' });
    }, 20_000);

    test('a silent link is noticed by enquire_link and bound anew', async () => {
      await smsc.set({ silentEnquireLink: true });
      opened = await openSession(smsc.port, { enquire_link_seconds: 0.2, response_timeout_seconds: 0.3 });
      await smsc.waitForEvents('bind', 2);
      expect(
        opened
          .of('health')
          .map(({ detail }) => detail)
          .join(),
      ).toContain('no answer to enquire_link');
      await smsc.set({ silentEnquireLink: false });
    });

    test('a wrong password: said so, and tried seldom', async () => {
      opened = await openSession(smsc.port, { login_retry_seconds: 3 }, { password: 'not-it' });
      const outcome = await opened.send('+447');
      expect(outcome).toMatchObject({ kind: 'failed', reason: 'unauthorized', notAccepted: true });
      expect((outcome as { detail: string }).detail).toContain('ESME_RINVPASWD (0x0e)');
      await new Promise((resolve) => setTimeout(resolve, 1500));
      expect(await smsc.waitForEvents('bind', 1)).toHaveLength(1);
      expect(opened.of('health')).toHaveLength(1);
    });

    test('transmitter and receiver', async () => {
      opened = await openSession(smsc.port, { bind_mode: 'transmitter_receiver' });
      expect(await opened.send('+447')).toMatchObject({ kind: 'accepted' });
      await reports(1);
      const binds = await smsc.waitForEvents('bind', 2);
      expect(binds.map(({ mode }) => mode).sort()).toEqual(['receiver', 'transmitter']);
      const [receipt] = await smsc.waitForEvents('receipt', 1);
      expect(binds.find(({ link }) => link === receipt?.link)?.mode).toBe('receiver');
    });

    test('says goodbye when it is closed', async () => {
      opened = await openSession(smsc.port);
      await opened.send('+447');
      await opened.session.close();
      expect(await smsc.waitForEvents('closed', 1)).toMatchObject([{ why: 'unbind' }]);
      expect(await opened.send('+447')).toMatchObject({ kind: 'deferred' });
    });

    test('check binds on its own and unbinds; tells a wrong password', async () => {
      opened = await openSession(smsc.port);
      await until('the bind', () => opened.of('health').length > 0);
      const health = await opened.session.check(AbortSignal.timeout(5000));
      expect(health).toMatchObject({ state: 'ok', detail: expect.stringContaining('TESTSMSC') });
      expect(health.roundTripMs).toBeGreaterThan(0);
      expect(await smsc.waitForEvents('closed', 1)).toMatchObject([{ why: 'unbind', link: 2 }]);
      await smsc.set({ password: 'other' });
      expect(await opened.session.check(AbortSignal.timeout(5000))).toMatchObject({
        state: 'error',
        detail: expect.stringContaining('Check password'),
      });
    });

    test('given up before and while it is sent', async () => {
      await smsc.set({ silentSubmit: true });
      opened = await openSession(smsc.port, { window: 1 });
      const abort = new AbortController();
      const order = smsOrder();
      const first = opened.session.submit?.(order, abort.signal);
      const queued = opened.session.submit?.(smsOrder(), abort.signal);
      await smsc.waitForEvents('submit', 1);
      abort.abort();
      await expect(first).rejects.toThrow('given up before the answer');
      expect(await queued).toMatchObject({ kind: 'failed', reason: 'cancelled', notAccepted: true });
    });
  });
});
