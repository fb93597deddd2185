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
  private lastBeat = performance.now();
  private steadySince = performance.now();
  private beating = false;
  private stopped = false;

  private constructor(
    private nodeId: number,
    private readonly options: NodeOptions,
  ) {}

  /** Id in the `node` table. A new one if others have taken this node for dead and it came back. */
  get id(): number {
    return this.nodeId;
  }

  /** Registers this boot. Earlier boots of the same instance are dead: the data directory's lock proves it. */
  static async register(options: NodeOptions): Promise<Node> {
    const { database, instance } = options;
    await database.query('update node set stopped_at = now() where instance = $1 and stopped_at is null', [instance]);
    const node = new Node(await insertNode(options), options);
    node.timer = setInterval(() => void node.beat(), (options.lease * 1000) / BEATS_PER_LEASE);
    return node;
  }

  /** True while this node's own heartbeats are fresh enough that nobody can have taken it for dead. */
  get alive(): boolean {
    return performance.now() - this.lastBeat < this.options.lease * 500;
  }

  /**
   * Declares nodes dead whose heartbeat is too old. Not before this node itself has seen the database steadily for a
   * whole lease: after an outage of the database everybody's heartbeat is old.
   */
  async buryDead(): Promise<void> {
    if (!this.alive || performance.now() - this.steadySince < this.options.lease * 1000) return;
    const dead = await this.options.database.query<{ node_id: number }>(BURY_NODES, [this.options.lease, this.id]);
    if (dead.length > 0)
      this.options.log.warn({ nodes: dead.map((row) => row.node_id) }, 'nodes are dead; taking over');
  }

  /** Ends the heartbeat and says so in the table. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.stopped = true;
    await this.options.database.query('update node set stopped_at = now() where node_id = $1', [this.id]);
  }

  private async beat(): Promise<void> {
    if (this.beating) return;
    this.beating = true;
    const begun = performance.now();
    try {
      const kept = await this.options.database.query(
        'update node set heartbeat_at = now() where node_id = $1 and stopped_at is null returning node_id',
        [this.id],
      );
      if (kept.length === 0 && !this.stopped) await this.rise();
      if (begun - this.lastBeat > (this.options.lease * 1000) / 2) this.steadySince = performance.now();
      this.lastBeat = begun;
    } catch (error) {
      this.options.log.warn({ error }, 'heartbeat failed');
    } finally {
      this.beating = false;
    }
  }

  /** Others took this node for dead while it could not be heard: what it held is theirs now, and it begins anew. */
  private async rise(): Promise<void> {
    const before = this.nodeId;
    this.nodeId = await insertNode(this.options);
    this.options.log.warn({ node: this.nodeId, before }, 'this node was taken for dead; it goes on under a new id');
  }
}

async function insertNode({ database, instance, role, version }: NodeOptions): Promise<number> {
  const [row] = await database.query<{ node_id: number }>(
    'insert into node (instance, role, version) values ($1, $2, $3) returning node_id',
    [instance, role, version],
  );
  if (!row) throw new Error('the node row was not created');
  return row.node_id;
}
