import {
  defineProgram,
  type FinishedTransmission,
  type FollowUp,
  resourceId,
  type Scheme,
  type Verdict,
  z,
} from '@ictcore/contract';

/** Longest answer: four GSM-7 parts (3GPP TS 23.040), more than any confirmation needs. */
const MAX_ANSWER = 612;
const MAX_WORDS = 50;

const word = z.string().trim().min(1).max(40);
const words = z.array(word).max(MAX_WORDS).optional();
const answer = z.string().max(MAX_ANSWER).optional();

/** What the one confirmation of each keyword says unless the program says otherwise (CTIA Messaging Principles 5.1.3). */
const ANSWERS = {
  stop: 'You have been unsubscribed and will get no more messages. Reply START to get them again.',
  start: 'You are subscribed again. Reply STOP to unsubscribe, HELP for help.',
  help: 'Reply STOP to get no more messages, START to get them again.',
} as const;

type Keyword = keyof typeof ANSWERS;

/**
 * `account_id` (or `phone`, a number of an account of the caller's) says whose messages these are (API section 4.2,
 * guide line S47). The keywords' words may be given in any language; a list takes the place of the built-in one.
 */
export const receivesmsParameters = z.object({
  account_id: resourceId('account').optional(),
  phone: z.string().min(1).max(32).optional().meta({ description: 'The account’s number, in place of account_id' }),
  notify_email: z.email().max(64).optional().meta({ description: 'Gets a mail for each message' }),
  keywords: z
    .boolean()
    .optional()
    .meta({ description: 'False: STOP, START and HELP are words like any other. Default true' }),
  stop_words: words,
  start_words: words,
  help_words: words,
  stop_answer: answer.meta({ description: 'Confirms an opt-out, once; "" for no answer' }),
  start_answer: answer,
  help_answer: answer,
});

/** What `POST /programs/receivesms` takes; stored is `account_id` in place of `phone`. */
export type ReceivesmsParameters = z.output<typeof receivesmsParameters>;

/** Program `receivesms`: what is sent to the account's number becomes a Text. */
export const receivesms = defineProgram<ReceivesmsParameters>({
  type: 'receivesms',
  channel: 'sms',
  direction: 'inbound',
  description: 'Receives text messages (SMS) to the number of an account; obeys STOP, START and HELP',
  parameters: receivesmsParameters,
  receives: {},
  scheme,
  followUps,
});

function scheme(parameters: ReceivesmsParameters): Scheme {
  const { stop_words: stop, start_words: start, help_words: help } = parameters;
  const lists = { ...(stop && { stop }), ...(start && { start }), ...(help && { help }) };
  const keywords = parameters.keywords === false ? false : lists;
  return { start: 'receive', steps: { receive: { use: 'sms_receive', with: { keywords } } } };
}

/** The confirmation that the kernel says is due, and the notification. */
function followUps(verdict: Verdict, transmission: FinishedTransmission, parameters: ReceivesmsParameters): FollowUp[] {
  if (verdict.verdict !== 'completed') return [];
  const keyword = transmission.facts?.find((fact) => fact.name === 'answer')?.data as Keyword | undefined;
  const text = keyword && (parameters[`${keyword}_answer`] ?? ANSWERS[keyword]);
  const confirmation: FollowUp[] = text
    ? [
        {
          program: 'sendsms',
          name: `receivesms_${keyword}`,
          parameters: { message: text },
          direction: 'outbound',
          answersKeyword: true,
        },
      ]
    : [];
  return [...confirmation, ...notification(transmission, parameters.notify_email)];
}

function notification({ contact, account, received }: FinishedTransmission, email: string | undefined): FollowUp[] {
  if (!email) return [];
  // A subject is no HTML: there, what might be a [token] goes.
  const from = contact?.phone?.replaceAll('[', '(') ?? 'an unknown sender';
  const text = received?.text ?? '';
  const template = {
    subject: `Text message from ${from}`,
    body: `<p>From: ${html(from)}<br>To: ${html(account?.phone ?? '')}</p><p>${html(text)}</p>`,
  };
  return [
    {
      program: 'sendemail',
      name: 'receivesms_notification',
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
  return text.replace(/[&<>"[]/g, (character) => ENTITIES[character] as string).replace(/\r\n|\r|\n/g, '<br>');
}
