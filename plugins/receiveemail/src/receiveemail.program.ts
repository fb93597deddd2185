import {
  defineProgram,
  type FinishedTransmission,
  type FollowUp,
  resourceId,
  type Scheme,
  type Verdict,
  z,
} from '@ictcore/contract';

/** Characters of a received subject that a notification repeats. */
const SUBJECT_SHOWN = 200;

/**
 * `account_id` (or `email`, the address of an account of the caller's) says whose mail this is (API section 4.2, guide
 * line S45).
 */
export const receiveemailParameters = z.object({
  account_id: resourceId('account').optional(),
  email: z.email().max(128).optional().meta({ description: 'The account’s address, in place of account_id' }),
  notify_email: z.email().max(64).optional().meta({ description: 'Gets a mail for each mail that came in' }),
});

/** What `POST /programs/receiveemail` takes; stored is `account_id` in place of `email`. */
export type ReceiveemailParameters = z.output<typeof receiveemailParameters>;

/** Program `receiveemail`: what is sent to the account's address becomes a Template with its attachments. */
export const receiveemail = defineProgram<ReceiveemailParameters>({
  type: 'receiveemail',
  channel: 'email',
  direction: 'inbound',
  description: 'Receives mail to the address of an account, with its attachments',
  parameters: receiveemailParameters,
  receives: {},
  scheme,
  followUps,
});

function scheme(): Scheme {
  return { start: 'receive', steps: { receive: { use: 'email_receive', with: {} } } };
}

function followUps(verdict: Verdict, finished: FinishedTransmission, parameters: ReceiveemailParameters): FollowUp[] {
  const { contact, account, received } = finished;
  const email = parameters.notify_email;
  // A notification to the account itself, or back to the sender, would come in again.
  const loops = [account?.email, contact?.email].some((own) => own?.toLowerCase() === email?.toLowerCase());
  if (verdict.verdict !== 'completed' || !email || loops) return [];
  const from = contact?.email ?? 'an unknown sender';
  const subject = received?.subject?.slice(0, SUBJECT_SHOWN) || '(no subject)';
  const template = {
    subject: 'Mail has come in',
    body: `<p>From: ${html(from)}<br>To: ${html(account?.email ?? '')}<br>Subject: ${html(subject)}</p>`,
  };
  return [
    {
      program: 'sendemail',
      name: 'receiveemail_notification',
      parameters: { template_array: template },
      direction: 'outbound',
      to: { email },
    },
  ];
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  // What a stranger writes must not be taken for a [token].
  '[': '&#91;',
};

function html(text: string): string {
  return text.replace(/[&<>"[]/g, (character) => ENTITIES[character] as string);
}
