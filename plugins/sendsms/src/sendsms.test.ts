import { join } from 'node:path';
import { MESSAGES, resourceFields } from '@ictcore/contract';
import { FakeMessages, FakeServices, fakeProgramContext, pluginContract, programContract } from '@ictcore/test-kit';
import { sendsms, sendsmsParameters, sendsmsPlugin } from './index';

pluginContract(sendsmsPlugin, { packageFolder: join(__dirname, '..') });

programContract(sendsms, {
  services: () => new FakeServices().provide(MESSAGES, new FakeMessages()),
  valid: [{ text_id: 12 }, { text_id: '12' }, { message: 'Hello [contact:first_name]' }, { content: 'Grüße 🎉' }],
  invalid: [
    { parameters: {}, field: 'text_id' },
    { parameters: { text_id: '[text:text_id]' }, field: 'text_id' },
    { parameters: { text_id: 0 }, field: 'text_id' },
    { parameters: { text_id: -3 }, field: 'text_id' },
    { parameters: { text_id: 1.5 }, field: 'text_id' },
    { parameters: { text_id: null }, field: 'text_id' },
    { parameters: { message: '' }, field: 'message' },
    { parameters: { message: 'x'.repeat(255 * 153 + 1) }, field: 'message' },
    { parameters: { message: 'a', content: 'b' }, field: 'content' },
    { parameters: { text_id: 1, message: 'a' }, field: 'message' },
  ],
});

test('an inline text becomes a Text of the caller, and only its id is stored', async () => {
  const messages = new FakeMessages();
  const context = fakeProgramContext(new FakeServices().provide(MESSAGES, messages));
  const message = 'Dear [contact:first_name],\nyour parcel is here: come before five o’clock, or it goes back.';
  const given = { ...sendsmsParameters.parse({ message }), name: 'not ours' };
  const stored = await sendsms.prepare?.(given, context);
  expect(stored).toEqual({ text_id: 101 });
  const name = 'Dear [contact:first_name], your parcel is here: come before f';
  expect(messages.texts.get(101)).toEqual({ name: name.slice(0, 60), data: message });
});

test('a stored text is used as it is, and its id is a checked reference', async () => {
  const context = fakeProgramContext(new FakeServices());
  expect(await sendsms.prepare?.(sendsmsParameters.parse({ text_id: '7' }), context)).toEqual({ text_id: 7 });
  expect(resourceFields(sendsmsParameters)).toEqual({ text_id: 'text' });
});

test('the scheme is one step', () => {
  expect(sendsms.scheme({ text_id: 7 })).toEqual({
    start: 'send',
    steps: { send: { use: 'sms_send', with: { text_id: 7 } } },
  });
});
