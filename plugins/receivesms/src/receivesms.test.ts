import { join } from 'node:path';
import type { FinishedTransmission, FollowUp } from '@ictcore/contract';
import { pluginContract, programContract } from '@ictcore/test-kit';
import { receivesms, receivesmsParameters, receivesmsPlugin } from './index';

pluginContract(receivesmsPlugin, { packageFolder: join(__dirname, '..') });

programContract(receivesms, {
  valid: [
    { account_id: 12 },
    { account_id: '12', notify_email: 'desk@example.org' },
    { phone: '+15550100' },
    {},
    { account_id: 1, keywords: false },
    { account_id: 1, stop_words: ['ARRET', 'STOPP'], stop_answer: '' },
  ],
  invalid: [
    { parameters: { account_id: '[account:account_id]' }, field: 'account_id' },
    { parameters: { account_id: 0 }, field: 'account_id' },
    { parameters: { phone: '' }, field: 'phone' },
    { parameters: { notify_email: 'nobody' }, field: 'notify_email' },
    { parameters: { stop_words: [''] }, field: 'stop_words' },
    { parameters: { stop_answer: 'x'.repeat(613) }, field: 'stop_answer' },
    { parameters: { keywords: 'maybe' }, field: 'keywords' },
  ],
});

const finished = (facts: FinishedTransmission['facts'] = []): FinishedTransmission => ({
  transmissionId: 1,
  accountId: 2,
  contactId: 3,
  direction: 'inbound',
  campaignId: null,
  facts,
  contact: { phone: '+15550123', email: null, name: '' },
  account: { phone: '+15550100', email: null, name: '' },
  received: { text: 'a <b>bold</b> [user:phone]\nmove' },
});
const follow = (given: object, facts?: FinishedTransmission['facts']) =>
  receivesms.followUps?.({ verdict: 'completed' }, finished(facts), receivesmsParameters.parse(given));

test('a keyword is confirmed only where the kernel says that an answer is due', () => {
  const keyword = { type: 'info', name: 'keyword', data: 'stop' } as const;
  expect(follow({ account_id: 1 }, [keyword])).toEqual([]);
  expect(follow({ account_id: 1 }, [keyword, { type: 'info', name: 'answer', data: 'stop' }])).toEqual([
    expect.objectContaining({ program: 'sendsms', answersKeyword: true, direction: 'outbound' }),
  ]);
  expect(follow({ account_id: 1, stop_answer: '' }, [{ type: 'info', name: 'answer', data: 'stop' }])).toEqual([]);
});

test('the notification shows what came in as text: neither markup nor tokens of a stranger', () => {
  const [mail] = follow({ account_id: 1, notify_email: 'desk@example.org' }) ?? [];
  expect(mail).toMatchObject({ program: 'sendemail', to: { email: 'desk@example.org' }, direction: 'outbound' });
  const { body } = (mail as FollowUp).parameters.template_array as { body: string };
  expect(body).toContain('a &lt;b&gt;bold&lt;/b&gt; &#91;user:phone]<br>move');
});

test('nothing follows a message that could not be taken', () => {
  const verdict = { verdict: 'failed', reason: 'unknown', response: '' } as const;
  expect(receivesms.followUps?.(verdict, finished(), { account_id: 1, notify_email: 'a@example.org' })).toEqual([]);
});

test('the scheme is one step that knows the words', () => {
  expect(receivesms.scheme({ account_id: 1, stop_words: ['ARRET'] }).steps.receive).toEqual({
    use: 'sms_receive',
    with: { keywords: { stop: ['ARRET'] } },
  });
});
