import { type DriverSession, IctError, type Logger, notFound, type WebhookResult } from '@ictcore/contract';
import express, { type NextFunction, type Request, type Response, type Router } from 'express';
import type { Config } from '../boot/config';
import type { ProviderPool, Trunk } from '../queue/provider-pool';
import { CallRates } from './webhook-rates';

/** Largest body that is taken, in bytes: carriers send forms and small JSON. */
const MAX_BODY = 1024 * 1024;
/** How long a driver may take to make sense of a call, and its events to be stored, in milliseconds. */
const MAX_TIME_MS = 30_000;

export interface WebhookParts {
  pool: ProviderPool;
  config: Config;
  log: Logger;
  /** False on a node that only answers HTTP: there, only drivers that say so get a session opened for a webhook. */
  delivers: boolean;
}

/**
 * `ANY /providers/{id}/webhook/{path}`: calls from carriers, outside the JSON pipeline. The body is handed on as it
 * came, since signatures are about its bytes. The driver's session checks who is calling; what it reports is stored
 * before the carrier gets its answer, so that the carrier repeats what was not.
 */
export function webhookRouter(parts: WebhookParts): Router {
  const router = express.Router({ caseSensitive: true });
  const rates = new CallRates();
  const raw = express.raw({ limit: MAX_BODY, type: () => true });
  const limit = (request: Request, _response: Response, next: NextFunction) => {
    rates.count(request.ip ?? '');
    next();
  };
  const answer = async (request: Request, response: Response) => {
    const refused = (status: number) => {
      if (status >= 400 && status < 500) rates.countRefused(request.ip ?? '');
    };
    try {
      const result = await inTime(handle(parts, request));
      refused(result.status ?? 200);
      send(response, result);
    } catch (error) {
      refused((error as { status?: number }).status ?? 500);
      throw error;
    }
  };
  router.all('/providers/:provider_id/webhook{/*path}', limit, raw, answer);
  return router;
}

async function handle(parts: WebhookParts, request: Request): Promise<WebhookResult> {
  const { pool, config } = parts;
  const trunk = await trunkOf(pool, String(request.params.provider_id));
  const session = await sessionOf(parts, trunk);
  if (!session?.webhook) throw notFound('Webhook');
  const rest = request.params.path as string | string[] | undefined;
  const base = config.public_url?.replace(/\/$/, '') ?? `${request.protocol}://${request.get('host') ?? ''}`;
  const result = await session.webhook({
    method: request.method,
    url: `${base}${request.originalUrl}`,
    path: Array.isArray(rest) ? rest.join('/') : (rest ?? ''),
    query: plainQuery(request.query),
    headers: request.headers,
    body: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0),
    ip: request.ip ?? '',
  });
  // All of them, then one answer: a carrier repeats a call as a whole, and each event counts once.
  await Promise.all(result.events.map((event) => pool.onEvent(trunk.row.provider_id, event)));
  return result;
}

async function trunkOf(pool: ProviderPool, id: string): Promise<Trunk> {
  const number = /^\d{1,15}$/.test(id) ? Number(id) : -1;
  const trunk = (await pool.active()).find((each) => each.row.provider_id === number);
  if (!trunk) throw notFound('Webhook');
  return trunk;
}

async function sessionOf({ pool, delivers, log }: WebhookParts, trunk: Trunk): Promise<DriverSession | undefined> {
  if (trunk.session) return trunk.session;
  if (trunk.driver.webhooks === false || !(delivers || trunk.driver.webhooks)) return undefined;
  return pool.session(trunk).catch((error: unknown) => {
    log.error({ provider: trunk.row.name, error }, 'provider could not be opened for a webhook');
    throw unavailable('The provider cannot be opened now');
  });
}

function plainQuery(query: Request['query']): Record<string, string> {
  const entries = Object.entries(query).map(([name, value]) => [name, String(Array.isArray(value) ? value[0] : value)]);
  return Object.fromEntries(entries) as Record<string, string>;
}

function send(response: Response, result: WebhookResult): void {
  response.status(result.status ?? 200);
  response.setHeader('Cache-Control', 'no-store');
  if (result.mediaType !== undefined) response.setHeader('Content-Type', result.mediaType);
  else if (result.body !== undefined) response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  response.end(result.body);
}

function unavailable(message: string): IctError {
  return new IctError(message, { code: 'WEBHOOK_UNAVAILABLE', status: 503, headers: { 'Retry-After': '10' } });
}

function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(unavailable('The call could not be dealt with in time')), MAX_TIME_MS);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
