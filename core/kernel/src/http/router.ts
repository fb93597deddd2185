import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  type Actor,
  type AnyRoute,
  AUTHENTICATED,
  forbidden,
  type HttpMethod,
  IctError,
  invalid,
  isRouteReply,
  type Logger,
  PUBLIC,
  type RouteReply,
  type RouteRequest,
} from '@ictcore/contract';
import express, { type NextFunction, type Request, type Response, type Router } from 'express';
import type { ZodError } from 'zod';
import { errorBody, fromZod, toIctError } from './error-reply';
import { receiveUpload, type Upload } from './upload';

/** Finds out who is calling; throws 401 (or 429) if nobody can be made out. */
export interface Authenticator {
  authenticate(request: Request): Promise<Actor>;
}

export interface RouterOptions {
  authenticator: Authenticator;
  log: Logger;
  /** Largest JSON or form body in bytes. */
  maxBodyBytes: number;
  /** Folder for uploads in progress. */
  scratch: string;
  /** Answers GET on the guide's lines that change something (compat.ictcore). */
  legacyGet: boolean;
}

/** One verb and path that a route answers. */
export interface Endpoint {
  route: AnyRoute;
  method: HttpMethod;
  path: string;
}

const NOBODY: Actor = { userId: 0, username: '', can: () => false };

/** Every verb and path of these routes: canonical ones and aliases. */
export function endpointsOf(routes: readonly AnyRoute[]): Endpoint[] {
  return routes.flatMap((route) => [
    { route, method: route.method, path: route.path },
    ...(route.aliases ?? []).map((alias) => ({
      route,
      method: alias.method ?? route.method,
      path: alias.path ?? route.path,
    })),
  ]);
}

/** Makes one express router of all routes: authenticate, permit, read the body, validate, handle, answer. */
export function buildRouter(routes: readonly AnyRoute[], options: RouterOptions): Router {
  const router = express.Router({ caseSensitive: true });
  const parsers = {
    json: express.json({ limit: options.maxBodyBytes, strict: false, type: () => true }),
    form: express.urlencoded({ limit: options.maxBodyBytes, extended: false }),
  };
  const byPath = new Map<string, Map<HttpMethod, AnyRoute>>();
  for (const { route, method, path: at } of endpointsOf(routes)) {
    if (!options.legacyGet && isLegacyGet(route, method)) continue;
    const methods = byPath.get(at) ?? new Map<HttpMethod, AnyRoute>();
    if (methods.has(method)) throw new Error(`two routes answer ${method.toUpperCase()} ${at}`);
    byPath.set(at, methods.set(method, route));
  }
  for (const [at, methods] of [...byPath].sort(([a], [b]) => compareSpecificity(a, b))) {
    const mounted = router.route(at.replace(/\{(\w+)\}/g, ':$1'));
    for (const [method, route] of methods) {
      if (isLegacyGet(route, method)) mounted.get(legacyGet);
      mounted[method](pipelineOf(route, parsers, options));
    }
    mounted.all(noteMethods([...methods.keys()]));
  }
  router.use(methodNotAllowed);
  return router;
}

/** Literal segments before parameters, so that `/programs/sendfax` is not taken for an id (API section 0.3). */
function compareSpecificity(a: string, b: string): number {
  const [left, right] = [a.split('/'), b.split('/')];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const x = left[i]?.startsWith('{') ? 1 : 0;
    const y = right[i]?.startsWith('{') ? 1 : 0;
    if (x !== y) return x - y;
  }
  return 0;
}

/** GET on a line of the guide that changes something: kept for old clients (API sections 0.3 and 2, S57). */
function isLegacyGet(route: AnyRoute, method: HttpMethod): boolean {
  return method === 'get' && route.method !== 'get';
}

/** Such a GET must not be cached, and nobody may trigger it by looking ahead. */
function legacyGet(request: Request, response: Response, next: NextFunction): void {
  const purpose = String(request.headers['sec-purpose'] ?? request.headers.purpose ?? '');
  if (request.method === 'HEAD' || /prefetch|preview/i.test(purpose)) {
    throw new IctError('This changes something; use POST', {
      code: 'METHOD_NOT_ALLOWED',
      status: 405,
      headers: { Allow: 'POST' },
    });
  }
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('Deprecation', 'true');
  next();
}

/** Notes what a path would take and goes on: a parameter's route further down may take the verb. */
function noteMethods(methods: readonly HttpMethod[]) {
  const names = methods.map((method) => method.toUpperCase());
  return (_request: Request, response: Response, next: NextFunction) => {
    const noted = (response.locals.allow as string[] | undefined) ?? [];
    response.locals.allow = [...noted, ...names];
    next();
  };
}

/** The end of the router: a path that is there but does not take the verb is 405; OPTIONS is told what it takes. */
function methodNotAllowed(request: Request, response: Response, next: NextFunction): void {
  const names = [...new Set((response.locals.allow as string[] | undefined) ?? [])];
  if (names.length === 0) {
    next();
    return;
  }
  const allow = [...names, ...(names.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ');
  if (request.method === 'OPTIONS') {
    response.status(204).set('Allow', allow).end();
    return;
  }
  const message = `${request.method} is not allowed here; use ${names.join(' or ')}`;
  throw new IctError(message, { code: 'METHOD_NOT_ALLOWED', status: 405, headers: { Allow: allow } });
}

type Middleware = (request: Request, response: Response, next: NextFunction) => void;

function pipelineOf(route: AnyRoute, parsers: { json: Middleware; form: Middleware }, options: RouterOptions) {
  return async (request: Request, response: Response): Promise<void> => {
    const actor = route.permission === PUBLIC ? NOBODY : await options.authenticator.authenticate(request);
    requirePermission(actor, route);
    let upload: Upload | undefined;
    try {
      // Only now: nobody without the permission makes us read a body.
      if (route.upload)
        upload = await receiveUpload(request, response, route.upload, options.scratch, route.body !== undefined);
      const body = upload?.files.length ? upload.fields : await readBody(request, response, parsers);
      const input: RouteRequest = {
        params: validate(route.params, request.params, 400, 'path'),
        query: validate(route.query, request.query, 412, 'query'),
        body: validate(route.body, body, 412, 'body'),
        actor,
        headers: request.headers,
        ip: request.ip ?? '',
        method: request.method,
        path: request.path,
        requestId: requestIdOf(response),
        files: upload?.files ?? [],
        get signal() {
          return goneSignal(response);
        },
        log: options.log,
      };
      await send(response, await route.handler(input));
    } finally {
      await upload?.dispose();
    }
  };
}

function requirePermission(actor: Actor, route: AnyRoute): void {
  if (route.permission === PUBLIC || route.permission === AUTHENTICATED) return;
  const needed = typeof route.permission === 'string' ? [route.permission] : route.permission;
  const missing = needed.find((name) => !actor.can(name));
  if (missing) throw forbidden(`Permission ${missing} is needed; ask an administrator for it`);
}

async function readBody(
  request: Request,
  response: Response,
  parsers: { json: Middleware; form: Middleware },
): Promise<unknown> {
  const length = request.headers['content-length'];
  if ((length === undefined || length === '0') && request.headers['transfer-encoding'] === undefined) return undefined;
  if (request.method === 'GET' || request.method === 'HEAD') return undefined;
  const type = (request.headers['content-type'] ?? 'application/json').split(';')[0]?.trim().toLowerCase() ?? '';
  const parser =
    type === 'application/json' || type.endsWith('+json') || type === 'text/plain'
      ? parsers.json
      : type === 'application/x-www-form-urlencoded'
        ? parsers.form
        : undefined;
  if (!parser)
    throw new IctError(`Content-Type ${type} is not taken here; send application/json`, {
      code: 'MEDIA_TYPE',
      status: 415,
    });
  await new Promise<void>((resolve, reject) => {
    parser(request, response, (error?: unknown) => (error ? reject(error) : resolve()));
  });
  refuseBrokenText(request.body);
  return request.body;
}

/** Levels of nesting a JSON body may have; ours need five. */
const MAX_DEPTH = 100;

/**
 * 412 naming the field for text that is no Unicode (half of a surrogate pair, RFC 8259 section 8.2): PostgreSQL cannot
 * store it, and a driver would quietly send something else. The same for a body nested without measure.
 */
function refuseBrokenText(body: unknown): void {
  const waiting: { value: unknown; at: string; depth: number }[] = [{ value: body, at: '', depth: 0 }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { value, at, depth } = next;
    if (typeof value === 'string') {
      if (/\p{Surrogate}/u.test(value)) throw invalid(at || 'body', 'must be valid Unicode text', 'unicode');
    } else if (typeof value === 'object' && value !== null) {
      if (depth >= MAX_DEPTH) throw invalid('body', `is nested deeper than ${MAX_DEPTH} levels`, 'depth');
      for (const [name, inner] of Object.entries(value)) {
        waiting.push({ value: inner, at: depth < 5 && at ? `${at}.${name}` : at || name, depth: depth + 1 });
      }
    }
  }
}

function validate(schema: AnyRoute['body'], value: unknown, status: 400 | 412, whole: string): unknown {
  if (!schema) return undefined;
  const result = schema.safeParse(whole === 'body' ? (value ?? {}) : value);
  if (result.success) return result.data;
  throw fromZod(result.error as ZodError, status, whole);
}

/** A signal that is aborted when the client goes away before the answer is complete; made only when asked for. */
function goneSignal(response: Response): AbortSignal {
  const controller = new AbortController();
  response.once('close', () => {
    if (!response.writableEnded) controller.abort();
  });
  return controller.signal;
}

async function send(response: Response, result: unknown): Promise<void> {
  if (!isRouteReply(result)) {
    sendJson(response, 200, result);
    return;
  }
  for (const [name, value] of Object.entries(result.headers)) response.setHeader(name, value);
  await sendReply(response, result);
}

async function sendReply(response: Response, result: RouteReply): Promise<void> {
  if (result.stream) {
    response.status(result.status);
    await pipeline(result.stream, response);
  } else if (result.body === undefined) {
    response.status(result.status).end();
  } else if (typeof result.body === 'string' && response.hasHeader('Content-Type')) {
    response.status(result.status).end(result.body);
  } else {
    sendJson(response, result.status, result.body);
  }
}

function sendJson(response: Response, status: number, body: unknown): void {
  const text = JSON.stringify(body === undefined ? true : body);
  response.status(status).setHeader('Content-Type', 'application/json; charset=utf-8');
  response.setHeader('Content-Length', Buffer.byteLength(text));
  response.end(text);
}

/** The id under which this request appears in the log and in error replies. */
export function requestIdOf(response: Response): string {
  let id = response.locals.requestId as string | undefined;
  if (id === undefined) {
    id = randomUUID();
    response.locals.requestId = id;
  }
  return id;
}

/** The last handler of the application: every error in the one shape, never a stack trace. */
export function errorHandler(log: Logger) {
  return (error: unknown, request: Request, response: Response, _next: NextFunction): void => {
    const shown = toIctError(error);
    const requestId = requestIdOf(response);
    const at = { request_id: requestId, method: request.method, path: path.posix.normalize(request.path) };
    if (shown.status >= 500) log.error({ ...at, error: shown.cause ?? shown }, 'request failed');
    else log.debug({ ...at, status: shown.status, reason: shown.message }, 'request refused');
    if (response.headersSent) {
      // The client must not take half an answer for a whole one.
      response.destroy();
      return;
    }
    for (const [name, value] of Object.entries(shown.headers)) response.setHeader(name, value);
    if (!request.readableEnded) response.setHeader('Connection', 'close');
    response.removeHeader('Content-Disposition');
    sendJson(response, shown.status, errorBody(shown, requestId));
  };
}

/** 404 in the one shape for a path that nothing answers. */
export function notFoundHandler(request: Request): never {
  throw new IctError(`Nothing is at ${request.path}; GET /api/docs lists what there is`, {
    code: 'NOT_FOUND',
    status: 404,
  });
}
