import { type AnyProgram, defineProgram, delivered, failed, refused, type Verdict, z } from '@ictcore/contract';
import { type JudgeInput, judge } from './judge';

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

const input = (more: Partial<JudgeInput> & Pick<JudgeInput, 'outcome'>): JudgeInput => ({
  program: program(),
  parameters: {},
  connectedSeconds: 0,
  retry: { tryDone: 1, tryAllowed: 3, delay: 60, backoff: 1 },
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
  expect(judge(input({ outcome, retry: { tryDone: 3, tryAllowed: 3, delay: 60, backoff: 1 } }))).toMatchObject(last);
  expect(judge(input({ outcome, mayRetry: false }))).toMatchObject(last);
});

test('the delay grows with each try, up to a day', () => {
  const delays = [1, 2, 3, 20].map(
    (tryDone) =>
      judge(input({ outcome: failed('busy', ''), retry: { tryDone, tryAllowed: 99, delay: 60, backoff: 2 } })).retryIn,
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
