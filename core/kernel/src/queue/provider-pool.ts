import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import {
  type AnyDriver,
  type Channel,
  type DriverContext,
  type DriverEvent,
  type DriverSession,
  type Logger,
  type ProviderConfig,
  SERVICE_FLAG,
} from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { Catalog } from '../boot/catalog';
import type { Config } from '../boot/config';
import { CONFIG, LOG } from '../boot/injection';
import { Database } from '../database/database';
import { ProviderSecrets } from '../providers/provider-secrets';
import { LANE } from './lanes';

/** A provider row as the pool reads it. */
export interface ProviderRow {
  provider_id: number;
  name: string;
  type: string;
  service_flag: number;
  host: string | null;
  port: number | null;
  username: string | null;
  prefix: string | null;
  settings: Record<string, unknown>;
  secrets: string | null;
  register: number;
  weight: number;
}

/** An active provider with its session and the window of hand-overs in flight. */
export interface Trunk {
  readonly row: ProviderRow;
  readonly driver: AnyDriver;
  session: DriverSession | undefined;
  inFlight: number;
  /** Failures in a row that say the provider itself is down. */
  strikes: number;
  /** Not chosen before this time (milliseconds since 1970) unless nothing else is there. */
  restUntil: number;
  /** Token bucket of the session's `perSecond`. */
  bucket: { tokens: number; at: number };
  opening: Promise<DriverSession> | undefined;
  /** After a failed opening: not tried again before this time (milliseconds since 1970) unless it is needed. */
  openAfter: number;
  closed: boolean;
}

/** How long the list of active providers is believed, in milliseconds. */
const LIST_TTL = 1000;
const STRIKES_TO_REST = 3;
const REST_MS = 15_000;

export const PROVIDER_COLUMNS = `provider_id, name, type, service_flag, host, port, username, prefix, settings, secrets,
  register, weight`;

/** Sessions of the active providers: opened when first needed, reopened when their row has changed. */
@scoped(Lifecycle.ContainerScoped)
export class ProviderPool {
  private trunks = new Map<number, Trunk>();
  private readAt = 0;
  private generation = 0;
  private refreshing: Promise<void> | undefined;
  private turn = 0;
  /** Set by the engine: where drivers' events go. */
  onEvent: (providerId: number, event: DriverEvent) => Promise<void> = async () => undefined;

  constructor(
    @inject(Database) private readonly database: Database,
    @inject(Catalog) private readonly catalog: Catalog,
    @inject(ProviderSecrets) private readonly secrets: ProviderSecrets,
    @inject(CONFIG) private readonly config: Config,
    @inject(LOG) private readonly log: Logger,
  ) {}

  /** The next look-up reads the rows anew. */
  invalidate(): void {
    this.readAt = 0;
    this.generation++;
  }

  /** Active providers, from a list at most a second old. */
  async active(): Promise<Trunk[]> {
    // Read once for all who wait; and once more if a row has changed while it was being read.
    while (Date.now() - this.readAt > LIST_TTL) {
      this.refreshing ??= this.refresh().finally(() => {
        this.refreshing = undefined;
      });
      await this.refreshing;
    }
    return [...this.trunks.values()];
  }

  get(providerId: number): Trunk | undefined {
    return this.trunks.get(providerId);
  }

  /**
   * The providers that may carry this channel, best first: lower weight first, taking turns among equals, those that
   * rest after failures last. A simulated carrier (loopback) is taken only where no real one serves the channel, so
   * that a broken trunk never looks like a success.
   */
  async candidates(channel: Channel): Promise<Trunk[]> {
    const bit = SERVICE_FLAG[channel];
    const serving = (await this.active()).filter(
      (trunk) =>
        (trunk.row.service_flag & bit) !== 0 && trunk.driver.channels.includes(channel) && !trunk.driver.receivesOnly,
    );
    const real = serving.filter((trunk) => !trunk.driver.simulated);
    const eligible = real.length > 0 ? real : serving;
    const turn = this.turn++;
    const now = Date.now();
    const order = new Map(eligible.map((trunk, index) => [trunk, (index + turn) % eligible.length]));
    return eligible.sort(
      (a, b) =>
        Number(a.restUntil > now) - Number(b.restUntil > now) ||
        a.row.weight - b.row.weight ||
        (order.get(a) ?? 0) - (order.get(b) ?? 0),
    );
  }

  /**
   * Hand-overs the trunk takes now; 0 if its window is full or its rate is used up. A tenth of the window is left to
   * single sends, so that they do not wait behind a campaign.
   */
  room(trunk: Trunk, lane: number): number {
    const limits = trunk.session?.limits ?? {};
    const whole = limits.maxInFlight ?? this.config.engine.in_flight;
    const window = whole - (lane === LANE.single ? 0 : Math.floor(whole / 10)) - trunk.inFlight;
    if (limits.perSecond === undefined) return Math.max(0, window);
    const now = Date.now();
    const refilled = trunk.bucket.tokens + ((now - trunk.bucket.at) / 1000) * limits.perSecond;
    trunk.bucket = { tokens: Math.min(Math.max(1, limits.perSecond), refilled), at: now };
    return Math.max(0, Math.min(window, Math.floor(trunk.bucket.tokens)));
  }

  /**
   * Places that all providers together have for campaigns now. A provider with a rate counts once a twentieth of a
   * second's worth has gathered: a batch of a few costs as much as one of many.
   */
  async roomForCampaigns(): Promise<number> {
    return (await this.active()).reduce((sum, trunk) => {
      const room = this.room(trunk, LANE.campaign);
      const { perSecond } = trunk.session?.limits ?? {};
      return perSecond !== undefined && trunk.bucket.tokens < perSecond / 20 ? sum : sum + room;
    }, 0);
  }

  /** Takes one place of the window. */
  enter(trunk: Trunk): void {
    trunk.inFlight++;
    trunk.bucket.tokens -= 1;
  }

  leave(trunk: Trunk): void {
    trunk.inFlight--;
  }

  /** Learns from an outcome whether the provider itself is well. */
  note(trunk: Trunk, providerDown: boolean): void {
    trunk.strikes = providerDown ? trunk.strikes + 1 : 0;
    if (trunk.strikes >= STRIKES_TO_REST) trunk.restUntil = Date.now() + REST_MS;
    if (!providerDown) trunk.restUntil = 0;
  }

  async session(trunk: Trunk): Promise<DriverSession> {
    if (trunk.session) return trunk.session;
    trunk.opening ??= this.open(trunk.row, trunk.driver)
      .then((session) => {
        trunk.session = session;
        if (trunk.closed) void session.close().catch(() => undefined);
        return session;
      })
      .finally(() => {
        trunk.opening = undefined;
      });
    return trunk.opening;
  }

  /**
   * Opens the session of every active provider, so that what comes in is heard before anything goes out. One that
   * cannot be opened is tried again after a rest.
   */
  async openAll(): Promise<void> {
    const now = Date.now();
    const waiting = (await this.active()).filter((trunk) => !trunk.session && !trunk.opening && trunk.openAfter <= now);
    await Promise.all(
      waiting.map((trunk) =>
        this.session(trunk).catch((error: unknown) => {
          trunk.openAfter = Date.now() + REST_MS;
          this.log.error({ provider: trunk.row.name, error }, 'provider could not be opened');
        }),
      ),
    );
  }

  /** Opens a session that is not part of the pool: for testing a provider that may be inactive. The caller closes it. */
  open(row: ProviderRow, driver: AnyDriver): Promise<DriverSession> {
    return driver.open(this.configOf(row), this.contextFor(row, driver));
  }

  async close(): Promise<void> {
    const trunks = [...this.trunks.values()];
    this.trunks.clear();
    this.readAt = 0;
    await Promise.all(trunks.map((trunk) => this.retire(trunk)));
  }

  private async refresh(): Promise<void> {
    const { generation } = this;
    const rows = await this.database.query<ProviderRow>(
      `select ${PROVIDER_COLUMNS} from provider where active = 1 order by provider_id`,
    );
    this.readAt = generation === this.generation ? Date.now() : 0;
    const next = new Map<number, Trunk>();
    for (const row of rows) {
      const driver = this.catalog.driver(row.type);
      if (!driver) continue;
      const known = this.trunks.get(row.provider_id);
      next.set(row.provider_id, known && sameSettings(known.row, row) ? known : newTrunk(row, driver));
    }
    const gone = [...this.trunks.values()].filter((trunk) => next.get(trunk.row.provider_id) !== trunk);
    this.trunks = next;
    for (const trunk of gone) void this.retire(trunk);
  }

  /** Closes a session once nothing is in flight on it any more, or after the time of a hand-over. */
  private async retire(trunk: Trunk): Promise<void> {
    trunk.closed = true;
    for (let i = 0; i < this.config.engine.submit_timeout * 10 && trunk.inFlight > 0; i++) {
      await new Promise((resolve) => setTimeout(resolve, 100).unref());
    }
    await trunk.session
      ?.close()
      .catch((error: unknown) => this.log.warn({ provider: trunk.row.name, error }, 'provider did not close'));
  }

  private configOf(row: ProviderRow): ProviderConfig<unknown> {
    const secrets = this.secrets.open(row.provider_id, row.secrets);
    return {
      providerId: row.provider_id,
      name: row.name,
      host: row.host ?? '',
      port: row.port ?? 0,
      username: row.username ?? '',
      password: secrets.password ?? '',
      prefix: row.prefix ?? '',
      register: row.register === 1,
      settings: { ...row.settings, ...secrets.settings },
    };
  }

  private contextFor(row: ProviderRow, driver: AnyDriver): DriverContext {
    const base = this.config.public_url?.replace(/\/$/, '');
    return {
      providerId: row.provider_id,
      log: this.log.child({ provider: row.name, provider_type: driver.type }),
      emit: (event) => this.onEvent(row.provider_id, event),
      webhookUrl: base ? `${base}/api/providers/${row.provider_id}/webhook` : null,
      scratchDir: async () => {
        const folder = path.join(this.config.data_dir, 'providers', String(row.provider_id));
        await mkdir(folder, { recursive: true, mode: 0o700 });
        return folder;
      },
    };
  }
}

function newTrunk(row: ProviderRow, driver: AnyDriver): Trunk {
  return {
    row,
    driver,
    session: undefined,
    inFlight: 0,
    strikes: 0,
    restUntil: 0,
    bucket: { tokens: 1, at: Date.now() },
    opening: undefined,
    openAfter: 0,
    closed: false,
  };
}

/** Columns of state (`state`, `checked_at`) are not read: they change often and must not reopen a session. */
function sameSettings(a: ProviderRow, b: ProviderRow): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
