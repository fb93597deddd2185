import path from 'node:path';
import type { Job, Logger, PluginContext } from '@ictcore/contract';
import Bree from 'bree';
import type { Database } from '../database/database';

/** A job with the plugin it belongs to. */
export interface OwnedJob {
  plugin: string;
  context: PluginContext<never>;
  job: Job<never>;
}

/** What a clock worker says to the server. */
interface WorkerMessage {
  name: string;
  message: { type: 'due' } | { type: 'tick' } | { type: 'post'; message: unknown };
}

const WORKERS = path.join(__dirname, '..', '..', 'workers');
const TICKER = '@ictcore/tick';

export interface ClockOptions {
  jobs: readonly OwnedJob[];
  database: Database;
  log: Logger;
  /** Milliseconds between ticks of the engine. */
  tickMs: number;
  /** Runs at each tick; a tick that finds the last one still running is left out. */
  onTick: () => Promise<void>;
}

/**
 * Bree as the clock. The engine's tick comes from one long-lived worker. Each due job starts a worker thread that first
 * asks this process for leave; leave is given on one node only (a row in `clock_job`). Then the job's file runs in that
 * thread, or its `run` in the server. A job never overlaps itself.
 */
export class Clock {
  private readonly bree: Bree;
  private readonly jobs = new Map<string, OwnedJob>();
  private readonly abort = new AbortController();
  private readonly running = new Set<Promise<unknown>>();
  private ticking: Promise<void> | undefined;
  private stopping = false;

  constructor(private readonly options: ClockOptions) {
    for (const owned of options.jobs) this.jobs.set(`${owned.plugin}:${owned.job.name}`, owned);
    this.bree = new Bree({
      root: false,
      logger: false,
      acceptedExtensions: ['.cjs'],
      errorHandler: (error: Error, meta: { name?: string }) =>
        this.options.log.error({ error, job: meta?.name }, 'job failed'),
      workerMessageHandler: (message: WorkerMessage) => this.onMessage(message),
      jobs: [
        {
          name: TICKER,
          path: path.join(WORKERS, 'tick-worker.cjs'),
          worker: { workerData: { everyMs: options.tickMs } },
        },
        ...[...this.jobs].map(([name, { job }]) => jobOptions(name, job)),
      ],
    } as unknown as Bree.BreeOptions);
    this.bree.on('worker deleted', (name: string) => {
      if (name === TICKER && !this.stopping) setTimeout(() => void this.bree.run(TICKER), 1000).unref();
    });
  }

  async start(): Promise<void> {
    await this.bree.start();
  }

  /** Starts nothing more, tells running jobs to end and waits for them. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.abort.abort(new Error('the server is stopping'));
    await this.bree.stop();
    await Promise.allSettled([...this.running, this.ticking]);
  }

  private onMessage({ name, message }: WorkerMessage): void {
    if (message.type === 'tick') {
      this.tick();
      return;
    }
    const owned = this.jobs.get(name);
    if (!owned || this.stopping) return;
    const work =
      message.type === 'post' ? owned.job.onMessage?.(message.message, owned.context) : this.onDue(name, owned);
    const settled = Promise.resolve(work)
      .catch((error: unknown) => this.options.log.error({ job: name, error }, 'job failed'))
      .finally(() => this.running.delete(settled));
    this.running.add(settled);
  }

  private tick(): void {
    if (this.ticking || this.stopping) return;
    this.ticking = this.options
      .onTick()
      .catch((error: unknown) => this.options.log.warn({ error }, 'tick failed; the next one tries again'))
      .finally(() => {
        this.ticking = undefined;
      });
  }

  private async onDue(name: string, owned: OwnedJob): Promise<void> {
    const worker = this.bree.workers.get(name);
    const { run } = owned.job;
    let answer = 'no';
    try {
      if (await this.claim(name, owned.job)) {
        if (run) await run(owned.context, this.abort.signal);
        else answer = 'go';
      }
    } finally {
      // The thread of a job that runs here lives as long as the job, so that Bree does not start it twice.
      worker?.postMessage({ type: answer });
    }
  }

  /** True on one node only per due time: whoever moves `last_run` first, at least half a period after the last one. */
  private async claim(name: string, job: Job<never>): Promise<boolean> {
    const apartMs = job.everyMs === undefined ? 30_000 : job.everyMs / 2;
    const rows = await this.options.database.query(
      `insert into clock_job as j (name, last_run) values ($1, clock_timestamp())
       on conflict (name) do update set last_run = clock_timestamp()
         where j.last_run < clock_timestamp() - make_interval(secs => $2)
       returning 1 as claimed`,
      [name, apartMs / 1000],
    );
    return rows.length === 1;
  }
}

function jobOptions(name: string, job: Job<never>): Record<string, unknown> {
  return {
    name,
    path: path.join(WORKERS, 'job-worker.cjs'),
    timeout: false,
    ...(job.cron === undefined ? { interval: job.everyMs } : { cron: job.cron, timezone: job.timezone ?? 'UTC' }),
    worker: { workerData: { file: job.file ?? null, data: job.data ?? null } },
  };
}
