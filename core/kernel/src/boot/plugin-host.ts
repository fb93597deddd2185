import {
  type AnyPlugin,
  IctError,
  isIctError,
  type Logger,
  type PluginContext,
  type ServiceToken,
} from '@ictcore/contract';
import type { z } from 'zod';
import { findPlugin, importPlugin, requireCompatible } from './plugin-package';
import { type Contributions, namesIn, StagedRegistry } from './registry';

/** What became of a plugin; shown at `GET /system/plugins`. */
export interface PluginState {
  name: string;
  version: string;
  api: string;
  status: 'active' | 'declined' | 'disabled';
  /** Why it was declined: a stable code and words. */
  code: string | null;
  message: string | null;
  /** Part of the kernel itself. */
  builtIn: boolean;
  programs: string[];
  drivers: string[];
  /** Misbehaviour that did not stop it (late registration). */
  problems: string[];
}

interface Loaded {
  plugin: AnyPlugin;
  registry: StagedRegistry;
  context: PluginContext<never>;
  state: PluginState;
}

export interface PluginHostOptions {
  log: Logger;
  /** Seconds for loading and for starting. */
  timeout: number;
  config: Readonly<Record<string, unknown>>;
  disabled: readonly string[];
  searchFolders: readonly string[];
}

/**
 * Loads plugins: an extension that fails declines and is reported; it does not take the server with it, unless it is
 * marked essential. Order: {@link add} all, then `prepare` (migrations), then {@link start}, then read
 * {@link contributions}.
 */
export class PluginHost {
  private readonly loaded = new Map<string, Loaded>();
  private readonly states: PluginState[] = [];
  private readonly instances = new Map<string, unknown>();
  private running: Loaded[] = [];

  constructor(private readonly options: PluginHostOptions) {}

  /** Finds, imports and sets up a package by name or path. */
  async addPackage(nameOrPath: string): Promise<void> {
    if (this.options.disabled.includes(nameOrPath)) {
      this.states.push({ ...emptyState(nameOrPath), status: 'disabled', message: 'switched off by plugins_disabled' });
      return;
    }
    let plugin: AnyPlugin;
    try {
      const found = findPlugin(nameOrPath, this.options.searchFolders);
      plugin = await within(
        importPlugin(found),
        this.options.timeout,
        'PLUGIN_LOAD_TIMEOUT',
        `${found.name} did not load`,
      );
    } catch (error) {
      this.decline(emptyState(nameOrPath), coded(error, 'PLUGIN_LOAD_FAILED'), false);
      return;
    }
    this.add(plugin);
  }

  /** Sets a plugin up: it declares what it brings. */
  add(plugin: AnyPlugin, builtIn = false): void {
    const state: PluginState = { ...emptyState(plugin.name), version: plugin.version, api: plugin.api, builtIn };
    if (this.options.disabled.includes(plugin.name)) {
      this.states.push({ ...state, status: 'disabled', message: 'switched off by plugins_disabled' });
      return;
    }
    try {
      if (this.loaded.has(plugin.name)) {
        throw new IctError(`A plugin named ${plugin.name} is already loaded`, { code: 'PLUGIN_DUPLICATE' });
      }
      requireCompatible(plugin.name, plugin.api);
      const context = this.contextFor(plugin, this.configOf(plugin));
      const registry = new StagedRegistry(plugin.name, (problem) => {
        state.problems.push(`${problem.code}: ${problem.message}`);
        this.options.log.warn({ plugin: plugin.name, code: problem.code }, problem.message);
      });
      this.runSetup(plugin, registry, context);
      this.refuseClashes(plugin.name, registry.contributions);
      state.programs = registry.contributions.programs.map((program) => program.type);
      state.drivers = registry.contributions.drivers.map((driver) => driver.type);
      this.loaded.set(plugin.name, { plugin, registry, context, state });
      this.states.push(state);
    } catch (error) {
      this.decline(state, coded(error, 'PLUGIN_SETUP_FAILED'), plugin.essential === true);
    }
  }

  /** Runs `work` (its migrations, say) for each plugin set up so far; what fails is declined. */
  async prepare(work: (name: string, contributions: Contributions) => Promise<void>): Promise<void> {
    for (const item of [...this.loaded.values()]) {
      try {
        await work(item.plugin.name, item.registry.contributions);
      } catch (error) {
        this.drop(item, coded(error, 'PLUGIN_PREPARE_FAILED'));
      }
    }
  }

  /** Starts every plugin after those it requires. */
  async start(): Promise<void> {
    for (const item of this.inOrder()) {
      const missing = item.plugin.requires?.find((name) => this.loaded.get(name)?.state.status !== 'active');
      try {
        if (missing) {
          throw new IctError(`${item.plugin.name} needs plugin ${missing}, which is not loaded`, {
            code: 'PLUGIN_REQUIRES_MISSING',
          });
        }
        // Marked first, so that it may use its own services while it starts.
        item.state.status = 'active';
        const started = Promise.resolve(item.plugin.start?.(item.context));
        await within(started, this.options.timeout, 'PLUGIN_START_TIMEOUT', `${item.plugin.name} did not start`);
        this.running.push(item);
      } catch (error) {
        this.drop(item, coded(error, 'PLUGIN_START_FAILED'));
      }
    }
  }

  /** Stops what was started, last first. A plugin that fails or hangs does not keep the others from stopping. */
  async stop(): Promise<void> {
    for (const { plugin } of this.running.splice(0).reverse()) {
      await within(
        Promise.resolve(plugin.stop?.()),
        this.options.timeout,
        'PLUGIN_STOP_TIMEOUT',
        `${plugin.name} did not stop`,
      ).catch((error: unknown) => this.options.log.warn({ plugin: plugin.name, error }, 'plugin did not stop cleanly'));
    }
  }

  /** What the plugins in force have declared, each with the context its handlers are given. */
  contributions(): { name: string; context: PluginContext<never>; contributions: Contributions }[] {
    return [...this.loaded.values()].map(({ plugin, context, registry }) => ({
      name: plugin.name,
      context,
      contributions: registry.contributions,
    }));
  }

  list(): readonly PluginState[] {
    return this.states;
  }

  /** Finds a service that a plugin offers; made at its first use. */
  use<T>(token: ServiceToken<T>): T {
    if (this.instances.has(token.name)) return this.instances.get(token.name) as T;
    for (const { registry, context } of this.loaded.values()) {
      const offer = registry.contributions.services.find((service) => service.token.name === token.name);
      if (offer) {
        const instance = offer.make(context);
        this.instances.set(token.name, instance);
        return instance as T;
      }
    }
    throw new IctError(`Nobody offers the service ${token.name}`, { code: 'SERVICE_UNKNOWN' });
  }

  private contextFor(plugin: AnyPlugin, config: unknown): PluginContext<never> {
    return {
      log: this.options.log.child({ plugin: plugin.name }),
      config: config as never,
      use: (token) => this.use(token),
    };
  }

  private configOf(plugin: AnyPlugin): unknown {
    const given = this.options.config[plugin.name] ?? {};
    if (!plugin.config) return given;
    const result = plugin.config.safeParse(given);
    if (result.success) return result.data;
    const issues = (result.error as z.ZodError).issues
      .map((issue) => `${issue.path.join('.')}: ${issue.message}`)
      .join('; ');
    throw new IctError(`plugin_config["${plugin.name}"] is wrong: ${issues}`, { code: 'PLUGIN_CONFIG_INVALID' });
  }

  private runSetup(plugin: AnyPlugin, registry: StagedRegistry, context: PluginContext<never>): void {
    try {
      const result: unknown = plugin.setup(registry as never, context as never);
      if (typeof (result as Promise<unknown> | undefined)?.then === 'function') {
        // Its outcome is of no interest any more, but an unhandled rejection would end the process.
        (result as Promise<unknown>).then(undefined, () => undefined);
        throw new IctError(`setup of ${plugin.name} is asynchronous; declare in setup, do I/O in start`, {
          code: 'PLUGIN_SETUP_ASYNC',
        });
      }
    } finally {
      registry.seal();
    }
  }

  private refuseClashes(name: string, contributions: Contributions): void {
    const own = namesIn(contributions);
    const twice = own.find((item, index) => own.indexOf(item) !== index);
    if (twice) throw new IctError(`${name} registers ${twice} twice`, { code: 'NAME_TAKEN' });
    for (const other of this.loaded.values()) {
      const taken = new Set(namesIn(other.registry.contributions).filter((item) => !item.startsWith('job ')));
      const clash = own.find((item) => taken.has(item));
      if (clash)
        throw new IctError(`${name} registers ${clash}, which ${other.plugin.name} has already`, {
          code: 'NAME_TAKEN',
        });
    }
  }

  /** Dependencies first; plugins in a circle of `requires` come last and are declined by {@link start}. */
  private inOrder(): Loaded[] {
    const ordered: Loaded[] = [];
    const visit = (item: Loaded, trail: readonly string[]): void => {
      if (ordered.includes(item) || trail.includes(item.plugin.name)) return;
      for (const name of item.plugin.requires ?? []) {
        const needed = this.loaded.get(name);
        if (needed) visit(needed, [...trail, item.plugin.name]);
      }
      ordered.push(item);
    };
    for (const item of this.loaded.values()) visit(item, []);
    return ordered;
  }

  private drop(item: Loaded, error: IctError): void {
    this.loaded.delete(item.plugin.name);
    this.states.splice(this.states.indexOf(item.state), 1);
    this.decline(item.state, error, item.plugin.essential === true || item.state.builtIn);
  }

  private decline(state: PluginState, error: IctError, essential: boolean): void {
    this.states.push({ ...state, status: 'declined', code: error.code, message: error.message });
    this.options.log.error(
      { plugin: state.name, code: error.code, error: error.cause ?? undefined },
      `plugin declined: ${error.message}`,
    );
    if (essential || state.builtIn) {
      throw new IctError(`The server cannot start without ${state.name}: ${error.message}`, {
        code: error.code,
        cause: error,
      });
    }
  }
}

function emptyState(name: string): PluginState {
  return {
    name,
    version: '',
    api: '',
    status: 'declined',
    code: null,
    message: null,
    builtIn: false,
    programs: [],
    drivers: [],
    problems: [],
  };
}

function coded(error: unknown, code: string): IctError {
  if (isIctError(error)) return error;
  return new IctError((error as Error)?.message ?? String(error), { code, cause: error });
}

/** Rejects with `code` unless the promise settles in time; a late rejection is swallowed, a late result ignored. */
async function within<T>(promise: Promise<T>, seconds: number, code: string, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new IctError(`${what} within ${seconds} s`, { code })), seconds * 1000);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
    promise.catch(() => undefined);
  }
}
