import { randomInt, randomUUID } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CDR_FIELDS, type FarEndLayout, farEndConfig } from './asterisk.config';
import { asteriskFiles } from './asterisk.install';
import { killProcessesIn, makePeerFolder, readLog, removePeer, run, spawnPeer, waitFor } from './peer-process';

const START_TIMEOUT_MS = 20_000;

/** Options of {@link startAsterisk}. */
export interface AsteriskOptions {
  /** Loopback address of all its sockets, 127.0.0.2 by default. */
  readonly host?: string;
  /** SIP users that may register and call. Default: `gateway` with T.38 and `plain` without, password `trunk-pass`. */
  readonly users?: FarEndLayout['users'];
  /** A phone that registers to a gateway as this user, and records the calls it gets. */
  readonly phone?: NonNullable<FarEndLayout['phone']>;
}

/** One call as the far end itself recorded it. */
export interface FarEndCall extends Record<(typeof CDR_FIELDS)[number], string> {
  /** What the hangup handler wrote: recorded file, fax status, pages, mode, the sender's station id, fax error. */
  readonly facts: Readonly<Record<string, string>>;
}

/** A call from the far end to a gateway. */
export interface FarEndOriginate {
  /** The gateway's user, which must be registered here. */
  readonly to: string;
  readonly did: string;
  readonly from?: { readonly number: string; readonly name: string };
  /** What the far end does: send a fax, drop it after `seconds`, play a file and wait, press digits. */
  readonly script: 'fax' | 'faxdie' | 'talk' | 'digits';
  /** TIFF (fax) or sound without its suffix (talk, default `vm-intro`). */
  readonly file?: string;
  readonly digits?: string;
  readonly seconds?: number;
  /** SendFAX options: `f` (default) audio with T.38 where the gateway asks for it, `fz` asks itself, `F` audio only. */
  readonly faxModes?: string;
}

/** A UDP port of this address that is free at this moment. */
export async function freeUdpPort(host: string, count = 1): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const first = 20_000 + 2 * randomInt(5_800);
    if (await udpFree(host, first)) return count === 1 ? first : first - (first % 2);
  }
  throw new Error(`no free UDP port on ${host} in a hundred attempts`);
}

function udpFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => resolve(false));
    socket.bind({ port, address: host, exclusive: true }, () => socket.close(() => resolve(true)));
  });
}

/** Starts Debian's Asterisk 22 as a carrier with scripted numbers (see README) on loopback. */
export async function startAsterisk(options: AsteriskOptions = {}): Promise<AsteriskPeer> {
  const dir = await makePeerFolder('asterisk');
  try {
    const host = options.host ?? '127.0.0.2';
    const layout: FarEndLayout = {
      dir,
      host,
      sipPort: await freeUdpPort(host),
      rtpStart: 32_100 + 300 * randomInt(80),
      files: asteriskFiles(),
      users: options.users ?? [
        { name: 'gateway', password: 'trunk-pass', t38: true },
        { name: 'plain', password: 'trunk-pass', t38: false },
      ],
      ...(options.phone && { phone: options.phone }),
    };
    for (const folder of FOLDERS) await mkdir(join(dir, folder), { recursive: true });
    for (const [name, text] of Object.entries(farEndConfig(layout))) await writeFile(join(dir, 'etc', name), text);
    const peer = new AsteriskPeer(layout);
    await peer.restart();
    return peer;
  } catch (error) {
    await removePeer(dir);
    throw error;
  }
}

const FOLDERS = [
  ...['etc', 'run', 'log/cdr-csv', 'log/cdr-custom', 'log/cel-custom', 'lib/keys'],
  ...['outgoing', 'outgoing_done', 'tmp', 'fax', 'rec', 'monitor', 'recording'].map((name) => `spool/${name}`),
];

/** A running far end. */
export class AsteriskPeer {
  readonly host: string;
  /** SIP over UDP. */
  readonly port: number;
  readonly dir: string;
  /** Milliseconds from starting the daemon to "fully booted", of the last start. */
  startedInMs = 0;

  constructor(private readonly layout: FarEndLayout) {
    this.host = layout.host;
    this.port = layout.sipPort;
    this.dir = layout.dir;
  }

  /** Starts it (again) on the same ports; calls that were up are gone. */
  async restart(): Promise<void> {
    await this.kill();
    const begin = Date.now();
    const child = spawnPeer(this.layout.files.binary, ['-C', this.configFile, '-f'], { dir: this.dir });
    try {
      await waitFor('the control socket of Asterisk', START_TIMEOUT_MS, () => {
        if (child.exitCode !== null) throw new Error(`Asterisk ended with status ${child.exitCode}`);
        return existsSync(join(this.dir, 'run/asterisk.ctl')) || undefined;
      });
      await waitFor('Asterisk to be booted', START_TIMEOUT_MS, () =>
        this.command('core waitfullybooted').then(
          (said) => said.includes('booted') || undefined,
          () => undefined,
        ),
      );
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${await this.log()}`);
    }
    this.startedInMs = Date.now() - begin;
  }

  private get configFile(): string {
    return join(this.dir, 'etc/asterisk.conf');
  }

  /** Runs one command of its command line interface and returns what it says. */
  async command(command: string): Promise<string> {
    const { stdout } = await run(this.layout.files.binary, ['-C', this.configFile, '-rx', command], {
      timeout: 10_000,
    });
    return stdout;
  }

  /** Calls a gateway; the call runs on by itself. */
  async call(order: FarEndOriginate): Promise<void> {
    const from = order.from ?? { number: '+4402071234', name: 'Bob' };
    const lines = [
      `Channel: PJSIP/${order.did}@${order.to}`,
      `CallerID: "${from.name}" <${from.number}>`,
      'Context: to-gateway',
      `Extension: ${order.script}`,
      'Priority: 1',
      'WaitTime: 20',
      'MaxRetries: 0',
      `Setvar: FAXFILE=${order.script.startsWith('fax') ? (order.file ?? '') : ''}`,
      `Setvar: FAXMODES=${order.faxModes ?? 'f'}`,
      `Setvar: FILE=${order.file ?? 'vm-intro'}`,
      `Setvar: DIGITS=${order.digits ?? '1'}`,
      `Setvar: SECONDS=${order.seconds ?? 20}`,
    ];
    if (lines.some((line) => /[\r\n]/.test(line))) throw new Error('a line break in a call file');
    // Asterisk watches the folder: the file must appear in it complete.
    const name = `${randomUUID()}.call`;
    await writeFile(join(this.dir, 'spool/tmp', name), `${lines.join('\n')}\n`);
    await rename(join(this.dir, 'spool/tmp', name), join(this.dir, 'spool/outgoing', name));
  }

  /** The calls that have ended, in order of their end, as this end recorded them. */
  async calls(): Promise<FarEndCall[]> {
    const text = await readFile(join(this.dir, 'log/cdr-custom/Far.csv'), 'utf8').catch(() => '');
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const cells = [...line.matchAll(/"((?:[^"]|"")*)"/g)].map((match) => (match[1] ?? '').replaceAll('""', '"'));
        const call = Object.fromEntries(CDR_FIELDS.map((name, index) => [name, cells[index] ?? '']));
        const facts = Object.fromEntries(new URLSearchParams((call.userfield ?? '').replaceAll('+', '%2B')));
        return { ...(call as Record<(typeof CDR_FIELDS)[number], string>), facts };
      });
  }

  /** Waits for the end of a call that `wanted` picks. */
  waitForCall(what: string, wanted: (call: FarEndCall) => boolean, timeoutMs = 10_000): Promise<FarEndCall> {
    return waitFor(`the far end's record of ${what}`, timeoutMs, async () => (await this.calls()).find(wanted), 100);
  }

  /** Waits until a gateway has registered as this user. */
  async waitForRegistration(user: string, timeoutMs = 10_000): Promise<void> {
    await waitFor(`the registration of ${user}`, timeoutMs, async () => {
      const contacts = await this.command('pjsip show contacts');
      return contacts.includes(`${user}/`) || undefined;
    });
  }

  /** Kills it at once (SIGKILL). */
  kill(): Promise<void> {
    return killProcessesIn(this.dir);
  }

  /** Ends it; leaves no process and no folder. */
  stop(): Promise<void> {
    return removePeer(this.dir);
  }

  /** Its log so far. */
  async log(): Promise<string> {
    const names = ['log/messages', 'console.log'];
    return (await Promise.all(names.map((name) => readLog(join(this.dir, name))))).join('\n');
  }
}
