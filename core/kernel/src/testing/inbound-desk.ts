import { Readable } from 'node:stream';
import {
  type AnyPlugin,
  CONTRACT_VERSION,
  type DriverContext,
  definePlugin,
  defineProgram,
  delivered,
  type FileRef,
  type FinishedTransmission,
  type InboundMessage,
  MESSAGES,
  type Order,
  resourceId,
  type Verdict,
  type WebhookRequest,
  type WebhookResult,
  z,
} from '@ictcore/contract';
import { ADMIN, TestKernel, type TestKernelOptions } from './test-kernel';

const ofAccount = {
  account_id: resourceId('account').optional(),
  phone: z.string().optional(),
  email: z.string().optional(),
};

const getsms = defineProgram({
  type: 'getsms',
  channel: 'sms',
  direction: 'inbound',
  description: 'takes texts; answers keywords and, with echo, everything',
  parameters: z.object({ ...ofAccount, echo: z.boolean().optional() }),
  receives: {},
  scheme: () => ({ start: 'receive', steps: { receive: { use: 'sms_receive', with: {} } } }),
  judge: (attempt) =>
    attempt.status === 'completed'
      ? { verdict: 'completed' }
      : { verdict: 'failed', reason: 'unknown', response: attempt.response },
  followUps(verdict, finished: FinishedTransmission, { echo }) {
    const answer = finished.facts?.find((fact) => fact.name === 'answer')?.data;
    if (verdict.verdict !== 'completed' || !(answer || echo)) return [];
    const message = answer ? `${answer} confirmed` : `you said ${finished.received?.text}`;
    return [
      { program: 'saysms', parameters: { message }, direction: 'outbound', ...(answer && { answersKeyword: true }) },
    ];
  },
});

const othersms = defineProgram({
  ...getsms,
  type: 'othersms',
  scheme: () => ({ start: 'receive', steps: { receive: { use: 'sms_receive', with: { keywords: false } } } }),
});

const getmail = defineProgram({
  type: 'getmail',
  channel: 'email',
  direction: 'inbound',
  description: 'takes mail',
  parameters: z.object(ofAccount),
  receives: {},
  scheme: () => ({ start: 'receive', steps: { receive: { use: 'email_receive', with: {} } } }),
});

const passmail = defineProgram({
  type: 'passmail',
  channel: 'email',
  direction: 'outbound',
  description: 'takes mail that an account holder sends in, as emailtofax does',
  parameters: z.object(ofAccount),
  receives: { accountIs: 'source' },
  scheme: () => ({ start: 'receive', steps: { receive: { use: 'email_receive', with: {} } } }),
});

const getfax = defineProgram({
  type: 'getfax',
  channel: 'fax',
  direction: 'inbound',
  description: 'takes faxes',
  parameters: z.object(ofAccount),
  receives: {},
  scheme: () => ({
    start: 'inbound',
    steps: {
      inbound: { use: 'inbound', with: {}, on: { success: 'receive' } },
      receive: { use: 'fax_receive', with: {} },
    },
  }),
});

const faxmail = defineProgram({
  ...getfax,
  type: 'faxmail',
  description: 'takes faxes and passes them on by mail, as faxtoemail does',
  followUps: (verdict: Verdict, { received }: FinishedTransmission) =>
    verdict.verdict !== 'completed'
      ? []
      : [
          {
            program: 'saymail',
            parameters: { body: `${received?.pages ?? 'no'} pages` },
            direction: 'inbound' as const,
            attachReceivedFax: true,
          },
        ],
});

const saymail = defineProgram({
  type: 'saymail',
  channel: 'email',
  direction: 'outbound',
  description: 'an inline mail',
  parameters: z.object({ body: z.string().optional(), template_id: resourceId('template').optional() }),
  async prepare({ body, template_id }, context) {
    if (template_id !== undefined) return { template_id };
    const template = { name: 'said', subject: 'said', body };
    return { template_id: await context.use(MESSAGES).createTemplate(context.actor, template) };
  },
  scheme: ({ template_id }) => ({ start: 'send', steps: { send: { use: 'email_send', with: { template_id } } } }),
});

const saysms = defineProgram({
  type: 'saysms',
  channel: 'sms',
  direction: 'outbound',
  description: 'an inline text',
  parameters: z.object({ message: z.string().optional(), text_id: resourceId('text').optional() }),
  async prepare({ message, text_id }, context) {
    if (text_id !== undefined) return { text_id };
    return { text_id: await context.use(MESSAGES).createText(context.actor, { name: 'said', data: message }) };
  },
  scheme: ({ text_id }) => ({ start: 'send', steps: { send: { use: 'sms_send', with: { text_id } } } }),
});

/** A FAKE line on all four channels: what comes in is what the test says, what goes out is delivered and noted. */
export class FakeLine {
  context: DriverContext | undefined;
  readonly sent: Order[] = [];
  readonly calls: WebhookRequest[] = [];
  onWebhook: ((request: WebhookRequest) => Promise<WebhookResult> | WebhookResult) | undefined;

  constructor(readonly type = 'fakeline') {}

  plugin(): AnyPlugin {
    const line = this;
    return definePlugin({
      name: `test-${this.type}`,
      version: '1.0.0',
      api: `^${CONTRACT_VERSION}`,
      setup(registry) {
        registry.driver({
          type: line.type,
          channels: ['voice', 'fax', 'sms', 'email'],
          description: 'a fake line of the tests',
          settings: z.object({}),
          async open(_config, context) {
            line.context = context;
            const { onWebhook } = line;
            return {
              async submit(order) {
                line.sent.push(order);
                return delivered(`sent-${order.spoolId}`);
              },
              check: async () => ({ state: 'ok', detail: 'fake' }),
              close: async () => undefined,
              ...(onWebhook && {
                async webhook(request: WebhookRequest) {
                  line.calls.push(request);
                  return onWebhook(request);
                },
              }),
            };
          },
        });
      },
    });
  }
}

const programs = definePlugin({
  name: 'test-receiving',
  version: '1.0.0',
  api: `^${CONTRACT_VERSION}`,
  setup(registry) {
    for (const program of [getsms, othersms, getmail, passmail, getfax, faxmail, saymail, saysms])
      registry.program(program);
  },
});

/** A kernel with a fake line as provider and programs that receive. */
export class InboundDesk {
  private constructor(
    readonly kernel: TestKernel,
    readonly line: FakeLine,
    readonly providerId: number,
  ) {}

  static async open(options: TestKernelOptions & { line?: FakeLine } = {}): Promise<InboundDesk> {
    const { line = new FakeLine(), plugins = [], ...rest } = options;
    const kernel = await TestKernel.start({ ...rest, plugins: [programs, line.plugin(), ...plugins] });
    const [row] = await kernel.database.query<{ provider_id: number }>(
      `insert into provider (name, type, service_flag) values ($1, $1, 15) returning provider_id`,
      [line.type],
    );
    kernel.engine().pool.invalidate();
    return new InboundDesk(kernel, line, row?.provider_id as number);
  }

  stop(): Promise<void> {
    return this.kernel.stop();
  }

  /** As the driver does when something comes in. */
  async bring(message: InboundMessage): Promise<void> {
    await this.kernel.engine().pool.onEvent(this.providerId, message);
  }

  /** An account with a user of its own. */
  async account(phone: string | null, email: string | null = null): Promise<{ accountId: number; userId: number }> {
    const [row] = await this.sql<{ accountId: number; userId: number }>(
      `with u as (insert into usr (username, passwd, email) values (gen_random_uuid(), 'x', gen_random_uuid() || '@example.org')
                  returning user_id)
       insert into account (username, phone, phone_normalized, email, created_by)
       select gen_random_uuid(), $1, $1, $2, user_id from u returning account_id as "accountId", created_by as "userId"`,
      [phone, email],
    );
    return row as { accountId: number; userId: number };
  }

  sql<R extends object>(text: string, values: unknown[] = []): Promise<R[]> {
    return this.kernel.database.query<R>(text, values);
  }

  /** Inbound transmissions with their attempt and facts. */
  async received() {
    const rows = await this.sql<{
      transmission_id: number;
      direction: string;
      status: string;
      response: string;
      account_id: number;
      contact_id: number;
      contact_phone: string | null;
      contact_email: string | null;
      created_by: number;
      spool_status: string;
      provider_id: number;
      facts: Record<string, string>;
    }>(
      `select t.transmission_id, t.direction, t.status, t.response, t.account_id, t.contact_id, t.contact_phone, t.contact_email,
              t.created_by, s.status as spool_status, s.provider_id,
              (select jsonb_object_agg(name, data) from spool_result r where r.spool_id = s.spool_id) as facts
         from transmission t join spool s using (transmission_id)
        where s.call_id like 'inbound %' order by t.transmission_id`,
    );
    return rows;
  }

  async eventually<T>(read: () => Promise<T>, wanted: (value: T) => boolean): Promise<T> {
    const end = Date.now() + 10_000;
    for (;;) {
      const value = await read();
      if (wanted(value)) return value;
      if (Date.now() > end) throw new Error(`still ${JSON.stringify(value)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

let refs = 0;

/** A text message. */
export function sms(from: string, to: string, text: string, ref = `ref-${++refs}`): InboundMessage {
  return { kind: 'inbound', channel: 'sms', from: { phone: from }, to: { phone: to }, ref, body: { text } };
}

/** A file in memory. */
export function file(name: string, mediaType: string, content: Buffer): FileRef {
  return {
    name,
    mediaType,
    size: content.length,
    open: async () => Readable.from([content]),
    localPath: () => Promise.reject(new Error('in memory only')),
  };
}

export { ADMIN };
