import {
  type AccountSetting,
  type AnyDriver,
  type AnyProgram,
  type AnyRoute,
  IctError,
  type Job,
  type KernelEvent,
  type PluginContext,
  type Registry,
  type ServiceToken,
} from '@ictcore/contract';

/** A handler of a plugin for an event. */
export interface EventHandler<C> {
  readonly event: string;
  handler(event: KernelEvent, context: PluginContext<C>): Promise<void>;
}

/** A service that a plugin offers. */
export interface OfferedService<C> {
  readonly token: ServiceToken<unknown>;
  make(context: PluginContext<C>): unknown;
}

/** Keeps what a plugin declares, and refuses what the kernel would refuse: a name taken twice, a call after setup. */
export class RecordingRegistry<C = unknown> implements Registry<C> {
  readonly programs: AnyProgram[] = [];
  readonly drivers: AnyDriver[] = [];
  readonly routeList: AnyRoute[] = [];
  readonly jobs: Job<C>[] = [];
  readonly permissions: { name: string; description: string }[] = [];
  readonly migrationFolders: string[] = [];
  readonly accountSettings: AccountSetting[] = [];
  readonly services: OfferedService<C>[] = [];
  readonly handlers: EventHandler<C>[] = [];
  /** Kinds of declarations that came after {@link seal}. */
  readonly late: string[] = [];
  private readonly taken = new Set<string>();
  private sealed = false;

  program(program: AnyProgram): void {
    this.take('program', program.type);
    this.programs.push(program);
  }

  driver(driver: AnyDriver): void {
    this.take('driver', driver.type);
    this.drivers.push(driver);
  }

  routes(routes: readonly AnyRoute[]): void {
    for (const route of routes) this.take('route', `${route.method} ${route.path}`);
    this.routeList.push(...routes);
  }

  job(job: Job<C>): void {
    this.take('job', job.name);
    this.jobs.push(job);
  }

  permission(name: string, description: string): void {
    this.take('permission', name);
    this.permissions.push({ name, description });
  }

  migrations(folder: string): void {
    this.take('migrations', folder);
    this.migrationFolders.push(folder);
  }

  accountSetting(setting: AccountSetting): void {
    this.take('account setting', setting.key);
    this.accountSettings.push(setting);
  }

  service<T>(token: ServiceToken<T>, make: (context: PluginContext<C>) => T): void {
    this.take('service', token.name);
    this.services.push({ token, make });
  }

  on(event: string, handler: EventHandler<C>['handler']): void {
    this.refuseLate(`handler of ${event}`);
    this.handlers.push({ event, handler });
  }

  /** Ends setup: what is declared from now on throws `REGISTRY_SEALED`, as in the kernel. */
  seal(): void {
    this.sealed = true;
  }

  /** Every declaration in one comparable list. */
  summary(): string[] {
    return [...this.taken, ...this.handlers.map(({ event }) => `handler of ${event}`)];
  }

  private take(kind: string, name: string): void {
    this.refuseLate(`${kind} ${name}`);
    const key = `${kind} ${name}`;
    if (this.taken.has(key)) throw new IctError(`${key} is declared twice`, { code: 'NAME_TAKEN' });
    this.taken.add(key);
  }

  private refuseLate(what: string): void {
    if (!this.sealed) return;
    this.late.push(what);
    throw new IctError(`${what} is declared after setup`, { code: 'REGISTRY_SEALED' });
  }
}
