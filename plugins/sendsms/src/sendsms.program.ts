import { defineProgram, MESSAGES, type ProgramContext, resourceId, type Scheme, z } from '@ictcore/contract';

/** Longest inline text in characters: 255 parts of 153 septets (3GPP TS 23.040 section 9.2.3.24.1). */
const MAX_TEXT = 255 * 153;
/** Characters of an inline text that name the row made from it. */
const NAME_LENGTH = 60;

const inlineText = z.string().min(1).max(MAX_TEXT);

/**
 * `text_id` names a stored text; `message`, or `content` as older clients write it, is a text that is stored first
 * (API section 4.2, guide line S50). Exactly one of them.
 */
export const sendsmsParameters = z
  .object({
    text_id: resourceId('text').optional(),
    message: inlineText.optional().meta({ description: 'A text to store and send, in place of text_id' }),
    content: inlineText.optional().meta({ description: 'The same as message' }),
  })
  .superRefine((given, check) => {
    const named = (['text_id', 'message', 'content'] as const).filter((field) => given[field] !== undefined);
    if (named.length === 1) return;
    const problem = named.length === 0 ? 'give text_id, or the text itself as message' : `give only one of ${named}`;
    check.addIssue({ code: 'custom', path: [named[1] ?? 'text_id'], message: problem });
  });

/** What `POST /programs/sendsms` takes; stored is `text_id` alone. */
export type SendsmsParameters = z.output<typeof sendsmsParameters>;

/** Program `sendsms`: one stored text to one number. */
export const sendsms = defineProgram<SendsmsParameters>({
  type: 'sendsms',
  channel: 'sms',
  direction: 'outbound',
  description: 'Sends a text message (SMS) to a contact',
  parameters: sendsmsParameters,
  prepare: storeInlineText,
  scheme,
});

/** Stores an inline text as the caller's own Text, so that the program holds nothing but its id. */
async function storeInlineText(parameters: SendsmsParameters, context: ProgramContext): Promise<SendsmsParameters> {
  if (parameters.text_id !== undefined) return { text_id: parameters.text_id };
  const data = parameters.message ?? parameters.content ?? '';
  const name = data.replace(/\s+/g, ' ').trim().slice(0, NAME_LENGTH) || 'sendsms';
  return { text_id: await context.use(MESSAGES).createText(context.actor, { name, data }) };
}

function scheme(parameters: SendsmsParameters): Scheme {
  return { start: 'send', steps: { send: { use: 'sms_send', with: { text_id: parameters.text_id } } } };
}
