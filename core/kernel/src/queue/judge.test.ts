import { type AnyProgram, defineProgram, delivered, failed, refused, type Verdict, z } from '@ictcore/contract';
import { type JudgeInput, judge, type RetryRule } from './judge';
import { causeRule } from './retry-rules';

const program = (verdict?: () => Verdict): AnyProgram =>
  defineProgram({
    type: 'tested',
    channel: 'sms',
    direction: 'outbound',
    description: '',
    parameters: z.object({}),
    scheme: () => ({ start: 'a', steps: { a: { use: 'sms_send', with: {} } } }),
    ...(verdict && { judge: verdict }),
  });

const retry = (more: Partial<RetryRule> = {}): RetryRule => ({
  tryDone: 1,
  tryAllowed: 3,
  delay: null,
  defaultDelay: 60,
  defaultBackoff: 1,
  permanent: false,
  rule: () => ({ retry: true }),
  ...more,
});

const input = (more: Partial<JudgeInput> & Pick<JudgeInput, 'outcome'>): JudgeInput => ({
  program: program(),
  parameters: {},
  connectedSeconds: 0,
  retry: retry(),
  ...more,
});

test.each([
  ['delivered', delivered('x', { detail: '250 ok' }), 'completed', 'completed', null],
  ['failed, tries left', failed('busy', 'USER_BUSY'), 'failed', 'pending_retry', 60],
  ['refused, tries left', refused('invalid_destination', '550'), 'failed', 'failed', null],
] as const)('%s', (_what, outcome, spoolStatus, transmissionStatus, retryIn) => {
  expect(judge(input({ outcome }))).toMatchObject({ spoolStatus, transmissionStatus, retryIn });
});

test('no tries left, or none wanted → failed with the words of the attempt', () => {
  const outcome = failed('busy', 'USER_BUSY');
  const last = { transmissionStatus: 'failed', transmissionResponse: 'USER_BUSY', retryIn: null };
  expect(judge(input({ outcome, retry: retry({ tryDone: 3 }) }))).toMatchObject(last);
  expect(judge(input({ outcome, mayRetry: false }))).toMatchObject(last);
});

test('the delay grows with each try, up to a day', () => {
  const delays = [1, 2, 3, 20].map(
    (tryDone) =>
      judge(input({ outcome: failed('busy', ''), retry: retry({ tryDone, tryAllowed: 99, defaultBackoff: 2 }) }))
        .retryIn,
  );
  expect(delays).toEqual([60, 120, 240, 86_400]);
});

test('the program has the last word on facts; an attempt that got through may still be a failure', () => {
  const strict = program(() => ({ verdict: 'failed', reason: 'media_rejected', response: '1 of 3 pages' }));
  expect(judge(input({ outcome: delivered('x'), program: strict }))).toMatchObject({
    spoolStatus: 'completed',
    transmissionStatus: 'pending_retry',
    transmissionResponse: '1 of 3 pages',
  });
});

test('a program that cannot judge, or is gone, does not leave the attempt without an end', () => {
  const broken = program(() => {
    throw new Error('boom');
  });
  expect(judge(input({ outcome: delivered('x'), program: broken, mayRetry: false }))).toMatchObject({
    transmissionStatus: 'failed',
    transmissionResponse: expect.stringContaining('boom'),
  });
  expect(judge(input({ outcome: delivered('x'), program: undefined }))).toMatchObject({
    transmissionStatus: 'completed',
  });
});

test('long words are cut', () => {
  expect(judge(input({ outcome: failed('unknown', 'x'.repeat(9999)) })).response).toHaveLength(500);
});

describe('retries by cause', () => {
  const failure = failed('busy', 'USER_BUSY');

  test('a cause that another try cannot mend is not tried again', () => {
    const never = retry({ rule: () => ({ retry: false }) });
    expect(judge(input({ outcome: failure, retry: never }))).toMatchObject({
      transmissionStatus: 'failed',
      retryIn: null,
    });
  });

  test('a cause has a delay and a back-off of its own; the transmission has the last word on the delay', () => {
    const rule = () => ({ retry: true, delay: 10, backoff: 3 });
    const after = (more: Partial<RetryRule>) =>
      judge(input({ outcome: failure, retry: retry({ rule, ...more }) })).retryIn;
    expect([after({}), after({ tryDone: 2 }), after({ tryDone: 2, delay: 7 })]).toEqual([10, 30, 7]);
  });

  test('retry.permanent tries even refusals again, but never what nobody knows the outcome of', () => {
    const outcome = refused('invalid_destination', '550');
    const permanent = retry({ permanent: true, rule: (reason) => causeRule({}, 'sms', reason) });
    expect(judge(input({ outcome, retry: permanent }))).toMatchObject({ transmissionStatus: 'pending_retry' });
    expect(judge(input({ outcome, retry: permanent, mayRetry: false }))).toMatchObject({
      transmissionStatus: 'failed',
    });
  });

  test('the configuration stands over the channel, the channel over what holds for all', () => {
    expect(causeRule({}, 'voice', 'rejected').retry).toBe(true);
    expect(causeRule({}, 'sms', 'rejected').retry).toBe(false);
    expect(causeRule({ sms: { rejected: { retry: true, delay: 5 } } }, 'sms', 'rejected')).toEqual({
      retry: true,
      delay: 5,
    });
    expect(causeRule({ sms: { rejected: { retry: true } } }, 'email', 'rejected').retry).toBe(false);
    for (const channel of ['voice', 'fax', 'sms', 'email'] as const) {
      expect(causeRule({}, channel, 'invalid_destination').retry).toBe(false);
      expect(causeRule({}, channel, 'provider_down').retry).toBe(true);
    }
  });
});
