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

/**
 * `account_id` (or `phone`, a number of an account of the caller's) says whose faxes these are (API section 4.2, guide
 * line S46).
 */
export const receivefaxParameters = z.object({
  account_id: resourceId('account').optional(),
  phone: z.string().min(1).max(32).optional().meta({ description: 'The account’s number, in place of account_id' }),
  notify_email: z.email().max(64).optional().meta({ description: 'Gets a mail for each fax, without the pages' }),
});

/** What `POST /programs/receivefax` takes; stored is `account_id` in place of `phone`. */
export type ReceivefaxParameters = z.output<typeof receivefaxParameters>;

/** Program `receivefax`: what is faxed to the account's number becomes a Document. */
export const receivefax = defineProgram<ReceivefaxParameters>({
  type: 'receivefax',
  channel: 'fax',
  direction: 'inbound',
  description: 'Receives faxes to the number of an account',
  parameters: receivefaxParameters,
  receives: {},
  scheme,
  judge,
  followUps,
});

/** API section 4.2: answer, take the pages, hang up. */
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

function followUps(verdict: Verdict, finished: FinishedTransmission, parameters: ReceivefaxParameters): FollowUp[] {
  const { contact, account, facts, received } = finished;
  const email = parameters.notify_email;
  if (verdict.verdict !== 'completed' || !email) return [];
  // A subject is no HTML: there, what might be a [token] goes.
  const from = contact?.phone?.replaceAll('[', '(') ?? 'an unknown number';
  const pages = String(received?.pages ?? facts?.find((fact) => fact.name === 'pages')?.data ?? 'not told');
  const template = {
    subject: `Fax from ${from}`,
    body: `<p>From: ${html(from)}<br>To: ${html(account?.phone ?? '')}<br>Pages: ${html(pages)}</p>`,
  };
  return [
    {
      program: 'sendemail',
      name: 'receivefax_notification',
      parameters: { template_array: template },
      direction: 'outbound',
      to: { email },
    },
  ];
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '[': '&#91;' };

function html(text: string): string {
  return text.replace(/[&<>[]/g, (character) => ENTITIES[character] as string);
}
