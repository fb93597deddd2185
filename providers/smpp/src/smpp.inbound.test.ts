import type { InboundMessage } from '@ictcore/contract';
import { encodeGsm7, encodeUcs2 } from '@ictcore/gsm';
import { RecordingDriverContext } from '@ictcore/test-kit';
import { describeWithPeer, type SmscPeer, startSmppSmsc } from '@ictcore/test-peers';
import { type Opened, openSession, until } from './testing/open';

const UDH = 0x40;

/** A part with a user data header: reference of 8 bits, or 16. */
function part(reference: number, total: number, number: number, octets: Uint8Array): Buffer {
  const header = reference > 255 ? [6, 8, 4, reference >> 8, reference & 255] : [5, 0, 3, reference];
  return Buffer.concat([Buffer.from([...header, total, number]), octets]);
}

describeWithPeer('smsc', 'messages that come in over smpp', () => {
  let smsc: SmscPeer;
  let opened: Opened;

  beforeEach(async () => {
    smsc = await startSmppSmsc();
  });
  afterEach(async () => {
    await opened?.close();
    await smsc?.stop();
  });

  const start = async (settings: Record<string, unknown> = {}, context?: RecordingDriverContext) => {
    opened = await openSession(smsc.port, settings, context ? { context } : {});
    await until('the bind', () => opened.of('health').some(({ state }) => state === 'ok'));
  };
  const messages = (count: number): Promise<InboundMessage[]> =>
    until(`${count} messages`, () => opened.of('inbound').length >= count && opened.of('inbound'));
  const send = (message: Uint8Array, dataCoding = 0, esmClass = 0) =>
    smsc.inbound({ from: '447700900001', to: '12345', message: Buffer.from(message), dataCoding, esmClass });
  const answers = (count: number) => smsc.waitForEvents('deliver_resp', count);

  test('alphabets', async () => {
    await start();
    const sent: [Uint8Array, number, string | undefined][] = [
      [encodeGsm7('Grüße {€} @'), 0, 'Grüße {€} @'],
      [encodeUcs2('سلام 🎉'), 8, 'سلام 🎉'],
      [Buffer.from('voilà', 'latin1'), 3, 'voilà'],
      [Buffer.from('plain'), 1, 'plain'],
      [encodeGsm7('flash £'), 0xf0, 'flash £'],
      [encodeUcs2('я'), 0x18, 'я'],
      [Buffer.from([0xbf, 0xe0, 0xd8, 0xd2, 0xd5, 0xe2]), 6, 'Привет'],
      [Buffer.from([0, 1, 2]), 4, undefined],
      [encodeUcs2('a\0b'), 8, 'ab'],
    ];
    for (const [octets, dataCoding] of sent) await send(octets, dataCoding);
    const got = await messages(sent.length);
    expect(got.map(({ body }) => body.text)).toEqual(sent.map(([, , text]) => text));
    expect(got[7]?.facts).toEqual([{ type: 'message', name: 'binary', data: '000102' }]);
    expect(got[0]).toMatchObject({ channel: 'sms', from: { phone: '447700900001' }, to: { phone: '12345' } });
    expect(new Set(got.map(({ ref }) => ref)).size).toBe(sent.length);
    expect((await answers(sent.length)).every(({ status }) => status === 0)).toBe(true);
  });

  test('numbers get their + by rule', async () => {
    await start({ inbound_numbers: 'international' });
    await send(Buffer.from('x'));
    expect(await messages(1)).toMatchObject([{ from: { phone: '+447700900001' }, to: { phone: '12345' } }]);
  });

  test('parts in any order, doubled and of several messages at once', async () => {
    await start();
    const text = `${'я'.repeat(66)}😀${'ю'.repeat(40)}`; // the pair is cut by this sender
    const octets = encodeUcs2(text);
    const thirds = [octets.subarray(0, 134), octets.subarray(134, 200), octets.subarray(200)];
    const piece = (number: number) => part(7, 3, number, thirds[number - 1] as Buffer);
    await send(piece(3), 8, UDH);
    await send(part(300, 2, 2, encodeGsm7('world')), 0, UDH);
    await send(piece(1), 8, UDH);
    await send(piece(1), 8, UDH);
    await send(part(300, 2, 1, encodeGsm7('hello ')), 0, UDH);
    await send(piece(2), 8, UDH);
    await send(piece(2), 8, UDH);
    expect((await messages(2)).map(({ body }) => body.text)).toEqual(['hello world', text]);
    await answers(7);
    expect(opened.of('inbound')).toHaveLength(2);
    expect(opened.of('inbound')[1]?.facts).toEqual([{ type: 'info', name: 'parts', data: '3' }]);
  });

  test('a reference used again is another message', async () => {
    await start();
    for (const [first, second] of [
      ['one ', 'two'],
      ['three ', 'four'],
    ] as const) {
      await send(part(9, 2, 1, encodeGsm7(first)), 0, UDH);
      await send(part(9, 2, 2, encodeGsm7(second)), 0, UDH);
    }
    const got = await messages(2);
    expect(got.map(({ body }) => body.text)).toEqual(['one two', 'three four']);
    expect(got[0]?.ref).not.toBe(got[1]?.ref);
  });

  test('parts that never come: told without them', async () => {
    await start({ reassembly_seconds: 10 });
    jest.useFakeTimers({ doNotFake: ['setTimeout', 'setInterval', 'setImmediate', 'nextTick', 'performance'] });
    try {
      await send(part(3, 3, 1, encodeGsm7('begin ')), 0, UDH);
      await send(part(3, 3, 3, encodeGsm7('end')), 0, UDH);
      await answers(2);
      jest.setSystemTime(Date.now() + 11_000);
      const [message] = await messages(1);
      expect(message).toMatchObject({
        body: { text: 'begin end' },
        facts: [
          { name: 'parts', data: '3' },
          { type: 'error', name: 'parts_missing', data: '2' },
        ],
      });
    } finally {
      jest.useRealTimers();
    }
  });

  test('parts wait over a restart', async () => {
    const context = new RecordingDriverContext();
    await start({}, context);
    await send(part(5, 2, 2, encodeGsm7('after')), 0, UDH);
    await answers(1);
    await opened.session.close();
    context.events.length = 0;
    await start({}, context);
    await send(part(5, 2, 1, encodeGsm7('before and ')), 0, UDH);
    expect((await messages(1))[0]?.body.text).toBe('before and after');
    await opened.close();
    await context.dispose();
  });

  test('what could not be stored is refused for a while, and has the same ref when it comes again', async () => {
    await start();
    const refs: string[] = [];
    const emit = opened.context.emit.bind(opened.context);
    opened.context.emit = async (event) => {
      if (event.kind === 'inbound') refs.push(event.ref);
      return emit(event);
    };
    opened.context.emitError = new Error('the database is away');
    await send(Buffer.from('yes'));
    expect(await answers(1)).toMatchObject([{ status: 0x64 }]);
    opened.context.emitError = undefined;
    await send(Buffer.from('yes'));
    await send(Buffer.from('yes'));
    expect((await answers(3)).map(({ status }) => status)).toEqual([0x64, 0, 0]);
    // The second is the first one again; the third is a person who says yes twice.
    expect(refs[1]).toBe(refs[0]);
    expect(refs[2]).not.toBe(refs[0]);
  });

  test('a link that breaks before the acknowledgement: the same message again has the same ref', async () => {
    await start();
    let store: () => void = () => undefined;
    const stored = new Promise<void>((resolve) => {
      store = resolve;
    });
    const emit = opened.context.emit.bind(opened.context);
    opened.context.emit = async (event) => {
      if (event.kind === 'inbound' && opened.of('inbound').length === 0) {
        await emit(event);
        await stored;
      } else await emit(event);
    };
    await send(Buffer.from('twice'));
    await messages(1);
    await smsc.dropLinks();
    await until('the link again', () => opened.of('health').filter(({ state }) => state === 'ok').length > 1);
    await send(Buffer.from('twice'));
    store();
    const got = await messages(2);
    expect(got[1]?.ref).toBe(got[0]?.ref);
  });
});
