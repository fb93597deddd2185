import { defineProgram, MESSAGES, type ProgramContext, resourceId, type Scheme, z } from '@ictcore/contract';

const NO_SERVER_PATHS =
  'files on the server cannot be named here; store a template with POST /templates and give its template_id, or send the template itself as template_array';

/** Longest name of a template (API section 1.5). */
const MAX_NAME = 128;
const NO_ATTACHMENTS =
  'an inline template has no attachments; store one with POST /templates, upload them, and give its template_id';

/** An inline template: the writable fields of a Template (API section 1.5) but for its attachments. */
const inlineTemplate = z.object({
  name: z.string().min(1).max(MAX_NAME).optional(),
  description: z.string().max(255).optional(),
  subject: z.string().min(1).max(255),
  body: z.string().min(1),
  body_alt: z.string().optional(),
  attachment: z.never({ error: NO_ATTACHMENTS }).optional(),
});

/**
 * `template_id` names a stored template; `template_array` is one that is stored first (API section 4.2, guide line
 * S48). Exactly one of them. `template_file`, a path on the server, is refused: it would let any caller read files.
 */
export const sendemailParameters = z
  .object({
    template_id: resourceId('template').optional(),
    template_array: inlineTemplate.optional().meta({ description: 'A template to store and send' }),
    template_file: z.never({ error: NO_SERVER_PATHS }).optional(),
  })
  .superRefine((given, check) => {
    const named = (['template_id', 'template_array'] as const).filter((field) => given[field] !== undefined);
    if (named.length === 1) return;
    const problem =
      named.length === 0 ? 'give template_id, or the template itself as template_array' : `give only one of ${named}`;
    check.addIssue({ code: 'custom', path: [named[1] ?? 'template_id'], message: problem });
  });

/** What `POST /programs/sendemail` takes; stored is `template_id` alone. */
export type SendemailParameters = z.output<typeof sendemailParameters>;

/** Program `sendemail`: one stored template to one address. */
export const sendemail = defineProgram<SendemailParameters>({
  type: 'sendemail',
  channel: 'email',
  direction: 'outbound',
  description: 'Sends an e-mail to a contact',
  parameters: sendemailParameters,
  prepare: storeInlineTemplate,
  scheme,
});

/** Stores an inline template as the caller's own Template, so that the program holds nothing but its id. */
async function storeInlineTemplate(
  parameters: SendemailParameters,
  context: ProgramContext,
): Promise<SendemailParameters> {
  if (parameters.template_id !== undefined) return { template_id: parameters.template_id };
  const inline = parameters.template_array;
  const template = { ...inline, name: inline?.name ?? inline?.subject.slice(0, MAX_NAME) ?? 'sendemail' };
  return { template_id: await context.use(MESSAGES).createTemplate(context.actor, template) };
}

function scheme(parameters: SendemailParameters): Scheme {
  return { start: 'send', steps: { send: { use: 'email_send', with: { template_id: parameters.template_id } } } };
}
