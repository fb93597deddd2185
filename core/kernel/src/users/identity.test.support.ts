import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import type { Actor } from '@ictcore/contract';
import express from 'express';
import { type DependencyContainer, container as root } from 'tsyringe';
import { Account, accountsModule } from '../accounts';
import { configSchema } from '../boot/config';
import { CONFIG, LOG } from '../boot/injection';
import { createLogger } from '../boot/logger';
import { StagedRegistry } from '../boot/registry';
import { SecretBox } from '../boot/secrets';
import { Database } from '../database/database';
import { createFastServer } from '../http/fast-express';
import { buildRouter, errorHandler, notFoundHandler } from '../http/router';
import { Permission, permissionsModule } from '../permissions';
import { Role, rolesModule } from '../roles';
import { bootstrapIdentity, IdentityService, User, usersModule } from '.';

export const IDENTITY_MODELS = [User, Role, Permission, Account];
export const MASTER_KEY = Buffer.alloc(32, 7);
export const ADMIN_PASSWORD = 'correct horse battery';

/** What a request was answered. */
export interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into any reply
  body: any;
  headers: Headers;
}

/** A server with the identity nouns alone, over HTTP on loopback. */
export interface IdentityNode {
  container: DependencyContainer;
  identity: IdentityService;
  log: string[];
  /** `auth`: a token, or `user:password` for Basic; nothing for none. */
  call(method: string, path: string, auth?: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  login(username: string, password: string): Promise<string>;
  close(): Promise<void>;
}

export const TEST_CONFIG = { admin_password: ADMIN_PASSWORD, trust_proxy: ['loopback'] };

/** Bootstraps (with `config`) and starts a node on the database. `X-Forwarded-For` sets the caller's address. */
export async function identityNode(database: Database, config: object = {}): Promise<IdentityNode> {
  const container = root.createChildContainer();
  const log: string[] = [];
  const settings = configSchema.parse({ ...TEST_CONFIG, ...config });
  const logger = createLogger('debug', { write: (line) => log.push(line) });
  const box = new SecretBox(MASTER_KEY);
  container.registerInstance(Database, database);
  container.registerInstance(SecretBox, box);
  container.register(CONFIG, { useValue: settings });
  container.register(LOG, { useValue: logger });
  const registry = new StagedRegistry('test', () => undefined);
  for (const module of [usersModule, rolesModule, permissionsModule, accountsModule]) {
    module.setup(registry as never, container);
  }
  await bootstrapIdentity(database, box, settings, []);
  const identity = container.resolve(IdentityService);
  await identity.listen();
  const app = express();
  app.set('trust proxy', settings.trust_proxy);
  const { routes } = registry.contributions;
  const options = { authenticator: identity, log: logger, maxBodyBytes: 1e6, scratch: tmpdir(), legacyGet: true };
  app.use('/api', buildRouter(routes, options));
  app.use(notFoundHandler);
  app.use(errorHandler(logger));
  const server = createFastServer(app).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`;
  const call: IdentityNode['call'] = async (method, path, auth, body, headers = {}) => {
    const reply = await fetch(base + path, {
      method,
      headers: {
        ...(auth !== undefined && { Authorization: authorization(auth) }),
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: reply.status, body: await reply.json(), headers: reply.headers };
  };
  return {
    container,
    identity,
    log,
    call,
    async login(username, password) {
      const { status, body } = await call('POST', '/authenticate', undefined, { username, password });
      if (status !== 200) throw new Error(`login of ${username}: ${status} ${JSON.stringify(body)}`);
      return body.token;
    },
    async close() {
      await identity.close();
      await new Promise((resolve) => server.close(resolve).closeAllConnections());
      await container.dispose();
    },
  };
}

function authorization(auth: string): string {
  return auth.includes(':') ? `Basic ${Buffer.from(auth).toString('base64')}` : `Bearer ${auth}`;
}

/** Repeats until it is so; fails after `ms` milliseconds. */
export async function until(what: string, isSo: () => Promise<boolean>, ms = 3000): Promise<void> {
  const end = Date.now() + ms;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** An actor for calling services directly. */
export function actorWith(userId: number, ...permissions: string[]): Actor {
  return { userId, username: `user${userId}`, can: (name) => permissions.includes(name) };
}
