import { outcomeOfError, type SmtpError } from './smtp.outcome';

function answer(command: string, response: string, code = 'EENVELOPE'): SmtpError {
  const responseCode = Number(response.slice(0, 3));
  return Object.assign(new Error(`failed: ${response}`), { code, command, response, responseCode });
}

test.each([
  ['RCPT TO', '550 5.1.1 no such user', 'invalid_destination'],
  ['RCPT TO', '550 no such user', 'invalid_destination'],
  ['RCPT TO', '553 5.1.3 bad address', 'invalid_destination'],
  ['RCPT TO', '550 5.2.2 mailbox full', 'rejected'],
  ['RCPT TO', '554 5.7.1 relay access denied', 'blocked'],
  ['MAIL FROM', '552 5.3.4 message size exceeds fixed limit', 'media_rejected'],
  ['MAIL FROM', '553 5.1.8 sender domain not found', 'rejected'],
  ['DATA', '554 5.6.0 virus found', 'media_rejected'],
  ['DATA', '550 5.7.26 unauthenticated sender', 'blocked'],
  ['DATA', '554 transaction failed', 'blocked'],
])('%s %s is refused for good as %s, in the words of the server', (command, response, reason) => {
  expect(outcomeOfError(answer(command, response), true)).toEqual({ kind: 'refused', reason, detail: response });
});

test.each([
  ['RCPT TO', '450 4.2.1 mailbox busy', 'busy'],
  ['RCPT TO', '451 4.7.1 greylisted, come back later', 'blocked'],
  ['RCPT TO', '452 4.3.1 insufficient system storage', 'provider_down'],
  ['RCPT TO', '450 4.7.1 too many mails, rate limit', 'throttled'],
  ['MAIL FROM', '530 5.7.0 authentication required', 'unauthorized'],
  ['MAIL FROM', '503 5.5.1 bad sequence', 'provider_down'],
  ['DATA', '421 4.3.0 going down', 'provider_down'],
  ['DATA', '451 4.3.0 local error', 'provider_down'],
  ['CONN', '554 5.7.1 your host is listed', 'blocked'],
  ['CONN', '554 no SMTP service here', 'provider_down'],
  ['CONN', '421 4.3.2 going down', 'provider_down'],
  ['AUTH PLAIN', '535 5.7.8 bad credentials', 'unauthorized'],
  ['AUTH PLAIN', '454 4.7.0 temporary authentication failure', 'provider_down'],
])('%s %s failed as %s and was not accepted', (command, response, reason) => {
  const wanted = { kind: 'failed', reason, detail: response, notAccepted: true };
  expect(outcomeOfError(answer(command, response, command === 'CONN' ? 'EPROTOCOL' : 'EAUTH'), false)).toEqual(wanted);
});

test.each(['421 4.7.0 too many connections from your host', '421 too many concurrent sessions, try again later'])(
  '%s is no try at all',
  (response) => {
    const wanted = { kind: 'deferred', afterMs: 30_000, reason: 'throttled', detail: response };
    expect(outcomeOfError(answer('CONN', response), false)).toEqual(wanted);
  },
);

test.each([
  ['a broken link', { code: 'ECONNECTION', command: 'CONN' }],
  ['a timeout', { code: 'ETIMEDOUT', command: 'CONN', timeoutType: 'SOCKET_TIMEOUT' }],
  ['an abort', { code: 'EABORT' }],
  ['bytes that are no answer', { code: 'EMESSAGE', command: 'DATA', response: 'HTTP/1.1 400', responseCode: false }],
  ['an answer that decides nothing', { code: 'EMESSAGE', command: 'DATA', response: '354 go on', responseCode: 354 }],
] as const)('after the final dot %s leaves it unknown, before it proves that nothing was accepted', (_, fields) => {
  const error: SmtpError = Object.assign(new Error('broken'), fields);
  expect(() => outcomeOfError(error, true)).toThrow(error);
  const before = outcomeOfError(error, false);
  expect(before.kind === 'refused' || (before.kind === 'failed' && before.notAccepted)).toBe(true);
});

test('an answer of many lines becomes one line', () => {
  const { detail } = outcomeOfError(answer('RCPT TO', '550-5.1.1 no\r\n550 5.1.1 such user'), false);
  expect(detail).toBe('550-5.1.1 no 550 5.1.1 such user');
});
