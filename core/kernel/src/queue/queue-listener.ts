import type { Logger } from '@ictcore/contract';
import { Client } from 'pg';
import { QUEUE_CHANNEL } from './engine.sql';

/** Milliseconds between tries to listen again. The engine's tick finds waiting work meanwhile. */
const RECONNECT_MS = 2000;

/** Hears other nodes say that there is work (PostgreSQL NOTIFY), so that it begins at once and not at the next tick. */
export class QueueListener {
  private client: Client | undefined;
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(
    private readonly url: string,
    private readonly onWork: () => void,
    private readonly log: Logger,
  ) {}

  start(): void {
    void this.connect();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.client?.end().catch(() => undefined);
  }

  private async connect(): Promise<void> {
    const client = new Client({ connectionString: this.url, application_name: 'ictcore listen', keepAlive: true });
    this.client = client;
    client.on('notification', this.onWork);
    client.on('error', () => undefined);
    client.once('end', () => this.again());
    try {
      await client.connect();
      await client.query(`listen ${QUEUE_CHANNEL}`);
      this.onWork();
    } catch (error) {
      this.log.debug({ error }, 'cannot listen for work; the tick finds it');
      await client.end().catch(() => undefined);
      this.again();
    }
  }

  private again(): void {
    if (this.stopped) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.connect(), RECONNECT_MS);
  }
}
