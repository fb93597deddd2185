import { join } from 'node:path';
import { type AttemptReport, type Fact, resourceFields } from '@ictcore/contract';
import { pluginContract, programContract } from '@ictcore/test-kit';
import { sendfax, sendfaxParameters, sendfaxPlugin } from './index';

pluginContract(sendfaxPlugin, { packageFolder: join(__dirname, '..') });

programContract(sendfax, {
  valid: [{ document_id: 12 }, { document_id: '12' }, { document_id: 3, name: 'clients add their own fields' }],
  invalid: [
    { parameters: {}, field: 'document_id' },
    { parameters: { document_id: '[document:document_id]' }, field: 'document_id' },
    { parameters: { document_id: 0 }, field: 'document_id' },
    { parameters: { document_id: 1.5 }, field: 'document_id' },
    { parameters: { document_id: null }, field: 'document_id' },
    { parameters: { file_name: '/etc/passwd' }, field: 'document_id' },
    { parameters: { document_file: '/etc/passwd' }, field: 'document_id' },
  ],
});

test('a path of the server is never a parameter, and the id is a checked reference', () => {
  expect(sendfaxParameters.parse({ document_id: 7, file_name: '/etc/passwd' })).toEqual({ document_id: 7 });
  expect(resourceFields(sendfaxParameters)).toEqual({ document_id: 'document' });
});

test('the scheme is the chain of the guide: originate, fax_send, disconnect', () => {
  const { start, steps } = sendfax.scheme({ document_id: 7 });
  const chain: string[] = [];
  for (let name: string | undefined = start; name !== undefined; name = Object.values(steps[name]?.on ?? {})[0]) {
    chain.push(steps[name]?.use as string);
  }
  expect(chain).toEqual(['originate', 'fax_send', 'disconnect']);
  expect(steps.send?.with).toEqual({ document_id: 7 });
});

describe('judge', () => {
  const pages = (data: string): Fact => ({ type: 'info', name: 'pages', data });
  const judge = (facts: Fact[], more: Partial<AttemptReport> = {}) =>
    sendfax.judge?.(
      { status: 'completed', reason: null, response: 'NORMAL_CLEARING', facts, connectedSeconds: 30, ...more },
      { document_id: 1 },
    );

  test('completed with pages, with or without the line of its step', () => {
    expect(judge([pages('2')])).toEqual({ verdict: 'completed' });
    expect(judge([{ type: 'application', name: 'fax_send', data: 'success' }, pages('1')])).toEqual({
      verdict: 'completed',
    });
  });

  test.each([
    [[]],
    [[pages('0')]],
    [[pages('')]],
    [[pages('many')]],
    [[pages('-1')]],
    [[{ ...pages('3'), type: 'message' }]],
  ])('an answered call without a page is no fax: %j', (facts) => {
    expect(judge(facts as Fact[])).toEqual({ verdict: 'failed', reason: 'unknown', response: 'no page was confirmed' });
  });

  test('an error outweighs pages: part of a fax is no fax', () => {
    const error: Fact = { type: 'error', name: 'error', data: 'Far end disconnected' };
    expect(judge([pages('1'), error], { response: '' })).toEqual({
      verdict: 'failed',
      reason: 'unknown',
      response: 'Far end disconnected',
    });
    expect(judge([pages('1'), { type: 'application', name: 'fax_send', data: 'error' }], { response: '' })).toEqual({
      verdict: 'failed',
      reason: 'unknown',
      response: 'fax_send: error',
    });
  });

  test('a failed attempt keeps its reason and words', () => {
    expect(judge([pages('1')], { status: 'failed', reason: 'busy', response: 'USER_BUSY' })).toEqual({
      verdict: 'failed',
      reason: 'busy',
      response: 'USER_BUSY',
    });
  });
});
