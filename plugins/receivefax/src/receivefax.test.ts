import { join } from 'node:path';
import type { Fact, FinishedTransmission } from '@ictcore/contract';
import { pluginContract, programContract } from '@ictcore/test-kit';
import { receivefax, receivefaxPlugin } from './index';

pluginContract(receivefaxPlugin, { packageFolder: join(__dirname, '..') });

programContract(receivefax, {
  valid: [{ account_id: 12 }, { account_id: '12', notify_email: 'desk@example.org' }, { phone: '4420' }, {}],
  invalid: [
    { parameters: { account_id: '[account:account_id]' }, field: 'account_id' },
    { parameters: { account_id: 1.5 }, field: 'account_id' },
    { parameters: { phone: '' }, field: 'phone' },
    { parameters: { notify_email: 'nobody' }, field: 'notify_email' },
  ],
});

const document: Fact = { type: 'message', name: 'document', data: '7' };
const judge = (facts: Fact[], status: 'completed' | 'failed' = 'completed') =>
  receivefax.judge?.({ status, reason: null, response: '', facts, connectedSeconds: 30 }, {});

test('received is what has become a document', () => {
  expect(judge([document])).toEqual({ verdict: 'completed' });
  expect(judge([])).toEqual({ verdict: 'failed', reason: 'media_rejected', response: 'invalid fax' });
  const error: Fact = { type: 'error', name: 'error', data: 'HDLC carrier did not stop' };
  expect(judge([document, error])).toMatchObject({ verdict: 'failed', response: error.data });
  expect(judge([document], 'failed')).toMatchObject({ verdict: 'failed' });
});

test('the notification tells the pages', () => {
  const finished: FinishedTransmission = {
    transmissionId: 1,
    accountId: 2,
    contactId: 3,
    direction: 'inbound',
    campaignId: null,
    facts: [document, { type: 'info', name: 'pages', data: '3' }],
    contact: { phone: '+15550123', email: null, name: '' },
  };
  const given = { account_id: 1, notify_email: 'desk@example.org' };
  const [mail] = receivefax.followUps?.({ verdict: 'completed' }, finished, given) ?? [];
  expect(mail?.parameters).toMatchObject({
    template_array: { subject: 'Fax from +15550123', body: expect.stringContaining('Pages: 3') },
  });
});
