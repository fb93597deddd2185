import type { Logger } from '@ictcore/contract';
import { Client } from 'pg';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { LOG } from '../boot/injection';
import { Database, type Tx } from '../database/database';

/** What has changed about who may do what: one user, one token, or (roles) possibly everybody. */
export type IdentityChange = { user: number } | { token: string } | 'all';

const CHANNEL = 'ictcore_identity';
/** Milliseconds between checks that the listening connection is alive, and the longest wait for its answer. */
const HEARTBEAT_MS = 10_000;
const HEARTBEAT_ANSWER_MS = 5_000;
const RECONNECT_MS = 1_000;

/**
 * Tells every node, this one first, when users, roles, permissions or tokens change, so that what nodes keep in memory
 * about them is dropped. Other nodes hear of it by PostgreSQL's NOTIFY, which goes out with the commit.
 */
@scoped(Lifecycle.ContainerScoped)
export class IdentityChanges {
  private readonly handlers: ((change: IdentityChange) => void)[] = [];
  private client: Client | undefined;
  private heartbeat: NodeJS.Timeout | undefined;
  private retry: NodeJS.Timeout | undefined;
  private closed = false;
  private up = false;

  constructor(
    @inject(Database) private readonly database: Database,
    @inject(LOG) private readonly log: Logger,
  ) {}

  /** True while changes made on other nodes are heard of at once. */
  get listening(): boolean {
    return this.up;
  }

  /** `handler` is called for each change, here or elsewhere; more than once for one change at times. */
  onChange(handler: (change: IdentityChange) => void): void {
    this.handlers.push(handler);
  }

  /** To be called inside the transaction that makes the change; takes effect with its commit. */
  async record(tx: Tx, change: IdentityChange): Promise<void> {
    await tx.query('select pg_notify($1, $2)', [CHANNEL, JSON.stringify(change)]);
    tx.afterCommit(() => this.tell(change));
  }

  /** Begins to listen, and keeps listening (with a new connection after each loss) until {@link close}. */
  async listen(): Promise<void> {
    if (this.closed || this.client) return;
    const client = new Client({
      connectionString: this.database.url,
      application_name: 'ictcore identity',
      connectionTimeoutMillis: HEARTBEAT_ANSWER_MS,
      query_timeout: HEARTBEAT_ANSWER_MS,
      keepAlive: true,
    });
    this.client = client;
    client.on('notification', ({ payload }) => this.tell(parse(payload)));
    client.on('error', () => this.lost(client));
    client.on('end', () => this.lost(client));
    try {
      await client.connect();
      await client.query(`listen ${CHANNEL}`);
    } catch (error) {
      this.log.warn({ error }, 'cannot listen for changes of users and roles; trying again');
      this.lost(client);
      return;
    }
    // Closed or lost while it was connecting.
    if (this.client !== client) return;
    this.up = true;
    // Whatever was said before anybody listened has been missed.
    this.tell('all');
    this.heartbeat = setInterval(() => this.check(client), HEARTBEAT_MS);
    this.heartbeat.unref();
  }

  /** Stops listening. */
  async close(): Promise<void> {
    this.closed = true;
    this.up = false;
    clearInterval(this.heartbeat);
    clearTimeout(this.retry);
    const client = this.client;
    this.client = undefined;
    await client?.end().catch(() => undefined);
  }

  private tell(change: IdentityChange): void {
    for (const handler of this.handlers) handler(change);
  }

  /** A connection can be dead without anybody saying so (a firewall that forgot it). */
  private check(client: Client): void {
    client.query('select 1').catch(() => this.lost(client));
  }

  private lost(client: Client): void {
    if (this.client !== client) return;
    this.client = undefined;
    this.up = false;
    clearInterval(this.heartbeat);
    client.end().catch(() => undefined);
    this.tell('all');
    if (this.closed) return;
    this.retry = setTimeout(() => void this.listen(), RECONNECT_MS);
    this.retry.unref();
  }
}

/** A payload of a later version, or nobody's: to be on the safe side, everything may have changed. */
function parse(payload: string | undefined): IdentityChange {
  try {
    const change = JSON.parse(payload ?? '') as Partial<Record<'user' | 'token', unknown>> | null;
    if (typeof change?.user === 'number') return { user: change.user };
    if (typeof change?.token === 'string') return { token: change.token };
  } catch {
    // As below.
  }
  return 'all';
}
