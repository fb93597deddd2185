import {
  type Actor,
  IctError,
  type MessagesService,
  type PluginContext,
  type ProgramContext,
  type ServiceToken,
} from '@ictcore/contract';
import { RecordingLogger } from './recording-logger';

/** A FAKE user with the given permissions, all by default. */
export function fakeActor(permissions?: readonly string[]): Actor {
  const can = (name: string) => permissions === undefined || permissions.includes(name);
  return { userId: 7, username: 'fake-actor', can };
}

/** One call of a method of a fake service. */
export interface FakeCall {
  readonly service: string;
  readonly method: string;
  readonly values: readonly unknown[];
}

/**
 * FAKE services by token, recording each call. `use` of one that was not given throws `SERVICE_UNKNOWN`, as in the
 * kernel.
 */
export class FakeServices {
  readonly calls: FakeCall[] = [];
  private readonly services = new Map<string, unknown>();

  /** Offers a fake under a token; calls of its methods are recorded. */
  provide<T extends object>(token: ServiceToken<T>, fake: T): this {
    const recorded = new Proxy(fake, {
      get: (target, method) => {
        const value: unknown = Reflect.get(target, method);
        if (typeof value !== 'function') return value;
        return (...values: unknown[]) => {
          this.calls.push({ service: token.name, method: String(method), values });
          return Reflect.apply(value, target, values);
        };
      },
    });
    this.services.set(token.name, recorded);
    return this;
  }

  /** Resolves a fake, as `PluginContext.use` does. */
  use<T>(token: ServiceToken<T>): T {
    if (!this.services.has(token.name)) {
      throw new IctError(`nobody offers the service ${token.name}`, { code: 'SERVICE_UNKNOWN' });
    }
    return this.services.get(token.name) as T;
  }
}

/** FAKE stored messages: keeps what it is given and hands out ids from 101 on. */
export class FakeMessages implements MessagesService {
  readonly texts = new Map<number, Readonly<Record<string, unknown>>>();
  readonly templates = new Map<number, Readonly<Record<string, unknown>>>();
  private lastId = 100;

  async createText(_actor: Actor, input: Readonly<Record<string, unknown>>): Promise<number> {
    this.lastId += 1;
    this.texts.set(this.lastId, input);
    return this.lastId;
  }

  async createTemplate(_actor: Actor, input: Readonly<Record<string, unknown>>): Promise<number> {
    this.lastId += 1;
    this.templates.set(this.lastId, input);
    return this.lastId;
  }
}

/** What a program's `prepare` is given, with fake services. */
export function fakeProgramContext(services = new FakeServices(), actor = fakeActor()): ProgramContext {
  return { actor, use: (token) => services.use(token) };
}

/** What a plugin's `setup` is given, with fake services and a recording logger. */
export function fakePluginContext<C>(config: C, services = new FakeServices()): PluginContext<C> {
  return { log: new RecordingLogger(), config, use: (token) => services.use(token) };
}
