import type { KernelEvent } from './event';
import type { AnyRoute } from './http';
import type { Logger } from './log';
import type { AnyProgram } from './program';
import type { AnyDriver } from './provider';
import type { Schema } from './schema';
import type { ServiceToken } from './service';

/** What the kernel gives a plugin. `use` finds the kernel's services and other plugins', by token. */
export interface PluginContext<C = unknown> {
  readonly log: Logger;
  /** The plugin's own configuration, validated by its schema. */
  readonly config: C;
  /** Resolves a service. Throws `SERVICE_UNKNOWN` if nobody offers it. */
  use<T>(token: ServiceToken<T>): T;
}

/** Work on a clock. Either `run` (in the server, for light work) or `file` (in a worker thread, for heavy work). */
export interface Job<C = unknown> {
  /** Unique within the plugin. */
  name: string;
  /** Cron expression of five fields, in `timezone` (default UTC); or `everyMs`. */
  cron?: string;
  timezone?: string;
  /** Milliseconds between starts; at least 1000. */
  everyMs?: number;
  /** Runs in the server process. `signal` is aborted when the server stops. */
  run?(context: PluginContext<C>, signal: AbortSignal): Promise<void>;
  /** Absolute path of a CommonJS or ES module that runs in a worker thread with `data` as `workerData`. */
  file?: string;
  data?: unknown;
  /** Called with what the worker posts by `parentPort.postMessage`. */
  onMessage?(message: unknown, context: PluginContext<C>): Promise<void>;
}

/** A setting that accounts may carry in `settings`, e.g. `emailtofax_coversheet`. */
export interface AccountSetting {
  key: string;
  schema: Schema<unknown>;
  description: string;
}

/** Where a plugin declares what it brings. Open during `setup` only: later calls throw `REGISTRY_SEALED`. */
export interface Registry<C = unknown> {
  program(program: AnyProgram): void;
  driver(driver: AnyDriver): void;
  routes(routes: readonly AnyRoute[]): void;
  /** Runs on one node at a time, however many there are. */
  job(job: Job<C>): void;
  permission(name: string, description: string): void;
  /**
   * A folder of numbered SQL files (`0001-what.sql`), each run once in a transaction of its own, in order of name.
   */
  migrations(folder: string): void;
  accountSetting(setting: AccountSetting): void;
  /** Offers a service to other plugins. */
  service<T>(token: ServiceToken<T>, make: (context: PluginContext<C>) => T): void;
  /** `event` is a type, or `noun.*`. The handler may see an event twice after a crash. */
  on(event: string, handler: (event: KernelEvent, context: PluginContext<C>) => Promise<void>): void;
}

/** A package that the kernel loads: programs, drivers, routes, jobs. */
export interface Plugin<C = unknown> {
  /** The npm package's name. */
  readonly name: string;
  /** The package's version. */
  readonly version: string;
  /** Semver range of the contract it was written for, e.g. `^1`. */
  readonly api: string;
  /** Names of plugins that must be loaded too; setup and start run in that order. */
  readonly requires?: readonly string[];
  /** True if the server must not start without it. */
  readonly essential?: boolean;
  readonly config?: Schema<C>;
  /** Declares only: synchronous, no I/O, repeatable. */
  setup(registry: Registry<C>, context: PluginContext<C>): void;
  /** May connect and listen. Bounded in time by the kernel. */
  start?(context: PluginContext<C>): Promise<void>;
  stop?(): Promise<void>;
}

/** A plugin whose configuration type has been erased for collecting. */
// biome-ignore lint/suspicious/noExplicitAny: a list of plugins is heterogeneous by nature
export type AnyPlugin = Plugin<any>;

/**
 * Types a plugin from its configuration schema. Export the result as `plugin` or as the default export.
 *
 * @example
 * export const plugin = definePlugin({
 *   name: '@acme/ictcore-plugin-hello', version: '1.0.0', api: '^1',
 *   setup(registry) { registry.permission('hello_say', 'Say hello'); },
 * });
 */
export function definePlugin<C>(plugin: Plugin<C>): Plugin<C> {
  return plugin;
}
