import { decodeGsm7, decodeUcs2, detectEncoding } from '@ictcore/gsm';
import { providerConfig, smsOrder } from '@ictcore/test-kit';
import { SegmentedMessage } from 'sms-segments-calculator';
import type { MessageBody } from '../pdu';
import { smppDriver } from '../smpp.driver';
import type { SmppSettings } from '../smpp.settings';
import { between, randomFrom } from '../testing/random';
import { userDataOf } from './incoming';
import { buildMessage, type Outgoing } from './outgoing';

function build(text: string, settings: Record<string, unknown> = {}, encoding = detectEncoding(text)): Outgoing {
  const parsed = providerConfig(smppDriver, { settings }).settings as SmppSettings;
  const message = buildMessage(smsOrder({ text, encoding }), '', parsed);
  if ('kind' in message) throw new Error(message.detail);
  return message;
}

/** What a handset shows: the parts without their headers, put together. */
function shown({ bodies }: Outgoing): string {
  const octets = bodies.map((body: MessageBody) => userDataOf(body).octets);
  return bodies[0]?.dataCoding === 8 ? decodeUcs2(Buffer.concat(octets)) : decodeGsm7(Buffer.concat(octets));
}

const random = randomFrom(99);
const POOLS = [
  [...'abcXYZ 0123@£$éàΔΩ\n'],
  [...'abc€{}[]|~^\\'],
  [...'مرحبا بك رصيدك ٢٥٠ ريال'],
  [...'آپ کا پیغام موصول ہو گیا ہے، شکریہ۔ 5 €'],
  ['a', '😀', '🚀', '𝒳', 'я', '漢'],
];

test('as many parts as sms-segments-calculator counts, and the text arrives whole', () => {
  for (let n = 0; n < 600; n++) {
    const pool = POOLS[n % POOLS.length] as string[];
    const text = Array.from({ length: between(random, 1, 420) }, () => pool[between(random, 0, pool.length - 1)]).join(
      '',
    );
    const calculated = new SegmentedMessage(text);
    for (const concatenation of ['udh', 'sar', 'payload']) {
      const message = build(text, { concatenation });
      expect({ text, segments: message.segments }).toEqual({ text, segments: calculated.segmentsCount });
      expect(message.bodies.length).toBe(concatenation === 'payload' ? 1 : message.segments);
      expect(shown(message)).toBe(text);
      for (const { shortMessage } of message.bodies) expect(shortMessage.length).toBeLessThanOrEqual(160);
    }
  }
});

test('UCS-2 asked for: cut where it must be, never within a pair', () => {
  const text = `${'a'.repeat(66)}😀${'b'.repeat(100)}`;
  const message = build(text, {}, 'ucs2');
  expect(message.bodies.map(({ dataCoding }) => dataCoding)).toEqual([8, 8, 8]);
  expect(message.bodies[0]?.shortMessage.length).toBe(6 + 66 * 2);
  expect(shown(message)).toBe(text);
  expect(build('plain', {}, 'ucs2').bodies[0]?.shortMessage.toString('hex')).toBe('0070006c00610069006e');
});

test('ISO 8859-1 as the centre’s alphabet', () => {
  const message = build('Grüße', { default_alphabet: 'latin1' });
  expect(message.bodies[0]).toMatchObject({ dataCoding: 0, shortMessage: Buffer.from('Grüße', 'latin1') });
  expect(build('5 €', { default_alphabet: 'latin1' }).bodies[0]?.dataCoding).toBe(8);
});

test('more than 255 parts are refused', () => {
  const settings = providerConfig(smppDriver, {}).settings as SmppSettings;
  expect(buildMessage(smsOrder({ text: 'x'.repeat(153 * 255) }), '', settings)).toMatchObject({ segments: 255 });
  const refused = { kind: 'refused', reason: 'media_rejected' };
  expect(buildMessage(smsOrder({ text: 'x'.repeat(153 * 255 + 1) }), '', settings)).toMatchObject(refused);
  const order = smsOrder({ text: 'я', encoding: 'binary' });
  expect(buildMessage(order, '', settings)).toMatchObject(refused);
});
