import type { Outcome } from '@ictcore/contract';
import { decodeGsm7, decodeUcs2, detectEncoding, encodeGsm7, encodeUcs2, segmentText } from '@ictcore/gsm';
import {
  describeWithPeer,
  type KannelPeer,
  type SmscPeer,
  type SmscSubmit,
  startKannel,
  startSmppSmsc,
} from '@ictcore/test-peers';
import { type Opened, openSession, SECRET, until, WebhookServer } from './testing/open';

describeWithPeer(['kannel', 'smsc'], 'kannel towards a real Kannel', () => {
  let smsc: SmscPeer;
  let kannel: KannelPeer;
  let webhooks: WebhookServer;
  let opened: Opened;
  let before = 0;

  beforeAll(async () => {
    webhooks = await WebhookServer.start();
    smsc = await startSmppSmsc();
    const inboundUrl = `${webhooks.url}/mo?token=${SECRET}&from=%p&to=%P&id=%I`;
    kannel = await startKannel({ smsc, inboundUrl });
  });
  afterAll(async () => {
    await kannel?.stop();
    await smsc?.stop();
    await webhooks?.stop();
  });
  beforeEach(async () => {
    opened = await openSession(kannel.port, webhooks);
    before = smsc.submits.length;
  });
  afterEach(() => opened?.close());

  const submits = (count: number): Promise<SmscSubmit[]> =>
    until(`${count} submits`, () => smsc.submits.length >= before + count && smsc.submits.slice(before));
  const refOf = (outcome: Outcome) => (outcome as { ref: string }).ref;
  const final = (ref: string) =>
    until('the final report', () =>
      opened.of('report').find((report) => report.ref === ref && report.outcome.kind !== 'accepted'),
    );

  test('a message, taken and delivered', async () => {
    const outcome = await opened.send('+447700900123', 'Grüße {€} @ 100% & more');
    expect(outcome).toMatchObject({ kind: 'accepted', ref: expect.stringMatching(/^spool-\d+$/) });
    const ref = refOf(outcome);
    const [submit] = await submits(1);
    expect(submit).toMatchObject({ dataCoding: 0, registeredDelivery: 1 });
    expect(submit?.to.replace(/^\+/, '')).toBe('447700900123');
    expect(decodeGsm7(Buffer.from(submit?.hex ?? '', 'hex'))).toBe('Grüße {€} @ 100% & more');
    expect(await final(ref)).toMatchObject({ ref, outcome: { kind: 'delivered', ref, detail: 'DELIVRD', amount: 1 } });
  });

  test('UCS-2, flash and binary', async () => {
    await opened.send('+447', 'سلام 🎉', { encoding: 'ucs2' });
    await opened.send('+447', 'flash', { messageClass: 'flash' });
    await opened.send('+447', '\u0001\u00ff%', { encoding: 'binary' });
    const seen = await submits(3);
    const by = (coding: (submit: SmscSubmit) => boolean) => seen.find(coding)?.hex ?? '';
    expect(
      decodeUcs2(
        Buffer.from(
          by(({ dataCoding }) => dataCoding === 8),
          'hex',
        ),
      ),
    ).toBe('سلام 🎉');
    expect(by(({ dataCoding }) => (dataCoding & 0x13) === 0x10)).toBe(Buffer.from('flash').toString('hex'));
    expect(by(({ dataCoding }) => dataCoding === 4 || dataCoding === 0xf5 || dataCoding === 0xf6)).toBe('01ff25');
  });

  test.each([
    ['GSM', 'a long text with the euro sign € in it, '.repeat(10)],
    ['UCS-2', 'نص طويل بالعربية '.repeat(12)],
  ])('a long %s text: cut by Kannel into as many parts as we count, delivered once', async (_name, text) => {
    const { segments } = segmentText(text);
    const sent = await opened.send('+447', text, { encoding: detectEncoding(text), segments: segments.length });
    const parts = await submits(segments.length);
    const decode = detectEncoding(text) === 'gsm7' ? decodeGsm7 : decodeUcs2;
    expect(parts.map(({ hex }) => decode(Buffer.from(hex.slice(12), 'hex'))).join('')).toBe(text);
    const ref = refOf(sent);
    expect(await final(ref)).toMatchObject({ outcome: { kind: 'delivered', amount: segments.length } });
    await smsc.waitForEvents('receipt', 1);
    await new Promise((resolve) => setTimeout(resolve, 500));
    // Kannel asks the carrier about the first part alone, and tells its end once, before or after its being taken.
    expect(
      opened
        .of('report')
        .filter((report) => report.ref === ref)
        .map(({ outcome }) => outcome.kind)
        .sort(),
    ).toEqual(['accepted', 'delivered']);
    expect(parts.map(({ registeredDelivery }) => registeredDelivery)).toEqual([1, ...segments.slice(1).map(() => 0)]);
  });

  test('a text longer than Kannel’s max-messages is refused, because Kannel cuts it off and says nothing', async () => {
    const text = `${'x'.repeat(153 * 10)}the end`;
    expect(await opened.send('+447', text, { segments: 11 })).toMatchObject({
      kind: 'refused',
      reason: 'media_rejected',
    });
    expect(smsc.submits.length).toBe(before);
    await opened.close();
    opened = await openSession(kannel.port, webhooks, { max_messages: 11 });
    expect(await opened.send('+447', text, { segments: 11 })).toMatchObject({ kind: 'accepted' });
    const parts = await submits(10);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(smsc.submits.length).toBe(before + 10);
    expect(parts.map(({ hex }) => hex).join('')).not.toContain(Buffer.from('the end').toString('hex'));
  });

  test('a message that does not arrive, and one that the carrier refuses', async () => {
    await smsc.set({ statusOf: { '4411': 'UNDELIV' }, refuse: { '4412': 0x0b } });
    expect(await final(refOf(await opened.send('4411')))).toMatchObject({
      outcome: { kind: 'failed', reason: 'rejected', detail: 'UNDELIV err:012' },
    });
    expect(await final(refOf(await opened.send('4412')))).toMatchObject({
      outcome: { kind: 'refused', reason: 'invalid_destination' },
    });
  });

  test('a prefix, a sender and a time of validity', async () => {
    await opened.close();
    opened = await openSession(
      kannel.port,
      webhooks,
      { source_addr: '1000', validity_period: 3600 },
      { prefix: '0|44' },
    );
    await opened.send('07700900123');
    expect((await submits(1))[0]).toMatchObject({ from: '1000', to: '447700900123' });
  });

  test('without reports, taken is delivered', async () => {
    await opened.close();
    opened = await openSession(kannel.port, webhooks, { receipts: false });
    expect(await opened.send('+447')).toMatchObject({ kind: 'delivered', amount: 1 });
    expect((await submits(1))[0]?.registeredDelivery).toBe(0);
  });

  test('messages come in, in every alphabet', async () => {
    const inbound = { from: '447700900001', to: '12345' };
    await smsc.inbound({ ...inbound, message: Buffer.from(encodeGsm7('Grüße {€} @')) });
    await smsc.inbound({ ...inbound, message: encodeUcs2('سلام 🎉'), dataCoding: 8 });
    await smsc.inbound({ ...inbound, message: Buffer.from([0, 1, 255]), dataCoding: 4 });
    const got = await until('three messages', () => opened.of('inbound').length >= 3 && opened.of('inbound'));
    expect(got.map(({ body }) => body.text).sort()).toEqual(['Grüße {€} @', 'سلام 🎉', undefined]);
    expect(got.find(({ body }) => body.text === undefined)?.facts).toEqual([
      { type: 'message', name: 'binary', data: '0001ff' },
    ]);
    expect(got[0]).toMatchObject({ from: { phone: '447700900001' }, to: { phone: '12345' } });
    expect(new Set(got.map(({ ref }) => ref)).size).toBe(3);
    // Kannel would send any answer back to the phone.
    expect(smsc.submits.length).toBe(before);
  });

  test('parts that come in are put together by Kannel', async () => {
    for (const number of [2, 1]) {
      const text = number === 1 ? 'first and ' : 'second';
      const message = Buffer.concat([Buffer.from([5, 0, 3, 9, 2, number]), encodeGsm7(text)]);
      await smsc.inbound({ from: '447700900001', to: '12345', message, esmClass: 0x40 });
    }
    const [message] = await until('the message', () => opened.of('inbound').length > 0 && opened.of('inbound'));
    expect(message?.body.text).toBe('first and second');
  });

  test('check tells of logins, and sends nothing', async () => {
    const signal = AbortSignal.timeout(5000);
    expect(await opened.session.check(signal)).toMatchObject({
      state: 'ok',
      detail: expect.stringContaining('tester'),
    });
    await opened.close();
    opened = await openSession(kannel.port, webhooks, {}, { password: 'wrong-one' });
    expect(await opened.session.check(signal)).toMatchObject({
      state: 'error',
      detail: expect.stringContaining('Check username, password'),
    });
    expect(await opened.send('+447')).toMatchObject({ kind: 'failed', reason: 'unauthorized', notAccepted: true });
    expect(smsc.submits.length).toBe(before);
  });

  test('down and up again: provably not accepted, then taken', async () => {
    await kannel.kill();
    expect(await opened.send('+447')).toMatchObject({ kind: 'failed', reason: 'provider_down', notAccepted: true });
    await kannel.restart();
    const outcome = await opened.send('+447');
    expect(outcome).toMatchObject({ kind: 'accepted' });
    await final(refOf(outcome));
  });
});
