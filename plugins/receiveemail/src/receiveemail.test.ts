import { join } from 'node:path';
import type { FinishedTransmission, FollowUp } from '@ictcore/contract';
import { pluginContract, programContract } from '@ictcore/test-kit';
import { receiveemail, receiveemailPlugin } from './index';

pluginContract(receiveemailPlugin, { packageFolder: join(__dirname, '..') });

programContract(receiveemail, {
  valid: [{ account_id: 12 }, { account_id: '12', notify_email: 'desk@example.org' }, { email: 'a@example.org' }, {}],
  invalid: [
    { parameters: { account_id: '[account:account_id]' }, field: 'account_id' },
    { parameters: { account_id: -1 }, field: 'account_id' },
    { parameters: { email: 'nobody' }, field: 'email' },
    { parameters: { notify_email: 'a@b@c' }, field: 'notify_email' },
  ],
});

const finished: FinishedTransmission = {
  transmissionId: 1,
  accountId: 2,
  contactId: 3,
  direction: 'inbound',
  campaignId: null,
  contact: { phone: null, email: 'stranger@example.net', name: '' },
  account: { phone: null, email: 'desk@example.org', name: '' },
  received: { subject: '<script> [user:phone]', text: 'hello' },
};
const follow = (notify_email: string) =>
  receiveemail.followUps?.({ verdict: 'completed' }, finished, { account_id: 1, notify_email });

test('the notification repeats the subject as text: neither markup nor tokens of a stranger', () => {
  const [mail] = follow('boss@example.org') ?? [];
  expect(mail).toMatchObject({ program: 'sendemail', to: { email: 'boss@example.org' } });
  const { body, subject } = (mail as FollowUp).parameters.template_array as { body: string; subject: string };
  expect(body).toContain('Subject: &lt;script&gt; &#91;user:phone]');
  expect(subject).not.toContain('[');
});

test('no notification that would come in again', () => {
  expect(follow('Desk@example.org')).toEqual([]);
  expect(follow('stranger@example.net')).toEqual([]);
});
