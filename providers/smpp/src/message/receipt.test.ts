import { TAG } from '../pdu';
import { smppSettings } from '../smpp.settings';
import { delivery } from '../testing/faulty-smsc';
import { outcomeOfReceipt, receiptOf, refOfReceipt, refOfResponse } from './receipt';

const settings = smppSettings.parse({});
const read = (text: string, esmClass = 4, more: Record<string, unknown> = {}) =>
  receiptOf(delivery(text, esmClass), text, { ...settings, ...more });

test.each([
  [
    'id:0123456789 sub:001 dlvrd:001 submit date:2601021530 done date:2601021531 stat:DELIVRD err:000 text:hello',
    { id: '0123456789', state: 'DELIVRD', error: '000', doneDate: '2601021531' },
  ],
  ['id:a-b_c stat:UNDELIV err:12', { id: 'a-b_c', state: 'UNDELIV', error: '12', doneDate: '' }],
  ['ID: 77 STAT: delivered ERR: 0', { id: '77', state: 'DELIVRD', error: '0' }],
  ['id:1 stat:FAILED err:5', { state: 'UNDELIV' }],
  ['id:1 stat:REJECTED', { state: 'REJECTD' }],
  ['id:1 stat:BUFFERED', { state: 'ENROUTE' }],
  ['id:1 stat:HOMEWARD', { state: 'UNKNOWN' }],
  ['id:1', { state: 'UNKNOWN' }],
])('the receipt "%s"', (text, expected) => {
  expect(read(text)).toMatchObject(expected);
});

test('no id, no flag, or only the look of one', () => {
  expect(read('stat:DELIVRD err:000')).toBeUndefined();
  expect(read('id:1 stat:DELIVRD', 0)).toBeUndefined();
  expect(read('id:1 stat:DELIVRD', 0, { receipts_without_flag: true })).toMatchObject({ id: '1' });
  expect(read('my id: 5', 0, { receipts_without_flag: true })).toBeUndefined();
});

test('parameters: a receipt without the flag, and which id counts', () => {
  const tlvs = new Map([
    [TAG.receipted_message_id, Buffer.from('abc\0')],
    [TAG.message_state, Buffer.from([2])],
  ]);
  const body = { ...delivery('id:def stat:UNDELIV'), tlvs };
  expect(receiptOf(body, 'id:def stat:UNDELIV', settings)).toMatchObject({ id: 'abc', state: 'UNDELIV' });
  expect(receiptOf(body, 'id:def', { ...settings, receipt_id_from: 'text' })).toMatchObject({
    id: 'def',
    state: 'DELIVRD',
  });
});

test('texts made to take long do not', () => {
  const hostile = [`id:${'a'.repeat(60_000)}`, 'id: '.repeat(20_000), `${'err:'.repeat(20_000)}\0`, ' '.repeat(60_000)];
  const begin = process.cpuUsage();
  for (const text of hostile) read(text, 4, { receipts_without_flag: true });
  expect(process.cpuUsage(begin).user).toBeLessThan(200_000);
});

test('ids in two forms meet', () => {
  expect(refOfResponse('4c4b401', 'hex_then_decimal')).toBe(refOfReceipt('0080000001', 'hex_then_decimal'));
  expect(refOfResponse('0080000001', 'decimal_then_hex')).toBe(refOfReceipt('4C4B401', 'decimal_then_hex'));
  expect(refOfResponse('0ab-1 ', 'same')).toBe('0ab-1');
  expect(refOfResponse('not-a-number', 'hex_then_decimal')).toBe('not-a-number');
});

test('outcomes', () => {
  const outcome = (state: string, error = '') => outcomeOfReceipt({ id: '1', state, error, doneDate: '' }, 'r', 2);
  expect(outcome('DELIVRD', '000')).toEqual({ kind: 'delivered', ref: 'r', detail: 'DELIVRD', facts: [], amount: 2 });
  expect(outcome('UNDELIV', '1f')).toMatchObject({ kind: 'failed', reason: 'rejected', detail: 'UNDELIV err:1f' });
  expect(outcome('UNKNOWN')).toMatchObject({ kind: 'failed', reason: 'unknown' });
  for (const state of ['ENROUTE', 'ACCEPTD', 'SCHEDULED']) expect(outcome(state).kind).toBe('accepted');
});
