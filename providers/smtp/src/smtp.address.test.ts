import { mailAddress, oneLine, verpAddress } from './smtp.address';

test.each([
  ['anna@example.org', 'anna@example.org'],
  ['anna+tag@EXAMPLE.org', 'anna+tag@example.org'],
  ['anna@bücher.example', 'anna@xn--bcher-kva.example'],
  ['grüße@example.org', 'grüße@example.org'],
  ['root@192.0.2.7', 'root@[192.0.2.7]'],
  ['root@[192.0.2.7]', 'root@[192.0.2.7]'],
  ['root@2001:db8::1', 'root@[IPv6:2001:db8::1]'],
  ['root@[IPv6:2001:db8::1]', 'root@[IPv6:2001:db8::1]'],
  ['root@localhost', 'root@localhost'],
])('%s is sent to as %s', (text, wanted) => expect(mailAddress(text)).toBe(wanted));

test.each([
  '',
  'anna',
  '@example.org',
  'anna@',
  'a@b@example.org',
  'anna@example.org, eve@example.net',
  'anna@example.org\r\nBcc: eve@example.net',
  'anna\r\nRCPT TO:<eve@example.net>@example.org',
  'anna@example.org>',
  '<anna@example.org>',
  'an na@example.org',
  'anna@exa mple.org',
  'anna(comment)@example.org',
  '"anna"@example.org',
  'anna@-example.org',
  '.anna@example.org',
  'an..na@example.org',
  'anna@[x@evil.example]',
  'anna@[192.0.2.7]evil.example',
  `${'a'.repeat(65)}@example.org`,
  `anna@${'a.'.repeat(140)}org`,
  'anna\u2028@example.org',
])('%j is no address', (text) => expect(mailAddress(text)).toBeUndefined());

test('no address at all is none', () => {
  expect(mailAddress(null)).toBeUndefined();
  expect(mailAddress(undefined)).toBeUndefined();
});

test('a text becomes one line', () => {
  expect(oneLine('Hello\r\nBcc: eve@example.net\u0085\u2028x\0')).toBe('Hello Bcc: eve@example.net x');
});

test('bounces come back to an address that names the attempt', () => {
  expect(verpAddress('bounce@example.com', 42)).toBe('bounce+spool42@example.com');
});
