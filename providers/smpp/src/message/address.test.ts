import { smppSettings } from '../smpp.settings';
import { applyPrefix, destinationOf, inboundNumber, sourceOf } from './address';

const settings = smppSettings.parse({});

test.each([
  ['+447700900123', '', '+447700900123'],
  ['+447700900123', '9', '9447700900123'],
  ['+447700900123', '+44|0', '07700900123'],
  ['+447700900123', '44|0', '07700900123'],
  ['00447700900123', '1|2,00|+,+|9', '+447700900123'],
  ['07700900123', '0|+44', '+447700900123'],
  ['07700900123', '|00', '0007700900123'],
  ['112', '0|+44', '112'],
])('%s by the rules "%s" is %s', (number, rules, expected) => {
  expect(applyPrefix(number, rules)).toBe(expected);
});

test.each([
  ['+44 (7700) 900-123', { ton: 1, npi: 1, addr: '447700900123' }],
  ['07700900123', { ton: 0, npi: 1, addr: '07700900123' }],
  ['*100#', { ton: 0, npi: 1, addr: '*100#' }],
  ['+1234567890123456789012', undefined],
  ['', undefined],
  ['anna', undefined],
])('the recipient %s', (phone, expected) => {
  expect(destinationOf(phone, '', settings)).toEqual(expected);
});

test.each([
  ['+15550100', { ton: 1, npi: 1, addr: '15550100' }],
  ['12345', { ton: 3, npi: 0, addr: '12345' }],
  ['07700900123', { ton: 0, npi: 1, addr: '07700900123' }],
  ['ICTCore Ltd', { ton: 5, npi: 0, addr: 'ICTCore Ltd' }],
  ['ICTCore Limited', undefined],
  ['Grüße', undefined],
  [null, { ton: 0, npi: 0, addr: '' }],
])('the sender %s', (phone, expected) => {
  expect(sourceOf(phone, settings)).toEqual(expected);
});

test('settings go before the form of a number', () => {
  const fixed = smppSettings.parse({ source_addr: '999', source_ton: 2, source_npi: 8, dest_ton: 2, dest_npi: 9 });
  expect(sourceOf('+15550100', fixed)).toEqual({ ton: 2, npi: 8, addr: '999' });
  expect(destinationOf('+447', '', fixed)).toEqual({ ton: 2, npi: 9, addr: '447' });
});

test('numbers of inbound messages', () => {
  expect(inboundNumber(1, '447700900123', 'by_ton')).toBe('+447700900123');
  expect(inboundNumber(0, '447700900123', 'by_ton')).toBe('447700900123');
  expect(inboundNumber(0, '447700900123', 'international')).toBe('+447700900123');
  expect(inboundNumber(0, '12345', 'international')).toBe('12345');
  expect(inboundNumber(5, 'Shop', 'international')).toBe('Shop');
  expect(inboundNumber(1, '447700900123', 'as_is')).toBe('447700900123');
});
