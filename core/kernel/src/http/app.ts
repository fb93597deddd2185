import type { Server } from 'node:http';
import type { AnyRoute, Logger } from '@ictcore/contract';
import { IctError } from '@ictcore/contract';
import express, { type Express, type NextFunction, type Request, type Response, type Router } from 'express';
import helmet from 'helmet';
import type { Config } from '../boot/config';
import { createFastServer } from './fast-express';
import { type Authenticator, buildRouter, errorHandler, notFoundHandler, requestIdOf } from './router';

export interface AppOptions {
  config: Config;
  log: Logger;
  routes: readonly AnyRoute[];
  authenticator: Authenticator;
  scratch: string;
  /** Routers outside the API's pipeline: documentation, webhooks. */
  extra: readonly Router[];
}

/** Headers of CORS (API section 0.2), where origins are configured. */
function cors(origins: readonly string[]) {
  return (request: Request, response: Response, next: NextFunction): void => {
    const { origin } = request.headers;
    if (origin && (origins.includes('*') || origins.includes(origin))) {
      response.setHeader('Access-Control-Allow-Origin', origin);
      response.setHeader('Vary', 'Origin');
      response.setHeader('Access-Control-Allow-Credentials', 'true');
      response.setHeader(
        'Access-Control-Expose-Headers',
        'X-Total-Count, X-Total-Count-Exact, Content-Disposition, Location',
      );
      if (request.method === 'OPTIONS' && request.headers['access-control-request-method']) {
        response.setHeader('Access-Control-Allow-Methods', 'GET, POST, PUT, PATCH, DELETE, OPTIONS');
        response.setHeader('Access-Control-Allow-Headers', 'X-Requested-With, Content-Type, Authorization, Prefer');
        response.setHeader('Access-Control-Max-Age', '600');
        response.status(204).end();
        return;
      }
    }
    next();
  };
}

/** The express application: the same router under /api and at the root (API section 0.2). */
export function createApp(options: AppOptions): Express {
  const { config, log } = options;
  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  app.set('query parser', 'simple');
  app.set('trust proxy', config.trust_proxy.length > 0 ? config.trust_proxy : false);
  app.use(helmet());
  app.use((request: Request, response: Response, next: NextFunction) => {
    if (request.headers['x-request-id'] !== undefined) response.setHeader('X-Request-Id', requestIdOf(response));
    next();
  });
  if (config.cors.length > 0) app.use(cors(config.cors));
  const router = buildRouter(options.routes, {
    authenticator: options.authenticator,
    log,
    maxBodyBytes: config.max_body,
    scratch: options.scratch,
    legacyGet: config.compat.legacy_get,
  });
  for (const extra of options.extra) {
    app.use('/api', extra);
    app.use('/', extra);
  }
  app.use('/api', router);
  app.use('/', router);
  app.use(notFoundHandler);
  app.use(errorHandler(log));
  return app;
}

/** A listening server. */
export interface Listening {
  server: Server;
  port: number;
  /** Answers what is in progress, refuses what is new; after `timeoutMs` cuts what is left. */
  close(timeoutMs: number): Promise<void>;
}

/** Listens; a port that is taken is refused with a message that says how to mend it. */
export async function listen(app: Express, host: string, port: number): Promise<Listening> {
  const server = createFastServer(app, { keepAliveTimeout: 65_000, requestTimeout: 300_000, headersTimeout: 60_000 });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
    server.listen(port, host, resolve);
  });
  const address = server.address();
  return {
    server,
    port: typeof address === 'object' && address ? address.port : port,
    close: (timeoutMs) => closeServer(server, timeoutMs),
  };
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): unknown {
  if (error.code === 'EADDRINUSE') {
    return new IctError(`Port ${port} on ${host} is taken by another program; set ICTCORE_PORT to a free one`, {
      code: 'PORT_IN_USE',
    });
  }
  if (error.code === 'EACCES') {
    return new IctError(`Port ${port} may not be opened by this user; set ICTCORE_PORT to one above 1023`, {
      code: 'PORT_DENIED',
    });
  }
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND') {
    return new IctError(`${host} is no address of this machine; set ICTCORE_HOST`, { code: 'HOST_UNKNOWN' });
  }
  return error;
}

async function closeServer(server: Server, timeoutMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), timeoutMs);
  await closed;
  clearTimeout(timer);
}
