import {
  type AttemptReport,
  defineProgram,
  type FinishedTransmission,
  type FollowUp,
  resourceId,
  type Scheme,
  type Verdict,
  z,
} from '@ictcore/contract';

/** What the mail says unless the program says otherwise (API section 4.6, faxtoemail_faxreceived). */
const SUBJECT = 'Fax from [fax:transmission:contact:phone]';
const BODY = `<p>Hello [account:first_name],</p>
<p>a fax has come in for [fax:transmission:account:phone].</p>
<p>From: [fax:transmission:contact:phone]<br>Pages: [fax:document:pages]</p>
<p>The pages are attached as a PDF.</p>`;
/** What it says of pages that nobody can read. */
const UNREADABLE = 'not readable';

/**
 * `account_id` (or `phone`, a number of an account of the caller's) says whose faxes these are (API section 4.2, guide
 * line S44). `subject` and `body` are the mail's wording for this account, with tokens.
 */
export const faxtoemailParameters = z.object({
  account_id: resourceId('account').optional(),
  phone: z.string().min(1).max(32).optional().meta({ description: 'The account’s number, in place of account_id' }),
  subject: z.string().min(1).max(200).optional().meta({ description: 'Of the mail; [tokens] are filled in' }),
  body: z
    .string()
    .min(1)
    .max(100_000)
    .optional()
    .meta({ description: 'Of the mail: HTML; also [fax:transmission:contact:phone], [fax:document:pages]' }),
});

/** What `POST /programs/faxtoemail` takes; stored is `account_id` in place of `phone`. */
export type FaxtoemailParameters = z.output<typeof faxtoemailParameters>;

/** Program `faxtoemail`: what is faxed to the account's number is sent to the account's e-mail address as a PDF. */
export const faxtoemail = defineProgram<FaxtoemailParameters>({
  type: 'faxtoemail',
  channel: 'fax',
  direction: 'inbound',
  description: 'Receives faxes to the number of an account and sends them to its e-mail address as a PDF',
  parameters: faxtoemailParameters,
  receives: {},
  scheme,
  judge,
  followUps,
});

/** API section 4.2: as receivefax. */
function scheme(): Scheme {
  return {
    start: 'inbound',
    steps: {
      inbound: { use: 'inbound', with: {}, on: { success: 'connect' } },
      connect: { use: 'connect', with: {}, on: { success: 'receive' } },
      receive: { use: 'fax_receive', with: {}, on: { default: 'disconnect' } },
      disconnect: { use: 'disconnect', with: {} },
    },
  };
}

/** API section 3.5: received if there is a document, and no fact says otherwise. */
function judge(attempt: AttemptReport): Verdict {
  const has = (name: string) => attempt.facts.find((fact) => fact.name === name);
  if (attempt.status === 'completed' && has('document') && !has('error')) return { verdict: 'completed' };
  const response = attempt.response || has('error')?.data || 'invalid fax';
  return { verdict: 'failed', reason: attempt.reason ?? 'media_rejected', response };
}

/** The mail goes from the contact to the account holder, so that an answer goes back (API sections 3.1 and 4.4). */
function followUps(verdict: Verdict, finished: FinishedTransmission, parameters: FaxtoemailParameters): FollowUp[] {
  if (verdict.verdict !== 'completed') return [];
  const { contact, account, received } = finished;
  const values: Readonly<Record<string, string>> = {
    '[fax:transmission:contact:phone]': contact?.phone ?? 'an unknown number',
    '[fax:transmission:account:phone]': account?.phone ?? '',
    '[fax:document:pages]': received?.pages === undefined ? UNREADABLE : String(received.pages),
  };
  const filled = (text: string) =>
    text.replace(/\[fax:[a-z_:]+\]/g, (token) => (Object.hasOwn(values, token) ? plain(values[token] ?? '') : token));
  const template = {
    name: 'faxtoemail_faxreceived',
    subject: filled(parameters.subject ?? SUBJECT),
    body: filled(parameters.body ?? BODY),
  };
  return [
    {
      program: 'sendemail',
      name: 'faxtoemail_faxreceived',
      parameters: { template_array: template },
      direction: 'inbound',
      title: template.subject,
      tryAllowed: 3,
      attachReceivedFax: true,
    },
  ];
}

/** A number as text: what a stranger calls himself must be neither markup nor a [token]. */
function plain(text: string): string {
  return text.replace(/[<>&"[\]]/g, '');
}
