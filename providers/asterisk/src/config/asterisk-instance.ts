import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@ictcore/contract';
import { type AsteriskBinary, asteriskCommand, runningAsterisk, spawnAsterisk } from './asterisk-process';
import { baseConfig } from './base-config';
import { type AsteriskLayout, layoutFolders, type PortRange, paths } from './layout';
import { writeAtomic } from './write-atomic';

/** A local Asterisk that we start and watch. */
export interface LocalAsteriskOptions extends AsteriskBinary {
  /** Folder of its configuration, journal and files; made if it is not there. */
  readonly dir: string;
  readonly modulesDir: string;
  readonly dataDir: string;
  readonly sip: AsteriskLayout['sip'];
  /** Default: 127.0.0.1 and a free port chosen at the first start. */
  readonly ami?: { readonly host?: string; readonly port?: number };
  readonly rtp?: PortRange;
  readonly udptl?: PortRange;
  readonly log: Logger;
}

const BOOT_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 5000;
const WATCH_MS = 500;
const MAX_RESTART_MS = 30_000;
/** One that ran this long was healthy: its next restart is a first one. */
const HEALTHY_MS = 60_000;
const MAX_CONSOLE_BYTES = 10 * 1024 * 1024;

/** What is chosen once and kept in the folder, so that a running Asterisk is found again. */
interface Identity {
  readonly amiPort: number;
  readonly amiSecret: string;
  readonly systemName: string;
}

/**
 * Runs an Asterisk of our own: writes its configuration, starts it, adopts one that outlived the last server, and
 * starts it again when it dies.
 */
export class AsteriskInstance {
  private watching: NodeJS.Timeout | undefined;
  private restartMs = 0;
  private startedAt = 0;
  private stopped = true;

  private constructor(
    readonly layout: AsteriskLayout,
    private readonly options: LocalAsteriskOptions,
  ) {}

  /** Prepares folder and configuration; starts nothing yet. */
  static async prepare(options: LocalAsteriskOptions): Promise<AsteriskInstance> {
    for (const folder of layoutFolders(options.dir)) await mkdir(folder, { recursive: true, mode: 0o700 });
    const identity = await readIdentity(options);
    const layout: AsteriskLayout = {
      dir: options.dir,
      modulesDir: options.modulesDir,
      dataDir: options.dataDir,
      systemName: identity.systemName,
      sip: options.sip,
      ami: {
        host: options.ami?.host ?? '127.0.0.1',
        port: identity.amiPort,
        username: 'ictcore',
        secret: identity.amiSecret,
      },
      rtp: options.rtp ?? { first: 10_000, last: 19_998 },
      udptl: options.udptl ?? { first: 4000, last: 4999 },
    };
    for (const [name, text] of Object.entries(baseConfig(layout))) {
      await writeAtomic(join(options.dir, 'etc', name), text);
    }
    return new AsteriskInstance(layout, options);
  }

  /** The daemon's process id, undefined while it is down. */
  get pid(): number | undefined {
    return runningAsterisk(this.options.dir);
  }

  /**
   * Starts it, or adopts the one that runs on this folder, and watches it from now on. Resolves when it is booted.
   *
   * @throws Error with the end of Asterisk's own log
   */
  async start(): Promise<'started' | 'adopted'> {
    this.stopped = false;
    const adopted = this.pid !== undefined;
    if (adopted) await this.command('core reload');
    else await this.boot();
    this.startedAt = Date.now();
    this.watch();
    return adopted ? 'adopted' : 'started';
  }

  /** Runs a command of Asterisk's command line interface. */
  command(command: string): Promise<string> {
    return asteriskCommand(this.options.dir, this.options, command);
  }

  /** Leaves it running, with its calls, for the next server to adopt. */
  release(): void {
    this.stopped = true;
    clearTimeout(this.watching);
  }

  /** Ends it with all calls: orderly (their ends are in the journal), by SIGKILL if it does not obey. */
  async stop(): Promise<void> {
    this.release();
    const { pid } = this;
    if (pid === undefined) return;
    await this.command('core stop now').catch(() => undefined);
    const end = Date.now() + STOP_TIMEOUT_MS;
    while (this.pid === pid && Date.now() < end) await sleep(20);
    if (this.pid === pid) process.kill(pid, 'SIGKILL');
    while (this.pid === pid && Date.now() < end + STOP_TIMEOUT_MS) await sleep(20);
  }

  private async boot(): Promise<void> {
    const { dir, log } = this.options;
    await rotate(join(dir, 'log/console'));
    await rotate(paths.messages(dir));
    const begin = Date.now();
    const child = spawnAsterisk(dir, this.options);
    let problem: string | undefined;
    child.once('error', (error) => {
      problem = error.message;
    });
    child.once('exit', (code, signal) => {
      problem = `it ended with ${signal ?? `status ${code}`}`;
    });
    while (problem === undefined && Date.now() - begin < BOOT_TIMEOUT_MS) {
      await sleep(50);
      const said = this.pid === undefined ? '' : await this.command('core waitfullybooted').catch(() => '');
      if (!said.includes('fully booted')) continue;
      log.info({ pid: this.pid, ms: Date.now() - begin }, 'asterisk: booted');
      return;
    }
    throw new Error(`Asterisk does not start: ${problem ?? 'not booted in time'}\n${await this.lastWords()}`);
  }

  /** Looks at the process instead of waiting for a child: an adopted one is no child of ours. */
  private watch(): void {
    this.watching = setTimeout(() => {
      if (this.stopped) return;
      if (this.pid !== undefined) return this.watch();
      void this.revive();
    }, WATCH_MS);
    this.watching.unref();
  }

  private async revive(): Promise<void> {
    const { log } = this.options;
    if (Date.now() - this.startedAt > HEALTHY_MS) this.restartMs = 0;
    log.error({ lastWords: await this.lastWords(), waitMs: this.restartMs }, 'asterisk: died, is started again');
    await sleep(this.restartMs);
    this.restartMs = Math.min(MAX_RESTART_MS, this.restartMs ? this.restartMs * 2 : 250);
    if (this.stopped) return;
    try {
      await this.boot();
    } catch (error) {
      log.error({ error: (error as Error).message }, 'asterisk: could not be started again');
    }
    this.startedAt = Date.now();
    if (this.stopped) await this.stop();
    else this.watch();
  }

  private async lastWords(): Promise<string> {
    const files = ['log/console', 'log/messages'].map((name) => join(this.options.dir, name));
    const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')));
    return texts.map((text) => text.trimEnd().split('\n').slice(-5).join('\n')).join('\n');
  }
}

async function readIdentity(options: LocalAsteriskOptions): Promise<Identity> {
  const file = join(options.dir, 'identity.json');
  const known = await readFile(file, 'utf8').then(
    (text) => JSON.parse(text) as Identity,
    () => undefined,
  );
  const identity: Identity = {
    amiPort: options.ami?.port ?? known?.amiPort ?? (await freePort(options.ami?.host ?? '127.0.0.1')),
    amiSecret: known?.amiSecret ?? randomBytes(24).toString('hex'),
    systemName: known?.systemName ?? `ict${randomBytes(4).toString('hex')}`,
  };
  await writeAtomic(file, JSON.stringify(identity));
  return identity;
}

function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

/** Keeps one older file, so that logs stay bounded over restarts. */
async function rotate(file: string): Promise<void> {
  const size = await stat(file).then(
    (found) => found.size,
    () => 0,
  );
  if (size > MAX_CONSOLE_BYTES) await rename(file, `${file}.1`);
}
