import { EventEmitter } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { findBinaries } from './binaries';
import { type DataDir, ensurePassword, prepareDataDir, rememberedPort, rememberPort } from './data-dir';
import { EmbeddedPostgresError, errorCode } from './errors';
import { chooseIdentity } from './identity';
import { ensureCluster } from './initdb';
import { type DataDirLock, tryLockFile } from './lock';
import { acceptsLogin } from './login';
import { isPortFree, randomFreePort } from './port';
import { isServerOf, readPidFile, removeMisleadingPidFile, runningServer } from './running-server';
import { launchServer, shutDown } from './server-process';

/** The server in use at this moment. */
interface Current {
  pid: number;
  port: number;
  adopted: boolean;
  /** Settles when it is gone, with the reason. */
  exited: Promise<string>;
  /** For a child of ours: settles when it is reaped. */
  reaped?: Promise<string>;
  /** A reaped child's number may belong to somebody else by now: it gets no more signals. */
  reapedAlready?: boolean;
}

/** What the supervisor needs to know, with every default filled in. */
export interface SupervisorOptions {
  dir: DataDir;
  binDir: string | undefined;
  port: number | undefined;
  settings: Record<string, string>;
  /** False: initdb leaves the writing to the operating system. */
  syncInit: boolean;
  onLog: (line: string) => void;
}

/** The database is not there. */
export interface DownEvent {
  /** For people: exit status or signal, or why a restart failed. */
  reason: string;
  /** 0 for the loss itself, then the number of failed restarts. */
  attempt: number;
  /** Milliseconds until the next try. */
  retryInMs: number;
}

/** The database is back. */
export interface UpEvent {
  pid: number;
  port: number;
}

const WAIT_FOR_OTHERS_MS = 120_000;
const WAIT_POLL_MS = 100;
const WATCH_ADOPTED_MS = 500;
const BACKOFF_MS = [100, 500, 1_000, 2_000, 5_000, 10_000, 30_000];
/** A server that lived this long did not die of its start: the next loss is restarted at once again. */
const STABLE_AFTER_MS = 60_000;

/**
 * Keeps one server running on a directory. Whoever holds the owner lock starts, restarts and stops it; any other
 * process only uses it, and takes over when the owner is gone.
 */
export class Supervisor {
  readonly events = new EventEmitter<{ down: [DownEvent]; up: [UpEvent] }>();
  private readonly abort = new AbortController();
  private ownerLock: DataDirLock | undefined;
  private server: Current | undefined;
  private watching: Promise<void> = Promise.resolve();
  private stopped: Promise<void> | undefined;
  private passwordText = '';
  /** Covers process.exit() without stop() where no death signal exists. */
  private readonly onExit = () => {
    if (!this.ownerLock || !this.server || this.server.reapedAlready) return;
    if (readPidFile(this.options.dir.cluster)?.pid !== this.server.pid) return;
    try {
      process.kill(this.server.pid, 'SIGINT');
    } catch {
      // gone
    }
  };

  constructor(private readonly options: SupervisorOptions) {}

  get current(): Current {
    if (!this.server) throw new Error('not started');
    return this.server;
  }

  get password(): string {
    return this.passwordText;
  }

  /** Adopts or starts the server, then supervises it. A failed or aborted start leaves nothing running. */
  async start(signal?: AbortSignal): Promise<void> {
    const onAbort = () => this.abort.abort();
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) onAbort();
    try {
      prepareDataDir(this.options.dir);
      this.server = await this.acquire(this.options.port);
      process.once('exit', this.onExit);
      this.watching = this.watch();
    } catch (error) {
      await this.releaseLock();
      throw error;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Ends the server if it is ours, otherwise only the use of it. */
  stop(): Promise<void> {
    this.stopped ??= this.stopOnce();
    return this.stopped;
  }

  private async stopOnce(): Promise<void> {
    this.abort.abort();
    try {
      await this.shutDownOwn();
      // A restart under way ends by the abort; one that came through in the same moment is ended here.
      await this.watching;
      await this.shutDownOwn();
    } finally {
      process.removeListener('exit', this.onExit);
      await this.releaseLock();
    }
  }

  private async shutDownOwn(): Promise<void> {
    const { server, ownerLock } = this;
    if (!server || !ownerLock || server.reapedAlready) return;
    const { cluster } = this.options.dir;
    if (await isServerOf(server.pid, cluster)) await shutDown(server.pid, cluster, server.reaped);
  }

  private async releaseLock(): Promise<void> {
    await this.ownerLock?.release();
    this.ownerLock = undefined;
  }

  /** Waits for the end of the server, again and again, and brings it back. Ends with stop(). */
  private async watch(): Promise<void> {
    for (let losses = 0; !this.abort.signal.aborted; ) {
      const since = Date.now();
      const reason = await this.current.exited;
      if (this.abort.signal.aborted) return;
      losses = Date.now() - since > STABLE_AFTER_MS ? 0 : losses;
      if (!(await this.bringBack(`postgres ${this.current.pid}: ${reason}`, losses++))) return;
    }
  }

  private async bringBack(loss: string, losses: number): Promise<boolean> {
    let reason = loss;
    for (let attempt = 0; ; attempt++) {
      const retryInMs = BACKOFF_MS[Math.min(losses + attempt, BACKOFF_MS.length - 1)] ?? 30_000;
      this.options.onLog(`database down (${reason}); next try in ${retryInMs} ms`);
      this.events.emit('down', { reason, attempt, retryInMs });
      try {
        await delay(retryInMs, undefined, { signal: this.abort.signal });
        // The same port: the address has been given to others.
        this.server = await this.acquire(this.current.port);
        this.events.emit('up', { pid: this.server.pid, port: this.server.port });
        return true;
      } catch (error) {
        if (this.abort.signal.aborted) return false;
        reason = error instanceof Error ? error.message : String(error);
      }
    }
  }

  /** A server to use: the one that runs, or a new one if nobody else is in charge. */
  private async acquire(wantedPort: number | undefined): Promise<Current> {
    const { dir } = this.options;
    const deadline = Date.now() + WAIT_FOR_OTHERS_MS;
    for (;;) {
      if (this.abort.signal.aborted) throw new EmbeddedPostgresError('ABORTED', 'the start was aborted');
      this.ownerLock ??= await tryLockFile(dir.ownerLock);
      const running = await runningServer(dir.cluster);
      if (running?.status === 'ready' && running.port) {
        this.passwordText = ensurePassword(dir);
        if (await acceptsLogin(running.port, this.passwordText, dir.passwordFile)) {
          return { pid: running.pid, port: running.port, adopted: true, exited: this.vanished(running.pid) };
        }
      }
      if (!running && this.ownerLock) return this.launch(wantedPort);
      if (Date.now() > deadline) {
        const who = running ? `process ${running.pid} (${running.status || 'unknown state'})` : 'its owner';
        throw new EmbeddedPostgresError(
          'POSTGRES_NOT_ANSWERING',
          `the server in ${dir.cluster} does not accept sessions: look at ${who}, and end it with SIGQUIT if it hangs`,
        );
      }
      await delay(WAIT_POLL_MS);
    }
  }

  private async launch(wantedPort: number | undefined): Promise<Current> {
    const { dir, binDir, settings, syncInit, onLog } = this.options;
    const { signal } = this.abort;
    this.passwordText = ensurePassword(dir);
    const binaries = await findBinaries(binDir);
    const identity = await chooseIdentity(binaries, dir);
    if (process.platform === 'linux' && !identity.diesWithParent) {
      onLog('setpriv of util-linux is missing: if this process is killed, PostgreSQL stays and is adopted next time');
    }
    await ensureCluster(dir, binaries, identity, { sync: syncInit, signal });
    await removeMisleadingPidFile(dir.cluster);
    for (let attempt = 0; ; attempt++) {
      const port = await this.choosePort(wantedPort, attempt);
      rememberPort(dir, port);
      identity.own();
      try {
        const { pid, exited } = await launchServer({ dir, binaries, identity, port, settings, onLog, signal });
        const current: Current = { pid, port, adopted: false, exited, reaped: exited };
        void exited.then(() => {
          current.reapedAlready = true;
        });
        return await this.checked(current);
      } catch (error) {
        if (attempt >= 20 || !isPassing(error, wantedPort)) throw error;
        await delay(WAIT_POLL_MS * (attempt + 1));
      }
    }
  }

  /** A password file that was exchanged is noticed here, not by the first query. */
  private async checked(current: Current): Promise<Current> {
    try {
      await acceptsLogin(current.port, this.passwordText, this.options.dir.passwordFile);
      return current;
    } catch (error) {
      await shutDown(current.pid, this.options.dir.cluster, current.reaped);
      throw error;
    }
  }

  private async choosePort(wanted: number | undefined, attempt: number): Promise<number> {
    if (wanted === undefined) {
      const last = attempt === 0 ? rememberedPort(this.options.dir) : undefined;
      return last !== undefined && (await isPortFree(last)) ? last : randomFreePort();
    }
    if (await isPortFree(wanted)) return wanted;
    throw new EmbeddedPostgresError('PORT_IN_USE', `port ${wanted} is taken: end what listens there, or name another`);
  }

  /** The end of a process that is not our child can only be looked for. */
  private async vanished(pid: number): Promise<string> {
    while (!this.abort.signal.aborted && (await isServerOf(pid, this.options.dir.cluster))) {
      await delay(WATCH_ADOPTED_MS, undefined, { ref: false, signal: this.abort.signal }).catch(() => undefined);
    }
    return 'the adopted server is gone';
  }
}

/** Failures that pass by themselves: the backends of a killed server are still leaving; a port was taken meanwhile. */
function isPassing(error: unknown, wantedPort: number | undefined): boolean {
  if (errorCode(error) === 'PORT_IN_USE') return wantedPort === undefined;
  return error instanceof Error && /is still in use|lock file "postmaster.pid" already exists/.test(error.message);
}
