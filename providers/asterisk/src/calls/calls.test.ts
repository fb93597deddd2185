import { memoryFile } from '@ictcore/test-kit';
import type { CallEndFacts } from './call-end';
import { parseIctEnd, providerOfRef, refOf } from './call-end';
import { applyPrefixRules, callerId, dialable } from './destination';
import { planVoice } from './one-shot';
import { outcomeOf } from './outcome';

const facts = (more: Partial<CallEndFacts>): CallEndFacts => ({
  ref: 'ict1-2',
  cause: 16,
  techCause: '',
  end: undefined,
  endedAt: 0,
  noChannel: false,
  lost: false,
  cancelled: false,
  ...more,
});

describe('destinations', () => {
  test.each([
    ['+15551002', '+15551002'],
    ['(555) 100-2', '5551002'],
    ['1200', '1200'],
    ['*98', '*98'],
    ['00 44 20 7123 4567', '00442071234567'],
  ])('%s can be dialled', (typed, dialled) => expect(dialable(typed)).toBe(dialled));

  const nasty = [
    '1000@evil.example',
    '1000/n',
    '1000&PJSIP/2000',
    '1000,120,g',
    '1000\r\nAction: Originate',
    '$' + '{SHELL(id)}',
    '1000;transport=tcp',
    '1000?X-Header=1',
    'Local/s@ict-end',
    '',
    ' ',
    '+',
    '++1',
    '1+1',
    '١٢٣',
    '1000\0',
    '1000%0d%0a',
    '1'.repeat(25),
    'sip:1000@h',
    '<1000>',
    '"1000"',
    '1000|2',
    '$[1+1]',
    "1000'",
    '1000\\',
    '-',
    'abc',
    '1000 x',
  ];
  test.each(nasty)('%j cannot', (typed) => {
    expect(dialable(typed)).toBeUndefined();
    expect(applyPrefixRules(typed, '')).toBeUndefined();
  });

  test('number rules: first that fits; a plain prefix; a rule that breaks the number is none', () => {
    expect(applyPrefixRules('+15551002', '+1|,+|00')).toBe('5551002');
    expect(applyPrefixRules('+445551002', '+1|,+|00')).toBe('00445551002');
    expect(applyPrefixRules('5551002', '9')).toBe('95551002');
    expect(applyPrefixRules('5551002', '|9')).toBe('95551002');
    expect(applyPrefixRules('5551002', '5|@evil')).toBeUndefined();
    expect(applyPrefixRules('+1555', '9')).toBeUndefined();
  });

  test('caller id: quoted, cleaned, without what is no number', () => {
    expect(callerId('+15550100', 'Acme, Inc.')).toBe('"Acme, Inc." <+15550100>');
    expect(callerId('evil" <1>', 'a"b<c>\r\nX: y\\')).toBe('"a b c X: y" <>');
    expect(callerId(null, '')).toBe('"" <>');
  });
});

test('refs carry their provider', () => {
  expect(providerOfRef(refOf(12, 345))).toBe(12);
  expect(providerOfRef('ict12-x')).toBeUndefined();
  expect(providerOfRef('1700000000.12')).toBeUndefined();
});

describe('outcomes of calls that were not answered, by cause (the table that was measured)', () => {
  test.each([
    [17, '486', 'failed', 'busy', 'USER_BUSY (SIP 486)'],
    [19, '480', 'failed', 'no_answer', 'NO_ANSWER (SIP 480)'],
    [34, '503', 'failed', 'throttled', 'NORMAL_CIRCUIT_CONGESTION (SIP 503)'],
    [1, '404', 'refused', 'invalid_destination', 'UNALLOCATED_NUMBER (SIP 404)'],
    [21, '403', 'failed', 'rejected', 'CALL_REJECTED (SIP 403)'],
    [21, '407', 'failed', 'unauthorized', 'CALL_REJECTED (SIP 407)'],
    [18, '408', 'failed', 'no_answer', 'NO_USER_RESPONSE (SIP 408)'],
    [22, '410', 'refused', 'invalid_destination', 'NUMBER_CHANGED (SIP 410)'],
    [27, '502', 'failed', 'provider_down', 'DESTINATION_OUT_OF_ORDER (SIP 502)'],
    [28, '484', 'refused', 'invalid_destination', 'INVALID_NUMBER_FORMAT (SIP 484)'],
    [38, '500', 'failed', 'provider_down', 'NETWORK_OUT_OF_ORDER (SIP 500)'],
    [17, '', 'failed', 'busy', 'USER_BUSY'],
    [99, '', 'failed', 'unknown', 'CAUSE_99'],
  ])('%i / %s', (cause, techCause, kind, reason, detail) => {
    expect(outcomeOf(facts({ cause, techCause }))).toMatchObject({ kind, reason, detail, ref: 'ict1-2' });
  });

  test('cancelled by us; no channel at all; Asterisk died', () => {
    expect(outcomeOf(facts({ cancelled: true }))).toMatchObject({ kind: 'failed', reason: 'cancelled' });
    expect(outcomeOf(facts({ noChannel: true }))).toMatchObject({ reason: 'provider_down', notAccepted: true });
    expect(outcomeOf(facts({ lost: true }))).toMatchObject({ kind: 'refused', detail: 'unknown_outcome' });
  });
});

describe('outcomes of faxes', () => {
  const fax = (text: string) => outcomeOf(facts({ end: parseIctEnd(`result=fax&bill=28.6&want=3&${text}`) }));
  const dropped = 'faxerr=The%20call%20dropped%20prematurely';
  test.each([
    ['fax=SUCCESS&pages=3&faxerr=HANGUP&faxmode=T38', 'delivered', undefined],
    ['fax=SUCCESS&pages=2&faxerr=HANGUP', 'failed', 'unknown'],
    [`fax=FAILED&pages=0&${dropped}&faxmode=audio`, 'failed', 'rejected'],
    [`fax=FAILED&pages=1&${dropped}`, 'failed', 'unknown'],
    ['fax=FAILED&pages=0&faxerr=Timed%20out%20waiting%20for%20initial%20communication', 'failed', 'timeout'],
    ['fax=FAILED&pages=0&faxerr=FILE_ERROR', 'refused', 'media_rejected'],
    ['fax=FAILED&pages=0&faxerr=TIFF%2FF%20file%20cannot%20be%20opened', 'refused', 'media_rejected'],
    ['fax=&pages=', 'failed', 'rejected'],
  ])('%s', (text, kind, reason) => {
    const outcome = fax(text);
    expect(outcome.kind).toBe(kind);
    if (reason) expect(outcome).toMatchObject({ reason });
  });
});

describe('one-shot plans', () => {
  const file = memoryFile('m.wav', 'audio/wav', Buffer.alloc(10));
  const play = { use: 'voice_play', with: {}, files: { message: file } };
  test('plays, waits, says and reads', () => {
    const plan = planVoice([
      { use: 'originate', with: {} },
      { use: 'amd', with: { machine: 'hangup' } },
      play,
      { use: 'wait', with: { delay: 1500 } },
      { use: 'say_digit', with: { digits: '12#' } },
      { use: 'say_date', with: { date: '2026-01-02T00:00:00Z' } },
      { use: 'play_menu', with: { key_timeout: 3 }, files: { message: file } },
    ]);
    expect(plan.amd).toBe('hangup');
    expect(plan.ops.map(({ op }) => op)).toEqual(['play', 'wait', 'digits', 'date', 'read']);
    expect(planVoice([{ ...play, with: { repeat: 3 } }]).ops.map(({ op }) => op)).toEqual([
      ...['play', 'wait', 'play', 'wait', 'play'],
    ]);
    expect(plan.ops[1]).toEqual({ op: 'wait', value: '1.5' });
    expect(plan.ops[3]).toEqual({ op: 'date', value: '1767312000' });
  });
  test.each([
    [[], 'nothing to play'],
    [[{ use: 'transfer', with: {} }], 'cannot be part'],
    [[{ use: 'voice_play', with: {} }], 'no recording'],
    [[{ use: 'say_digit', with: { d: '1&' } }], 'cannot be said'],
    [[{ use: 'say_alpha', with: { d: '$' + '{SHELL(id)}' } }], 'cannot be said'],
    [[{ use: 'say_date', with: { d: 'x' } }], 'cannot be said'],
    [[{ use: 'wait', with: { delay: -1 } }], 'a number from'],
    [[{ ...play, with: { repeat: 11 } }], 'a number from'],
    [[{ use: 'amd', with: { machine: 'x' } }, play], 'hangup or beep'],
    [[play, { use: 'amd', with: {} }], 'must come first'],
    [[{ use: 'constructor', with: {} }], 'cannot be part'],
    [Array.from({ length: 41 }, () => play), 'more than 40'],
  ])('refuses what it cannot do (%#)', (steps, words) => expect(() => planVoice(steps)).toThrow(words));
});
