import type { Logger } from '@ictcore/contract';
import type { Database } from '../database/database';
import { BURY_NODES } from './engine.sql';

/** Heartbeats per lease: a node misses several in a row before anyone takes it for dead. */
const BEATS_PER_LEASE = 6;

export interface NodeOptions {
  database: Database;
  /** The data directory's identity: two boots of one instance never run at the same time. */
  instance: string;
  role: string;
  version: string;
  /** Seconds without a heartbeat after which a node is dead. */
  lease: number;
  log: Logger;
}

/** This boot of the server in the `node` table: what it holds is taken over when its heartbeat stops. */
export class Node {
  private timer: NodeJS.Timeout | undefined;
  private lastBeat = Date.now();
  private steadySince = Date.now();
  private beating = false;

  private constructor(
    readonly id: number,
    private readonly options: NodeOptions,
  ) {}

  /** Registers this boot. Earlier boots of the same instance are dead: the data directory's lock proves it. */
  static async register(options: NodeOptions): Promise<Node> {
    const { database, instance, role, version } = options;
    await database.query('update node set stopped_at = now() where instance = $1 and stopped_at is null', [instance]);
    const [row] = await database.query<{ node_id: number }>(
      'insert into node (instance, role, version) values ($1, $2, $3) returning node_id',
      [instance, role, version],
    );
    if (!row) throw new Error('the node row was not created');
    const node = new Node(row.node_id, options);
    node.timer = setInterval(() => void node.beat(), (options.lease * 1000) / BEATS_PER_LEASE);
    return node;
  }

  /** True while this node's own heartbeats are fresh enough that nobody can have taken it for dead. */
  get alive(): boolean {
    return Date.now() - this.lastBeat < this.options.lease * 500;
  }

  /**
   * Declares nodes dead whose heartbeat is too old. Not before this node itself has seen the database steadily for a
   * whole lease: after an outage of the database everybody's heartbeat is old.
   */
  async buryDead(): Promise<void> {
    if (Date.now() - this.steadySince < this.options.lease * 1000) return;
    const dead = await this.options.database.query<{ node_id: number }>(BURY_NODES, [this.options.lease]);
    if (dead.length > 0)
      this.options.log.warn({ nodes: dead.map((row) => row.node_id) }, 'nodes are dead; taking over');
  }

  /** Ends the heartbeat and says so in the table. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.options.database.query('update node set stopped_at = now() where node_id = $1', [this.id]);
  }

  private async beat(): Promise<void> {
    if (this.beating) return;
    this.beating = true;
    const begun = Date.now();
    try {
      await this.options.database.query(
        'update node set heartbeat_at = now() where node_id = $1 and stopped_at is null',
        [this.id],
      );
      if (begun - this.lastBeat > (this.options.lease * 1000) / 2) this.steadySince = Date.now();
      this.lastBeat = begun;
    } catch (error) {
      this.options.log.warn({ error }, 'heartbeat failed');
    } finally {
      this.beating = false;
    }
  }
}
