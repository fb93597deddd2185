import {
  type Actor,
  type AnyDriver,
  type Health,
  IctError,
  invalid,
  secretFields,
  serviceFlagOf,
  wrongState,
} from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { z } from 'zod';
import { Catalog } from '../boot/catalog';
import { Database, type Tx } from '../database/database';
import type { ListQuery } from '../database/list-query';
import { OwnedRepository } from '../database/owned-repository';
import type { CrudService } from '../http/crud-routes';
import { Engine } from '../queue/engine';
import { PROVIDER_COLUMNS, ProviderPool, type ProviderRow } from '../queue/provider-pool';
import { Provider } from './provider.model';
import { type ProviderCreate, type ProviderShown, type ProviderUpdate, providerSpec } from './provider.schema';
import { type OpenSecrets, ProviderSecrets } from './provider-secrets';

/** Seconds a check may take. */
const CHECK_TIMEOUT_S = 30;

interface Stored {
  type: string;
  settings: Record<string, unknown>;
  secrets: string | null;
}

/** Trunks: guide lines S93 to S97 and the test of host and credentials. */
@scoped(Lifecycle.ContainerScoped)
export class ProviderService implements CrudService<ProviderShown, ProviderCreate, ProviderUpdate> {
  readonly repository: OwnedRepository<ProviderShown>;

  constructor(
    @inject(Database) private readonly database: Database,
    @inject(Catalog) private readonly catalog: Catalog,
    @inject(ProviderSecrets) private readonly secrets: ProviderSecrets,
    @inject(ProviderPool) private readonly pool: ProviderPool,
    @inject(Engine) private readonly engine: Engine,
  ) {
    this.repository = new OwnedRepository(database, providerSpec, database.sequelize.getRepository(Provider));
  }

  list(actor: Actor, query: ListQuery) {
    return this.repository.list(actor, query);
  }

  count(actor: Actor, query: ListQuery) {
    return this.repository.count(actor, query);
  }

  async get(actor: Actor, id: number): Promise<ProviderShown> {
    const [shown, stored] = await Promise.all([this.repository.get(actor, id), this.stored(id, this.database)]);
    return this.withSecretFlags(id, shown, stored);
  }

  async create(actor: Actor, input: ProviderCreate): Promise<number> {
    const driver = this.catalog.driver(input.type);
    if (!driver)
      throw this.catalog.unknownType(
        input.type,
        this.catalog.drivers().map((known) => known.type),
      );
    requireColumns(driver, input);
    const { open, sealed } = splitSettings(driver, input.settings ?? {});
    const { password, settings: _settings, ...columns } = input;
    const id = await this.database.transaction(async (tx) => {
      const created = await this.repository.insert(
        actor,
        {
          ...columns,
          description: input.description ?? '',
          settings: open,
          port: input.port ?? driver.defaultPort ?? null,
          service_flag: this.serviceFlag(driver, input.service_flag),
          created_by: actor.userId || null,
        },
        tx,
      );
      await this.saveSecrets(created, secretsOf(password, sealed), tx);
      return created;
    });
    this.pool.invalidate();
    return id;
  }

  async update(actor: Actor, id: number, input: ProviderUpdate): Promise<ProviderShown> {
    await this.database.transaction(async (tx) => {
      const before = await this.repository.lock(actor, id, tx);
      const stored = await this.stored(id, tx);
      const driver = this.catalog.driver(before.type);
      if (!driver) throw wrongState(`Provider type ${before.type} is not loaded; enable its plugin first`);
      requireColumns(driver, { ...before, ...(stored.secrets && { password: 'kept' }), ...input });
      const old = this.secrets.open(id, stored.secrets);
      const merged = mergeSettings({ ...stored.settings, ...old.settings }, input.settings);
      const { open, sealed } = splitSettings(driver, merged);
      const { password, settings: _settings, ...columns } = input;
      const changes = {
        ...columns,
        ...(input.description !== undefined && { description: input.description ?? '' }),
        ...(input.service_flag !== undefined && { service_flag: this.serviceFlag(driver, input.service_flag) }),
        settings: open,
      };
      await this.repository.update(actor, id, changes, tx);
      await this.saveSecrets(id, secretsOf(password === undefined ? old.password : password, sealed), tx);
    });
    this.pool.invalidate();
    return this.get(actor, id);
  }

  /** S97: 423 while attempts are out through it. */
  async remove(actor: Actor, id: number, force = false): Promise<void> {
    await this.database.transaction(async (tx) => {
      await this.repository.lock(actor, id, tx);
      const [busy] = await tx.query(
        `select 1 from spool where provider_id = $1 and status in ('started', 'connected') limit 1`,
        [id],
      );
      if (busy && !force) throw wrongState('Attempts are out through this provider; wait, or delete with ?force=1');
      await this.repository.remove(actor, id, tx);
    });
    this.pool.invalidate();
  }

  /** Tests host and credentials without sending anything, and stores what it finds. */
  async test(actor: Actor, id: number): Promise<Health> {
    await this.repository.get(actor, id);
    const [row] = await this.database.query<ProviderRow>(
      `select ${PROVIDER_COLUMNS} from provider where provider_id = $1`,
      [id],
    );
    const driver = row && this.catalog.driver(row.type);
    if (!row || !driver) throw wrongState(`Provider type ${row?.type} is not loaded; enable its plugin first`);
    const health = await this.check(row, driver);
    await this.engine.saveHealth(id, health);
    return health;
  }

  private async check(row: ProviderRow, driver: AnyDriver): Promise<Health> {
    let session: Awaited<ReturnType<ProviderPool['open']>> | undefined;
    try {
      session = await this.pool.open(row, driver);
      const signal = AbortSignal.timeout(CHECK_TIMEOUT_S * 1000);
      const late = new Promise<Health>((resolve) => {
        signal.addEventListener('abort', () =>
          resolve({ state: 'error', detail: `no answer within ${CHECK_TIMEOUT_S} s` }),
        );
      });
      return await Promise.race([session.check(signal), late]);
    } catch (error) {
      return { state: 'error', detail: (error as Error).message };
    } finally {
      await session?.close().catch(() => undefined);
    }
  }

  private serviceFlag(driver: AnyDriver, asked: number | undefined): number {
    const possible = serviceFlagOf(driver.channels);
    if (asked === undefined) return possible;
    if ((asked & ~possible) !== 0) {
      throw invalid('service_flag', `${driver.type} carries ${driver.channels.join(', ')} (${possible}) only`, 'enum');
    }
    return asked;
  }

  private async stored(id: number, sql: Pick<Tx, 'query'>): Promise<Stored> {
    const [row] = await sql.query<Stored>('select type, settings, secrets from provider where provider_id = $1', [id]);
    return row ?? { type: '', settings: {}, secrets: null };
  }

  /** `has_<name>` beside each secret, in its place: 1 if it is set. */
  private withSecretFlags(id: number, shown: ProviderShown, stored: Stored): ProviderShown {
    const driver = this.catalog.driver(stored.type);
    const secrets = this.openQuietly(id, stored.secrets);
    const flags = Object.fromEntries(
      (driver ? secretFields(driver.settings) : []).map((name) => [`has_${name}`, secrets.settings?.[name] ? 1 : 0]),
    );
    return { ...shown, has_password: secrets.password ? 1 : 0, settings: { ...shown.settings, ...flags } };
  }

  /** A secret that this server's key cannot open must not hide the rest of the row; sending names the problem. */
  private openQuietly(id: number, sealed: string | null): OpenSecrets {
    try {
      return this.secrets.open(id, sealed);
    } catch {
      return {};
    }
  }

  private async saveSecrets(id: number, secrets: OpenSecrets, tx: Tx): Promise<void> {
    await tx.query('update provider set secrets = $2 where provider_id = $1', [id, this.secrets.seal(id, secrets)]);
  }
}

function secretsOf(password: string | null | undefined, settings: Record<string, string>): OpenSecrets {
  return { ...(password && { password }), ...(Object.keys(settings).length > 0 && { settings }) };
}

/** New keys over old ones; null removes. What the server added for reading (`has_...`) is not a setting. */
function mergeSettings(before: Record<string, unknown>, change: Record<string, unknown> | null | undefined) {
  if (change === null) return {};
  const merged = { ...before, ...change };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null));
}

/** Validates settings by the driver's schema and takes the secrets out. */
function splitSettings(driver: AnyDriver, given: Record<string, unknown>) {
  const secretNames = secretFields(driver.settings);
  const flags = new Set(secretNames.map((name) => `has_${name}`));
  const input = Object.fromEntries(Object.entries(given).filter(([name]) => !flags.has(name)));
  const result = driver.settings.safeParse(input);
  if (!result.success) {
    const details = (result.error as z.ZodError).issues.map((issue) => ({
      field: ['settings', ...issue.path].join('.'),
      message: issue.message,
      rule: issue.code ?? 'invalid',
    }));
    const message = details.map((detail) => `${detail.field}: ${detail.message}`).join('; ');
    throw new IctError(message, { code: 'VALIDATION_FAILED', status: 412, details });
  }
  const settings = (result.data ?? {}) as Record<string, unknown>;
  const open: Record<string, unknown> = {};
  const sealed: Record<string, string> = {};
  for (const [name, value] of Object.entries(settings)) {
    if (!secretNames.includes(name)) open[name] = value;
    else if (typeof value === 'string' && value !== '') sealed[name] = value;
  }
  return { open, sealed };
}

function requireColumns(driver: AnyDriver, row: Readonly<Record<string, unknown>>): void {
  for (const column of driver.requires ?? []) {
    if (!row[column]) throw invalid(column, `is required for a provider of type ${driver.type}`, 'required');
  }
}
