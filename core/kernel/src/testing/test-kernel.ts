import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  type Actor,
  type AnyDriver,
  type AnyPlugin,
  CONTRACT_VERSION,
  type DriverContext,
  definePlugin,
  defineProgram,
  type Health,
  type Order,
  type Outcome,
  resourceId,
  type SessionLimits,
  z,
} from '@ictcore/contract';
import { configSchema } from '../boot/config';
import { Kernel } from '../boot/kernel';
import { createLogger } from '../boot/logger';
import { Database } from '../database/database';
import { Engine } from '../queue/engine';
import { TransmissionService } from '../transmissions';
import { testDatabase } from './test-database';

/** May see and do everything; the administrator whom bootstrap made. */
export const ADMIN: Actor = { userId: 1, username: 'admin', can: () => true };

/** Of the administrator whom bootstrap made. */
export const ADMIN_PASSWORD = 'correct horse battery staple';

/** How the fake carrier answers one order. */
export type Answer = (order: Order, context: DriverContext, signal: AbortSignal) => Promise<Outcome> | Outcome;

/** A fake carrier for what no real one can be made to show: it answers exactly as the test says. */
export interface FakeCarrier {
  /** The provider type. */
  type: string;
  answer: Answer;
  /** Spool ids in the order in which they were handed over. */
  handed: number[];
  context: DriverContext | undefined;
  limits: SessionLimits;
  health: Health;
  receivesOnly?: boolean;
}

export function fakeCarrier(type: string, answer: Answer, more: Partial<FakeCarrier> = {}): FakeCarrier {
  return { type, answer, handed: [], context: undefined, limits: {}, health: { state: 'ok', detail: 'fake' }, ...more };
}

function driverOf(carrier: FakeCarrier, simulated: boolean): AnyDriver {
  return {
    type: carrier.type,
    channels: ['sms'],
    description: 'a fake carrier of the tests',
    simulated,
    receivesOnly: carrier.receivesOnly ?? false,
    settings: z.object({}),
    async open(_config, context) {
      carrier.context = context;
      return {
        get limits() {
          return carrier.limits;
        },
        async submit(order, signal) {
          carrier.handed.push(order.spoolId);
          return carrier.answer(order, context, signal);
        },
        check: async () => carrier.health,
        close: async () => undefined,
      };
    },
  };
}

const sendsms = defineProgram({
  type: 'sendsms',
  channel: 'sms',
  direction: 'outbound',
  description: 'one text to one number',
  parameters: z.object({ text_id: resourceId('text') }),
  scheme: ({ text_id }) => ({ start: 'send', steps: { send: { use: 'sms_send', with: { text_id } } } }),
});

export interface TestKernelOptions {
  carriers?: readonly FakeCarrier[];
  simulated?: FakeCarrier;
  plugins?: readonly AnyPlugin[];
  config?: Record<string, unknown>;
}

/** A kernel in this process, on a database of its own, with fake carriers and the program sendsms. */
export class TestKernel {
  readonly log: string[] = [];
  private readonly kernels: { kernel: Kernel; dataDir: string }[] = [];
  private readonly bases = new Map<Kernel, string | null>();

  private constructor(
    readonly database: Database,
    private readonly url: string,
    private readonly options: TestKernelOptions,
    private readonly closeDatabase: () => Promise<void>,
  ) {}

  static async start(options: TestKernelOptions = {}): Promise<TestKernel> {
    const made = await testDatabase();
    const test = new TestKernel(made.database, made.url, options, () => made.close());
    await test.boot();
    let weight = 0;
    for (const carrier of [...(options.carriers ?? []), ...(options.simulated ? [options.simulated] : [])]) {
      await test.database.query(`insert into provider (name, type, service_flag, weight) values ($1, $1, 4, $2)`, [
        carrier.type,
        weight++,
      ]);
    }
    test.engine().pool.invalidate();
    return test;
  }

  /** One more kernel (a node) on the same database. */
  async boot(config: Record<string, unknown> = {}): Promise<Kernel> {
    const dataDir = mkdtempSync(path.join(tmpdir(), 'ictcore-kernel-'));
    const kernel = new Kernel({
      config: configSchema.parse({
        port: 0,
        data_dir: dataDir,
        admin_password: ADMIN_PASSWORD,
        secret_key: Buffer.alloc(32, 3).toString('base64'),
        stop_timeout: 1,
        database_pool: 4,
        ...this.options.config,
        ...config,
        engine: { retry_delay: 0, ...(this.options.config?.engine as object), ...(config.engine as object) },
      }),
      log: createLogger('debug', { write: (line) => this.log.push(line) }),
      databaseUrl: this.url,
      version: '0.0.0-test',
      instance: dataDir,
      bundled: [this.plugin(), ...(this.options.plugins ?? [])],
      searchFolders: [],
    });
    this.kernels.push({ kernel, dataDir });
    this.bases.set(kernel, (await kernel.boot()).url);
    return kernel;
  }

  engine(kernel = this.kernels[0]?.kernel): Engine {
    return (kernel as Kernel).container.resolve(Engine);
  }

  /** Where this kernel answers HTTP; its administrator is `admin` with {@link ADMIN_PASSWORD}. */
  base(kernel = this.kernel): string {
    const base = this.bases.get(kernel);
    if (!base) throw new Error('this kernel answers no HTTP');
    return base;
  }

  get kernel(): Kernel {
    return this.kernels[0]?.kernel as Kernel;
  }

  /** Transmissions of one text to as many contacts, pending. */
  async transmissions(count: number, tryAllowed = 1): Promise<number[]> {
    const [program] = await this.database.query<{ program_id: number }>(
      `with t as (insert into text (name, data, created_by) values ('t', 'Hello [contact:first_name]', 1) returning text_id)
       insert into program (name, type, data, created_by)
       select 'sendsms', 'sendsms', jsonb_build_object('text_id', text_id), 1 from t returning program_id`,
    );
    const rows = await this.database.query<{ transmission_id: number }>(
      `with c as (
         insert into contact (first_name, phone, phone_normalized, created_by)
         select 'Ann', '+1555' || (1000000 + i), '+1555' || (1000000 + i), 1 from generate_series(1, $1::int) i
         returning contact_id)
       insert into transmission (service_flag, account_id, contact_id, program_id, try_allowed, created_by)
       select 4, (select min(account_id) from account), contact_id, $2::int8, $3::int, 1 from c returning transmission_id`,
      [count, program?.program_id, tryAllowed],
    );
    return rows.map((row) => row.transmission_id);
  }

  send(id: number): Promise<number> {
    return this.kernel.container.resolve(TransmissionService).send(ADMIN, id);
  }

  async state(id: number): Promise<{ status: string; response: string; try_done: number }> {
    const [row] = await this.database.query<{ status: string; response: string; try_done: number }>(
      'select status, response, try_done from transmission where transmission_id = $1',
      [id],
    );
    return row as { status: string; response: string; try_done: number };
  }

  spools(id: number) {
    return this.database.query<{
      spool_id: number;
      status: string;
      response: string;
      reason: string | null;
      call_id: string | null;
      deferrals: number;
      provider: string | null;
    }>(
      `select s.spool_id, s.status, s.response, s.reason, s.call_id, s.deferrals, p.name as provider
         from spool s left join provider p using (provider_id) where transmission_id = $1 order by spool_id`,
      [id],
    );
  }

  /** Waits until the transmission is in one of these states. */
  async until(id: number, ...states: string[]): Promise<{ status: string; response: string; try_done: number }> {
    const end = Date.now() + 10_000;
    for (;;) {
      const state = await this.state(id);
      if (states.includes(state.status)) return state;
      if (Date.now() > end) throw new Error(`transmission ${id} is still ${JSON.stringify(state)}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async stop(): Promise<void> {
    for (const { kernel, dataDir } of this.kernels) {
      await kernel.stop();
      rmSync(dataDir, { recursive: true, force: true });
    }
    await this.closeDatabase();
  }

  private plugin(): AnyPlugin {
    const { carriers = [], simulated } = this.options;
    return definePlugin({
      name: 'test-carriers',
      version: '1.0.0',
      api: `^${CONTRACT_VERSION}`,
      setup(registry) {
        registry.program(sendsms);
        for (const carrier of carriers) registry.driver(driverOf(carrier, false));
        if (simulated) registry.driver(driverOf(simulated, true));
      },
    });
  }
}
