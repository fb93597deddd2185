import { join } from 'node:path';
import type { FinishedTransmission, FollowUp } from '@ictcore/contract';
import { pluginContract, programContract } from '@ictcore/test-kit';
import { faxtoemail, faxtoemailPlugin } from './index';

pluginContract(faxtoemailPlugin, { packageFolder: join(__dirname, '..') });

programContract(faxtoemail, {
  valid: [
    { account_id: 12 },
    { account_id: '12', subject: 'Fax', body: '<p>[fax:document:pages]</p>' },
    { phone: '4420' },
  ],
  invalid: [
    { parameters: { account_id: '[account:account_id]' }, field: 'account_id' },
    { parameters: { phone: '' }, field: 'phone' },
    { parameters: { subject: '' }, field: 'subject' },
    { parameters: { body: 'x'.repeat(100_001) }, field: 'body' },
  ],
});

const finished = (phone: string, pages?: number): FinishedTransmission => ({
  transmissionId: 1,
  accountId: 2,
  contactId: 3,
  direction: 'inbound',
  campaignId: null,
  contact: { phone, email: null, name: '' },
  account: { phone: '+15550100', email: 'a@example.org', name: '' },
  ...(pages !== undefined && { received: { pages } }),
});
const follow = (given: FinishedTransmission, wording = {}) =>
  (faxtoemail.followUps?.({ verdict: 'completed' }, given, { account_id: 2, ...wording }) ?? [])[0] as FollowUp;
const templateOf = (followUp: FollowUp) => followUp.parameters.template_array as { subject: string; body: string };

test('the mail goes from the contact to the account holder, with the pages', () => {
  const mail = follow(finished('+15550123', 3));
  expect(mail).toMatchObject({ program: 'sendemail', direction: 'inbound', attachReceivedFax: true });
  expect(templateOf(mail).subject).toBe('Fax from +15550123');
  expect(templateOf(mail).body).toContain('Pages: 3');
  expect(templateOf(mail).body).toContain('for +15550100');
});

test('the wording is the account’s own; other tokens stay for the sending', () => {
  const mail = follow(finished('+15550123', 1), {
    subject: '[fax:document:pages] pages',
    body: '[fax:x] [account:email]',
  });
  expect(templateOf(mail)).toMatchObject({ subject: '1 pages', body: '[fax:x] [account:email]' });
});

test('a stranger’s number is neither markup nor a token; unreadable pages are called so', () => {
  const { subject, body } = templateOf(follow(finished('<b>[user:phone]')));
  expect(subject).toBe('Fax from buser:phone');
  expect(body).toContain('Pages: not readable');
});

test('nothing follows a fax that failed', () => {
  const verdict = { verdict: 'failed', reason: 'media_rejected', response: '' } as const;
  expect(faxtoemail.followUps?.(verdict, finished('1'), { account_id: 2 })).toEqual([]);
});
