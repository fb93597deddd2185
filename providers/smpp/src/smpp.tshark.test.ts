import { once } from 'node:events';
import { connect } from 'node:net';
import { describeWithPeer, type SmscPeer, startSmppSmsc } from '@ictcore/test-peers';
import { type Opened, openSession, until } from './testing/open';
import { Capture } from './testing/tshark';

const TEXTS = ['hello', 'Grüße {€} [~]', 'سلام 🎉', 'x'.repeat(161), '€'.repeat(200), 'آپ کا پیغام '.repeat(20)];
/** Malformed, or an error to the dissector. */
const MALFORMED = '_ws.malformed || _ws.expert.severity >= 0x00800000';

describeWithPeer(['smsc', 'tshark'], 'traffic as tshark decodes it', () => {
  let smsc: SmscPeer;
  let capture: Capture;
  let opened: Opened;

  beforeAll(async () => {
    smsc = await startSmppSmsc();
    capture = await Capture.start(smsc.port);
  });
  afterAll(async () => {
    await opened?.close();
    await capture?.dispose();
    await smsc?.stop();
  });

  test('no malformed PDU in any way of sending, receiving and ending', async () => {
    let expected = 0;
    for (const settings of [
      { concatenation: 'udh' },
      { concatenation: 'sar', flash_by: 'dest_addr_subunit', validity_period: 600, service_type: 'VMA' },
      {
        concatenation: 'payload',
        bind_mode: 'transmitter_receiver',
        source_addr: 'ICTCore',
        enquire_link_seconds: 0.1,
      },
    ]) {
      opened = await openSession(smsc.port, settings);
      for (const text of TEXTS) {
        await opened.send('+447700900123', text);
        await opened.send('+447700900123', text, { messageClass: 'flash' });
      }
      expected += TEXTS.length * 2;
      await until('receipts', () => opened.of('report').length === TEXTS.length * 2);
      await smsc.inbound({ from: '447', to: '100', message: Buffer.from('hi') });
      await until('the message', () => opened.of('inbound').length === 1);
      await opened.session.check(AbortSignal.timeout(5000));
      await opened.close();
    }
    await capture.end();
    expect(await capture.decode(MALFORMED, ['frame.number'])).toEqual([]);
    const commands = (await capture.decode('smpp', ['smpp.command_id'])).flatMap((row) => (row[0] ?? '').split(','));
    const count = (id: number) => commands.filter((command) => Number(command) === id).length;
    expect(count(0x04)).toBe(smsc.submits.length);
    expect(count(0x80000004)).toBe(smsc.submits.length);
    expect(count(0x05)).toBeGreaterThanOrEqual(expected + 3);
    expect(count(0x80000005)).toBe(count(0x05));
    expect(count(0x06)).toBe(count(0x80000006));
    expect(count(0x15)).toBe(count(0x80000015));
    const addresses = await capture.decode('smpp.command_id == 4', ['smpp.destination_addr']);
    const to = new Set(addresses.flatMap((row) => (row[0] ?? '').split(',')));
    expect([...to]).toEqual(['447700900123']);
  }, 60_000);

  test('and it would be seen: a submit_sm whose text is longer than it', async () => {
    const control = await Capture.start(smsc.port);
    try {
      const socket = connect(smsc.port, '127.0.0.1');
      const submit = Buffer.from('00000024000000040000000000000001000101310001013200000000000100000055787878', 'hex');
      submit.writeUInt32BE(submit.length, 0);
      socket.end(submit);
      await once(socket.resume(), 'close');
      await control.end();
      expect(await control.decode(MALFORMED, ['frame.number'])).not.toEqual([]);
    } finally {
      await control.dispose();
    }
  });
});
