import 'reflect-metadata';
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import {
  ACCOUNT_SETTINGS,
  type AnyPlugin,
  type AnyRoute,
  CONTRACT_VERSION,
  DATABASE,
  definePlugin,
  type Logger,
} from '@ictcore/contract';
import { type DependencyContainer, container as root } from 'tsyringe';
import { AccountSettingCatalog } from '../accounts';
import { Database } from '../database/database';
import { migrate } from '../database/migrator';
import { Outbox } from '../events/outbox';
import { createApp, type Listening, listen } from '../http/app';
import { docsRouter } from '../http/docs';
import { buildOpenApi } from '../http/openapi';
import { webhookRouter } from '../inbound';
import { MediaStorage } from '../media/storage';
import { Conversions } from '../messages';
import { Clock } from '../queue/clock';
import { Engine } from '../queue/engine';
import { Node } from '../queue/node';
import { QueueListener } from '../queue/queue-listener';
import { systemRoutes } from '../system';
import { bootstrapIdentity } from '../users/bootstrap';
import { IdentityService } from '../users/identity.service';
import { Catalog } from './catalog';
import type { Config } from './config';
import { CONFIG, LOG, NODE_ID } from './injection';
import { MODELS, MODULES } from './modules';
import { PluginHost } from './plugin-host';
import { loadMasterKey, SecretBox } from './secrets';
import { seedDefaults } from './seed';
import { Services } from './services';

/** Milliseconds between ticks of the engine: due retries, dead nodes, overdue receipts, outbox. */
const TICK_MS = 1000;
const KERNEL_MIGRATIONS = path.join(__dirname, '..', '..', 'migrations');

export interface KernelOptions {
  config: Config;
  log: Logger;
  databaseUrl: string;
  version: string;
  /** Identity of the data directory: two boots with the same one never run at once (its lock sees to that). */
  instance: string;
  /** Plugins that come with the server, already imported. */
  bundled: readonly AnyPlugin[];
  /** Where further plugins are looked for. */
  searchFolders: readonly string[];
}

/** A kernel that has booted. */
export interface Booted {
  /** Base URL of the API; null for a node that only delivers. */
  url: string | null;
  /** Set only if the first administrator was made just now and no password was configured. */
  adminPassword: string | undefined;
}

/** Boots in order, stops in reverse: whatever began can be ended, also when booting breaks off half way. */
export class Kernel {
  readonly container: DependencyContainer = root.createChildContainer();
  readonly host: PluginHost;
  private readonly undo: { what: string; stop: () => Promise<void> }[] = [];
  private readonly startedAt = Date.now();
  private routes: AnyRoute[] = [];
  private stopping: Promise<void> | undefined;

  constructor(private readonly options: KernelOptions) {
    const { config, log } = options;
    this.host = new PluginHost({
      log,
      timeout: config.plugin_timeout,
      config: config.plugin_config,
      disabled: config.plugins_disabled,
      searchFolders: options.searchFolders,
    });
  }

  /** Every route of kernel and plugins. Complete after {@link boot}. */
  get allRoutes(): readonly AnyRoute[] {
    return this.routes;
  }

  async boot(): Promise<Booted> {
    try {
      return await this.bootSteps();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Stops what was started, last first. Safe to call twice. */
  stop(): Promise<void> {
    this.stopping ??= this.stopSteps();
    return this.stopping;
  }

  private async bootSteps(): Promise<Booted> {
    const { config, databaseUrl } = this.options;
    await migrate(databaseUrl, { component: 'kernel', folder: KERNEL_MIGRATIONS });
    const database = this.openDatabase();
    this.register(database);
    await this.loadPlugins(databaseUrl);
    const { adminPassword } = await this.bootstrap(database);
    const node = await this.registerNode(database);
    await this.startIdentity();
    await this.startMedia(node);
    await this.host.start();
    this.undo.push({ what: 'plugins', stop: () => this.host.stop() });
    this.fillCatalogs();
    this.collectRoutes(database);
    await this.startDelivering(database, node);
    const url = config.role === 'worker' ? null : await this.startHttp();
    return { url, adminPassword };
  }

  private openDatabase(): Database {
    const database = new Database({
      url: this.options.databaseUrl,
      poolSize: this.options.config.database_pool,
      models: MODELS,
      applicationName: `ictcore ${this.options.config.role}`,
    });
    this.undo.push({ what: 'database', stop: () => database.close() });
    return database;
  }

  private register(database: Database): void {
    const { config, log } = this.options;
    this.container.registerInstance(Database, database);
    this.container.registerInstance(SecretBox, new SecretBox(loadMasterKey(config.secret_key, config.data_dir)));
    this.container.register(CONFIG, { useValue: config });
    this.container.register(LOG, { useValue: log });
    const services = this.container.resolve(Services);
    services.find = (token) => this.host.use(token);
  }

  private async loadPlugins(databaseUrl: string): Promise<void> {
    this.host.add(this.corePlugin(), true);
    for (const module of MODULES) {
      this.host.add(
        definePlugin({
          name: `@ictcore/kernel/${module.name}`,
          version: this.options.version,
          api: `^${CONTRACT_VERSION}`,
          setup: (registry) => module.setup(registry as never, this.container),
        }),
        true,
      );
    }
    for (const plugin of this.options.bundled) this.host.add(plugin);
    for (const name of this.options.config.plugins) await this.host.addPackage(name);
    await this.host.prepare(async (name, { migrations }) => {
      for (const folder of migrations) await migrate(databaseUrl, { component: name, folder });
    });
  }

  /** What the kernel itself offers to plugins. */
  private corePlugin(): AnyPlugin {
    const { container, options } = this;
    return definePlugin({
      name: '@ictcore/kernel',
      version: options.version,
      api: `^${CONTRACT_VERSION}`,
      setup(registry) {
        const database = container.resolve(Database);
        registry.service(DATABASE, () => ({
          query: (sql, values) => database.query(sql, values),
          transaction: (work) => database.rawTransaction(work),
        }));
        registry.service(ACCOUNT_SETTINGS, () => container.resolve(AccountSettingCatalog));
      },
    });
  }

  private bootstrap(database: Database): Promise<{ adminPassword?: string | undefined }> {
    const permissions = this.host.contributions().flatMap(({ contributions }) => contributions.permissions);
    return bootstrapIdentity(database, this.container.resolve(SecretBox), this.options.config, permissions);
  }

  private async registerNode(database: Database): Promise<Node> {
    const { config, log, version, instance } = this.options;
    const node = await Node.register({
      database,
      instance,
      role: config.role,
      version,
      lease: config.engine.lease,
      log,
    });
    this.container.register(NODE_ID, { useValue: node.id });
    this.undo.push({ what: 'node', stop: () => node.stop() });
    return node;
  }

  private async startIdentity(): Promise<void> {
    const identity = this.container.resolve(IdentityService);
    await identity.listen();
    this.undo.push({ what: 'identity', stop: () => identity.close() });
    this.undo.push({ what: 'media', stop: () => this.container.resolve(MediaStorage).settle() });
  }

  /** From here on uploads are converted, first those that a crash has left. */
  private async startMedia(node: Node): Promise<void> {
    const conversions = this.container.resolve(Conversions);
    this.undo.push({ what: 'conversions', stop: () => conversions.stop() });
    await conversions.start(node.id);
  }

  private fillCatalogs(): void {
    const active = this.host.contributions().map(({ contributions }) => contributions);
    this.container.resolve(Catalog).fill(
      active.flatMap(({ programs }) => programs),
      active.flatMap(({ drivers }) => drivers),
    );
    this.container.resolve(AccountSettingCatalog).fill(active.flatMap(({ accountSettings }) => accountSettings));
  }

  private collectRoutes(database: Database): void {
    const { config, version } = this.options;
    const engine = this.container.resolve(Engine);
    this.routes = [
      ...systemRoutes({
        database,
        version,
        role: config.role,
        plugins: () => this.host.list(),
        engineRunning: () => engine.running,
        startedAt: this.startedAt,
      }),
      ...this.host.contributions().flatMap(({ contributions }) => contributions.routes),
      ...MODULES.flatMap((module) => module.lateRoutes?.(this.container) ?? []),
    ];
  }

  private async startDelivering(database: Database, node: Node): Promise<void> {
    const { config, log } = this.options;
    await seedDefaults(database, this.container.resolve(Catalog), log);
    if (config.role === 'api') return;
    const engine = this.container.resolve(Engine);
    engine.start(node);
    this.undo.push({ what: 'engine', stop: () => engine.stop(config.stop_timeout * 1000) });
    const listener = new QueueListener(database.url, () => engine.wake(), log);
    listener.start();
    this.undo.push({ what: 'queue listener', stop: () => listener.stop() });
    const outbox = await this.startOutbox(database);
    const jobs = this.host
      .contributions()
      .flatMap(({ name, context, contributions }) => contributions.jobs.map((job) => ({ plugin: name, context, job })));
    const onTick = async () => {
      await engine.tick();
      await outbox.run();
    };
    const clock = new Clock({ jobs, database, log, tickMs: TICK_MS, onTick });
    await clock.start();
    this.undo.push({ what: 'clock', stop: () => clock.stop() });
  }

  private async startOutbox(database: Database): Promise<Outbox> {
    const handlers = this.host.contributions().flatMap(({ name, context, contributions }) =>
      contributions.handlers.map(({ event, handle }, index) => ({
        consumer: `${name}#${index} ${event}`,
        event,
        context,
        handle,
      })),
    );
    const outbox = new Outbox(database, handlers, this.options.log);
    await outbox.start();
    return outbox;
  }

  private async startHttp(): Promise<string> {
    const { config, log, version } = this.options;
    const scratch = path.join(config.data_dir, 'tmp', 'uploads');
    await rm(scratch, { recursive: true, force: true });
    mkdirSync(scratch, { recursive: true, mode: 0o700 });
    const document = buildOpenApi(this.routes, { title: 'ICTCore', version });
    const app = createApp({
      config,
      log,
      routes: this.routes,
      authenticator: this.container.resolve(IdentityService),
      scratch,
      extra: [docsRouter(document), this.webhooks()],
    });
    const listening: Listening = await listen(app, config.host, config.port);
    this.undo.push({ what: 'HTTP', stop: () => listening.close(config.stop_timeout * 1000) });
    const host = config.host.includes(':') ? `[${config.host}]` : config.host;
    return `http://${host}:${listening.port}`;
  }

  /** Carriers' calls. On a node that only answers HTTP the sessions that they open are closed here. */
  private webhooks() {
    const { config, log } = this.options;
    const { pool } = this.container.resolve(Engine);
    const delivers = config.role !== 'api';
    if (!delivers) this.undo.push({ what: 'providers', stop: () => pool.close() });
    return webhookRouter({ pool, config, log, delivers });
  }

  private async stopSteps(): Promise<void> {
    for (const { what, stop } of this.undo.splice(0).reverse()) {
      await stop().catch((error: unknown) => this.options.log.warn({ error }, `${what} did not stop cleanly`));
    }
    await this.container.dispose();
  }
}
