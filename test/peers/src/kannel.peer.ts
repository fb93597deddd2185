import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  answers,
  freePort,
  killProcessesIn,
  LOOPBACK,
  makePeerFolder,
  readLog,
  removePeer,
  spawnPeer,
  waitFor,
} from './peer-process';

const START_TIMEOUT_MS = 20_000;

/** Options of {@link startKannel}. */
export interface KannelOptions {
  /** The SMSC it binds to as a transceiver, usually one of startSmppSmsc (user `test`, password `secret`). */
  readonly smsc: { readonly port: number; readonly systemId?: string; readonly password?: string };
  /**
   * Where inbound messages are posted: raw body in its charset, with Kannel's escapes in the query, for example
   * `http://127.0.0.1:8000/mo?from=%p&to=%P&id=%I`. Without it they are taken and thrown away.
   */
  readonly inboundUrl?: string;
  /** Credentials of sendsms, `tester` / `foobar` by default. */
  readonly username?: string;
  readonly password?: string;
}

interface KannelConfig {
  readonly dir: string;
  readonly admin: number;
  readonly boxes: number;
  readonly sendsms: number;
  readonly smsc: Required<KannelOptions['smsc']>;
  readonly username: string;
  readonly password: string;
  readonly inboundUrl: string | undefined;
}

/**
 * Starts Kannel's bearerbox and smsbox on loopback, bound by SMPP to an SMSC. (Kannel's own `fake` SMSC, which
 * fakesmsc of kannel-extras talks to, listens on every address of the host and cannot be told not to.)
 */
export async function startKannel(options: KannelOptions): Promise<KannelPeer> {
  const dir = await makePeerFolder('kannel');
  try {
    const config: KannelConfig = {
      dir,
      admin: await freePort(),
      boxes: await freePort(),
      sendsms: await freePort(),
      smsc: { systemId: 'test', password: 'secret', ...options.smsc },
      username: options.username ?? 'tester',
      password: options.password ?? 'foobar',
      inboundUrl: options.inboundUrl,
    };
    await writeFile(join(dir, 'kannel.conf'), configuration(config));
    const peer = new KannelPeer(config);
    await peer.restart();
    return peer;
  } catch (error) {
    await removePeer(dir);
    throw error;
  }
}

/** One group of kannel.conf. A quoted value cannot hold a quote or a line end, so neither is let in. */
function group(name: string, values: Readonly<Record<string, string | number | boolean>>): string {
  const lines = Object.entries(values).map(([key, value]) => {
    if (/["\\\r\n]/.test(String(value))) throw new Error(`kannel.conf cannot hold ${key} = ${JSON.stringify(value)}`);
    return `${key} = "${value}"`;
  });
  return [`group = ${name}`, ...lines, ''].join('\n');
}

/** kannel.conf for Kannel 1.4.5: groups are separated by empty lines. */
function configuration(config: KannelConfig): string {
  const { dir, smsc } = config;
  const only = { 'log-level': 1 };
  const inbound = config.inboundUrl === undefined ? { text: '' } : { 'post-url': config.inboundUrl };
  return [
    group('core', {
      'admin-port': config.admin,
      'admin-interface': LOOPBACK,
      'admin-password': 'admin',
      'status-password': 'status',
      'admin-deny-ip': '*.*.*.*',
      'admin-allow-ip': LOOPBACK,
      'smsbox-port': config.boxes,
      'smsbox-interface': LOOPBACK,
      'box-deny-ip': '*.*.*.*',
      'box-allow-ip': LOOPBACK,
      'log-file': `${dir}/bearerbox.log`,
      ...only,
      'dlr-storage': 'internal',
    }),
    group('smsc', {
      smsc: 'smpp',
      'smsc-id': 'UPSTREAM',
      host: LOOPBACK,
      port: smsc.port,
      'smsc-username': smsc.systemId,
      'smsc-password': smsc.password,
      'system-type': '',
      'transceiver-mode': true,
      'max-pending-submits': 10,
      'enquire-link-interval': 10,
      'reconnect-delay': 1,
    }),
    group('smsbox', {
      'bearerbox-host': LOOPBACK,
      'sendsms-port': config.sendsms,
      'sendsms-interface': LOOPBACK,
      // No global-sender: with it %P of an inbound message is that sender, not the number that was written to.
      'log-file': `${dir}/smsbox.log`,
      ...only,
      'http-request-retry': 3,
      'http-queue-delay': 1,
    }),
    group('sendsms-user', {
      username: config.username,
      password: config.password,
      'max-messages': 10,
      concatenation: true,
      'user-allow-ip': LOOPBACK,
    }),
    group('sms-service', {
      keyword: 'default',
      'catch-all': true,
      'max-messages': 0,
      concatenation: true,
      'assume-plain-text': true,
      'accept-x-kannel-headers': true,
      ...inbound,
    }),
  ].join('\n');
}

/** A running Kannel gateway. */
export class KannelPeer {
  readonly host = LOOPBACK;
  /** Port of `/cgi-bin/sendsms`. */
  readonly port: number;
  /** Credentials of sendsms. */
  readonly username: string;
  readonly password: string;
  /** The folder all of its files are in. */
  readonly dir: string;
  /** Milliseconds from starting the daemons to the SMSC being online, of the last start. */
  startedInMs = 0;

  constructor(private readonly config: KannelConfig) {
    this.port = config.sendsms;
    this.username = config.username;
    this.password = config.password;
    this.dir = config.dir;
  }

  /** Starts it (again) on the same ports and waits until it is bound to the SMSC. Queued messages are lost. */
  async restart(): Promise<void> {
    await this.kill();
    const begin = Date.now();
    const conf = join(this.dir, 'kannel.conf');
    try {
      const bearerbox = spawnPeer('bearerbox', ['-v', '4', conf], { dir: this.dir });
      const running = (box: typeof bearerbox, name: string) => {
        if (box.exitCode !== null) throw new Error(`${name} ended with status ${box.exitCode}`);
      };
      await waitFor('the admin port of bearerbox', START_TIMEOUT_MS, async () => {
        running(bearerbox, 'bearerbox');
        return (await answers(this.config.boxes)) && (await answers(this.config.admin)) ? true : undefined;
      });
      const smsbox = spawnPeer('smsbox', ['-v', '4', conf], { dir: this.dir });
      await waitFor('sendsms and the bind of Kannel', START_TIMEOUT_MS, async () => {
        running(smsbox, 'smsbox');
        return (await this.isOnline()) && (await answers(this.port)) ? true : undefined;
      });
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${await this.log()}`);
    }
    this.startedInMs = Date.now() - begin;
  }

  /** Kannel's status page in plain text. */
  async status(): Promise<string> {
    const url = `http://${LOOPBACK}:${this.config.admin}/status.txt?password=status`;
    return (await fetch(url, { signal: AbortSignal.timeout(5000) })).text();
  }

  /** Whether it is bound to the SMSC and its smsbox is connected. */
  async isOnline(): Promise<boolean> {
    const status = await this.status().catch(() => '');
    return /UPSTREAM.*\(online/.test(status) && /smsbox:/.test(status);
  }

  /** Kills its processes at once (SIGKILL); its ports then refuse connections. */
  kill(): Promise<void> {
    return killProcessesIn(this.dir);
  }

  /** Ends it; leaves no process and no folder. */
  stop(): Promise<void> {
    return removePeer(this.dir);
  }

  /** The logs of both daemons so far. */
  async log(): Promise<string> {
    const names = ['bearerbox.log', 'smsbox.log', 'console.log'];
    return (await Promise.all(names.map((name) => readLog(join(this.dir, name))))).join('\n');
  }
}
