import type {
  AccountSetting,
  AnyDriver,
  AnyProgram,
  AnyRoute,
  Job,
  KernelEvent,
  PluginContext,
  Registry,
  ServiceToken,
} from '@ictcore/contract';
import { IctError } from '@ictcore/contract';
import { endpointsOf } from '../http/router';

type Context = PluginContext<never>;

/** What one plugin has declared. Nothing of it is in force until the plugin has started. */
export interface Contributions {
  programs: AnyProgram[];
  drivers: AnyDriver[];
  routes: AnyRoute[];
  jobs: Job<never>[];
  permissions: { name: string; description: string }[];
  migrations: string[];
  accountSettings: AccountSetting[];
  services: { token: ServiceToken<unknown>; make: (context: Context) => unknown }[];
  handlers: { event: string; handle: (event: KernelEvent, context: Context) => Promise<void> }[];
}

/** What the names in {@link Contributions} look like, for finding clashes. */
export function namesIn(contributions: Contributions): string[] {
  return [
    ...contributions.programs.map((program) => `program ${program.type}`),
    ...contributions.drivers.map((driver) => `provider type ${driver.type}`),
    ...contributions.permissions.map((permission) => `permission ${permission.name}`),
    ...contributions.accountSettings.map((setting) => `account setting ${setting.key}`),
    ...contributions.services.map((service) => `service ${service.token.name}`),
    ...contributions.jobs.map((job) => `job ${job.name}`),
    ...endpointsOf(contributions.routes).map(({ method, path }) => `route ${method.toUpperCase()} ${path}`),
  ];
}

/** The registry handed to one plugin's `setup`; sealed when `setup` returns. */
export class StagedRegistry implements Registry<never> {
  readonly contributions: Contributions = {
    programs: [],
    drivers: [],
    routes: [],
    jobs: [],
    permissions: [],
    migrations: [],
    accountSettings: [],
    services: [],
    handlers: [],
  };
  private sealed = false;

  /** `onLate` is told of each attempt to register after `setup`. */
  constructor(
    private readonly plugin: string,
    private readonly onLate: (problem: IctError) => void,
  ) {}

  program(program: AnyProgram): void {
    this.take('programs', program, /^[a-z][a-z0-9_]*$/.test(program.type), `program type ${program.type}`);
  }

  driver(driver: AnyDriver): void {
    this.take('drivers', driver, /^[a-z][a-z0-9_-]*$/.test(driver.type), `provider type ${driver.type}`);
  }

  routes(routes: readonly AnyRoute[]): void {
    for (const route of routes) {
      this.take('routes', route, /^(\/([A-Za-z0-9_.-]+|\{\w+\}))+$/.test(route.path), `path ${route.path}`);
    }
  }

  job(job: Job<never>): void {
    const one = (job.run === undefined) !== (job.file === undefined);
    const timed = (job.cron === undefined) !== (job.everyMs === undefined);
    const slow = job.everyMs === undefined || job.everyMs >= 1000;
    this.take(
      'jobs',
      job,
      one && timed && slow,
      `job ${job.name}: it needs run or file, and cron or everyMs (1000 or more)`,
    );
  }

  permission(name: string, description: string): void {
    this.take('permissions', { name, description }, /^[a-z][a-z0-9_]*$/.test(name), `permission ${name}`);
  }

  migrations(folder: string): void {
    this.take(
      'migrations',
      folder,
      folder.startsWith('/') || /^[A-Za-z]:\\/.test(folder),
      `migrations ${folder}: the path must be absolute`,
    );
  }

  accountSetting(setting: AccountSetting): void {
    this.take('accountSettings', setting, /^[a-z][a-z0-9_]*$/.test(setting.key), `account setting ${setting.key}`);
  }

  service<T>(token: ServiceToken<T>, make: (context: Context) => T): void {
    this.take('services', { token, make }, token.name !== '', 'service without a name');
  }

  on(event: string, handle: (event: KernelEvent, context: Context) => Promise<void>): void {
    this.take(
      'handlers',
      { event, handle },
      /^[a-z_]+\.([a-z_]+|\*)$/.test(event),
      `event ${event}: it must be noun.what or noun.*`,
    );
  }

  /** Ends the time for registering. */
  seal(): void {
    this.sealed = true;
  }

  private take<K extends keyof Contributions>(
    kind: K,
    item: Contributions[K][number],
    valid: boolean,
    what: string,
  ): void {
    if (this.sealed) {
      const problem = new IctError(
        `${this.plugin} registered ${what} after setup had returned; declare everything synchronously in setup`,
        { code: 'REGISTRY_SEALED' },
      );
      this.onLate(problem);
      throw problem;
    }
    if (!valid)
      throw new IctError(`${this.plugin} registered something invalid: ${what}`, { code: 'CONTRIBUTION_INVALID' });
    (this.contributions[kind] as unknown[]).push(item);
  }
}
