import { join } from 'node:path';
import { MESSAGES, resourceFields } from '@ictcore/contract';
import { FakeMessages, FakeServices, fakeProgramContext, pluginContract, programContract } from '@ictcore/test-kit';
import { sendemail, sendemailParameters, sendemailPlugin } from './index';

const inline = { subject: 'Hello [contact:first_name]', body: '<p>Hi</p>', body_alt: 'Hi' };

pluginContract(sendemailPlugin, { packageFolder: join(__dirname, '..') });

programContract(sendemail, {
  services: () => new FakeServices().provide(MESSAGES, new FakeMessages()),
  valid: [{ template_id: 4 }, { template_id: '4' }, { template_array: inline }],
  invalid: [
    { parameters: {}, field: 'template_id' },
    { parameters: { template_id: '[template:template_id]' }, field: 'template_id' },
    { parameters: { template_id: 0 }, field: 'template_id' },
    { parameters: { template_id: null }, field: 'template_id' },
    { parameters: { template_file: '/etc/passwd' }, field: 'template_file' },
    { parameters: { template_id: 4, template_file: '/etc/passwd' }, field: 'template_file' },
    { parameters: { template_array: { subject: 'x' } }, field: 'template_array' },
    { parameters: { template_array: { ...inline, attachment: '/etc/passwd' } }, field: 'template_array' },
    { parameters: { template_array: 'hello' }, field: 'template_array' },
    { parameters: { template_id: 4, template_array: inline }, field: 'template_array' },
  ],
});

test('an inline template becomes a Template of the caller, and only its id is stored', async () => {
  const messages = new FakeMessages();
  const context = fakeProgramContext(new FakeServices().provide(MESSAGES, messages));
  const given = sendemailParameters.parse({ template_array: { ...inline, user_id: 1, template_id: 9 } });
  expect(await sendemail.prepare?.(given, context)).toEqual({ template_id: 101 });
  expect(messages.templates.get(101)).toEqual({ ...inline, name: inline.subject });
});

test('a path on the server is refused with words that help', () => {
  const parsed = sendemailParameters.safeParse({ template_file: '/etc/passwd' });
  expect(parsed.error?.issues[0]?.message).toContain('give its template_id');
});

test('a stored template is a checked reference, and the scheme is one step', () => {
  expect(resourceFields(sendemailParameters)).toEqual({ template_id: 'template' });
  expect(sendemail.scheme({ template_id: 7 })).toEqual({
    start: 'send',
    steps: { send: { use: 'email_send', with: { template_id: 7 } } },
  });
});
