import { type AnyProgram, MESSAGES, resourceId, z } from '@ictcore/contract';
import { runChecks } from './check';
import { FakeMessages, FakeServices } from './fakes';
import { type ProgramContractOptions, programChecks, programContract } from './program-contract';

interface Parameters {
  text_id?: number | undefined;
  message?: string | undefined;
}

const parameters = z
  .object({ text_id: resourceId('text').optional(), message: z.string().min(1).optional() })
  .refine((given) => (given.text_id === undefined) !== (given.message === undefined), { path: ['text_id'] });

const careful: AnyProgram = {
  type: 'careful',
  channel: 'sms',
  direction: 'outbound',
  description: 'Sends with care',
  parameters,
  prepare: async ({ text_id, message }: Parameters, { actor, use }) => {
    return { text_id: text_id ?? (await use(MESSAGES).createText(actor, { name: 'x', data: message })) };
  },
  scheme: ({ text_id }: Parameters) => ({
    start: 'send',
    steps: { send: { use: 'sms_send', with: { text_id }, on: { error: 'log' } }, log: { use: 'log', with: {} } },
  }),
  judge: ({ status, response }) => {
    return status === 'completed' ? { verdict: 'completed' } : { verdict: 'failed', reason: 'unknown', response };
  },
  followUps: () => [{ program: 'sendemail', parameters: { template_id: 1 }, direction: 'outbound' }],
};

const options: ProgramContractOptions = {
  valid: [{ text_id: 1 }, { text_id: '2' }, { message: 'hello' }],
  invalid: [
    { parameters: {}, field: 'text_id' },
    { parameters: { message: '' }, field: 'message' },
  ],
  services: () => new FakeServices().provide(MESSAGES, new FakeMessages()),
};

programContract(careful, options);

interface Careless {
  readonly breaks: string;
  readonly how: string;
  readonly program: Partial<AnyProgram>;
  readonly says: RegExp;
}

const PREPARE = 'prepare gives what can be stored and read again, and changes nothing when repeated';
const PURE = 'scheme is pure: no I/O, no clock, no chance, no change of the parameters';
const WHOLE = 'scheme hangs together: every step is reached and every target exists';
const step = { use: 'sms_send', with: {} };

const CARELESS: readonly Careless[] = [
  {
    breaks: 'has a type, a channel, a direction and a description',
    how: 'a type with capitals',
    program: { type: 'Send_SMS' },
    says: /lower-case/,
  },
  {
    breaks: 'takes valid parameters, and its own result again',
    how: 'a schema that changes what it has given',
    program: {
      parameters: z.object({
        text_id: resourceId('text')
          .transform((id) => id + 1)
          .optional(),
        message: z.string().optional(),
      }),
    },
    says: /parsing twice/,
  },
  {
    breaks: 'takes valid parameters, and its own result again',
    how: 'a schema that gives what JSON cannot hold',
    program: { parameters: z.looseObject({ at: z.date().default(() => new Date(0)) }) },
    says: /does not survive as JSON/,
  },
  {
    breaks: 'refuses invalid parameters, naming the field',
    how: 'takes anything',
    program: { parameters: z.looseObject({}) },
    says: /takes \{\}/,
  },
  {
    breaks: 'survives any kind of value as parameters',
    how: 'takes what is no object',
    program: { parameters: z.any() },
    says: /takes null/,
  },
  {
    breaks: 'declares ids with resourceId and refuses unresolved tokens',
    how: 'an id that is any number',
    program: { parameters: z.looseObject({ text_id: z.coerce.number().optional() }) },
    says: /not made with resourceId/,
  },
  {
    breaks: PREPARE,
    how: 'stores a row again and again',
    program: { prepare: async (_, { actor, use }) => ({ text_id: await use(MESSAGES).createText(actor, {}) }) },
    says: /changes them|calls createText/,
  },
  {
    breaks: PREPARE,
    how: 'changes what it was given',
    program: { prepare: async (given) => Object.assign(given, { text_id: 1 }) },
    says: /read only|not extensible/,
  },
  {
    breaks: PREPARE,
    how: 'stores what JSON cannot hold',
    program: { prepare: async () => ({ text_id: 1, at: new Date(0) }) },
    says: /changes them|JSON/,
  },
  {
    breaks: PURE,
    how: 'looks at the clock',
    program: { scheme: () => ({ start: `s${Date.now()}`, steps: {} }) },
    says: /clock or chance|second time/,
  },
  {
    breaks: PURE,
    how: 'throws dice',
    program: { scheme: () => ({ start: `s${Math.random()}`, steps: {} }) },
    says: /clock or chance|second time/,
  },
  {
    breaks: WHOLE,
    how: 'no first step',
    program: { scheme: () => ({ start: 'go', steps: { send: step } }) },
    says: /first step "go" is missing/,
  },
  {
    breaks: WHOLE,
    how: 'a target that is missing',
    program: { scheme: () => ({ start: 'send', steps: { send: { ...step, on: { error: 'nowhere' } } } }) },
    says: /goes on error to nowhere/,
  },
  {
    breaks: WHOLE,
    how: 'a step never reached',
    program: { scheme: () => ({ start: 'send', steps: { send: step, lost: step } }) },
    says: /lost is never reached/,
  },
  {
    breaks: 'judge is pure and knows every outcome',
    how: 'a reason of its own',
    program: { judge: () => ({ verdict: 'failed', reason: 'bad luck' as 'busy', response: '' }) },
    says: /bad luck/,
  },
  {
    breaks: 'followUps is pure and gives well-formed messages',
    how: 'a follow-up to a program with no possible name',
    program: { followUps: () => [{ program: 'Send Email', parameters: {}, direction: 'outbound' }] },
    says: /Send Email/,
  },
];

test.each(CARELESS)('a careless program is found out: $how', async ({ breaks, program, says }) => {
  const results = await runChecks(programChecks({ ...careful, ...program }, options));
  expect(results.find(({ name }) => name === breaks)).toMatchObject({
    state: 'failed',
    detail: expect.stringMatching(says),
  });
});

test('every promise is broken by one of them', () => {
  const promises = programChecks(careful, options).map(({ name }) => name);
  expect(promises.filter((name) => !CARELESS.some(({ breaks }) => breaks === name))).toEqual([]);
});
