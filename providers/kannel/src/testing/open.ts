import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type DriverEvent, type DriverSession, isIctError, type Outcome, type SmsOrder } from '@ictcore/contract';
import { type ConfigOverrides, providerConfig, RecordingDriverContext, smsOrder } from '@ictcore/test-kit';
import { kannelDriver } from '../kannel.driver';

/** The token of inbound messages in tests. */
export const SECRET = 'a-secret-of-the-callbacks';

/** What the server does with webhooks: hands them to a session, stores its events, answers. */
export class WebhookServer {
  session: DriverSession | undefined;
  context: RecordingDriverContext | undefined;
  readonly requests: string[] = [];

  private constructor(private readonly server: Server) {}

  static async start(): Promise<WebhookServer> {
    const server = createServer();
    const webhooks = new WebhookServer(server);
    server.on('request', (request: IncomingMessage, response) => {
      webhooks.take(request).then(
        (result) => response.writeHead(result.status).end(result.body),
        () => response.writeHead(500).end(),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return webhooks;
  }

  /** What a provider's webhooks begin with. */
  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as { port: number }).port}/webhook`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async take(request: IncomingMessage): Promise<{ status: number; body: string }> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const url = new URL(request.url ?? '/', this.url);
    this.requests.push(url.href);
    if (!this.session?.webhook) return { status: 503, body: '' };
    try {
      const result = await this.session.webhook({
        method: request.method ?? 'GET',
        url: url.href,
        path: url.pathname.replace('/webhook/', ''),
        query: Object.fromEntries(url.searchParams),
        headers: request.headers,
        body: Buffer.concat(chunks),
        ip: '127.0.0.1',
      });
      for (const event of result.events) await this.context?.emit(event);
      return { status: result.status ?? 200, body: result.body ?? '' };
    } catch (error) {
      return { status: isIctError(error) ? error.status : 500, body: '' };
    }
  }
}

/** An open session with what came to it. */
export interface Opened {
  session: DriverSession;
  context: RecordingDriverContext;
  send(to: string, text?: string, more?: Partial<SmsOrder>): Promise<Outcome>;
  of<K extends DriverEvent['kind']>(kind: K): Extract<DriverEvent, { kind: K }>[];
  close(): Promise<void>;
}

/** Opens a session towards a port on loopback, with its webhooks. */
export async function openSession(
  port: number,
  webhooks: WebhookServer | undefined,
  settings: Record<string, unknown> = {},
  row: ConfigOverrides = {},
): Promise<Opened> {
  const context = new RecordingDriverContext(3, webhooks?.url ?? null);
  const login = { username: 'tester', password: 'foobar' };
  const all = { callback_secret: SECRET, ...settings };
  const config = providerConfig(kannelDriver, { host: '127.0.0.1', port, ...login, settings: all, ...row });
  const session = await kannelDriver.open(config, context);
  if (webhooks) Object.assign(webhooks, { session, context });
  return {
    session,
    context,
    send: async (to, text = 'hello', more = {}) => {
      if (!session.submit) throw new Error('no submit');
      const order = smsOrder({ text, to: { phone: to, email: null, name: '' }, ...more });
      return session.submit(order, AbortSignal.timeout(15_000));
    },
    of: (kind) =>
      context.events.filter((event): event is Extract<DriverEvent, { kind: typeof kind }> => event.kind === kind),
    close: async () => {
      await session.close();
      await context.dispose();
    },
  };
}

/** Waits until `probe` gives something. */
export async function until<T>(what: string, probe: () => T | undefined | false, timeoutMs = 8000): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const found = probe();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`timed out: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
