import type { ChildProcess } from 'node:child_process';
import { chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Certificate, makeCertificate } from './certificate';
import { deliverToMaildir } from './maildir';
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

/** nobody on Debian owns the mail: Dovecot refuses to read mail as root. */
const MAIL_UID = 65534;
const START_TIMEOUT_MS = 20_000;

/** Options of {@link startDovecot}. */
export interface DovecotOptions {
  /** User names and their passwords; each user has an empty INBOX. */
  readonly users: Readonly<Record<string, string>>;
  /** STARTTLS, and TLS from the first byte on a second port, with a self-signed certificate. */
  readonly tls?: boolean;
}

/** Starts a Dovecot of its own with IMAP on loopback. Only root can: its login processes change to another user. */
export async function startDovecot(options: DovecotOptions): Promise<DovecotPeer> {
  const dir = await makePeerFolder('dovecot');
  try {
    const certificate = options.tls ? await makeCertificate(dir) : undefined;
    const ports = { imap: await freePort(), imaps: certificate ? await freePort() : 0 };
    await mkdir(join(dir, 'mail'));
    await chown(join(dir, 'mail'), MAIL_UID, MAIL_UID);
    await writeFile(join(dir, 'users'), passwordFile(options.users));
    await writeFile(join(dir, 'dovecot.conf'), configuration(dir, ports, certificate));
    const peer = new DovecotPeer(dir, ports, certificate?.pem);
    await peer.restart();
    return peer;
  } catch (error) {
    await removePeer(dir);
    throw error;
  }
}

/** The lines of a passwd-file. Its fields are separated by colons and cannot be quoted. */
function passwordFile(users: DovecotOptions['users']): string {
  const lines = Object.entries(users).map(([user, password]) => {
    if (!/^[\w.@+-]+$/.test(user)) throw new Error(`not a user name: ${JSON.stringify(user)}`);
    if (!/^[^:\r\n]+$/.test(password)) throw new Error(`the password of ${user} is empty or has a colon`);
    return `${user}:{PLAIN}${password}\n`;
  });
  return lines.join('');
}

/** dovecot.conf for Dovecot 2.3. */
function configuration(dir: string, ports: { imap: number; imaps: number }, certificate?: Certificate): string {
  const tls = certificate
    ? ['ssl = yes', `ssl_cert = <${certificate.certificateFile}`, `ssl_key = <${certificate.keyFile}`]
    : ['ssl = no'];
  return [
    'protocols = imap',
    `listen = ${LOOPBACK}`,
    `base_dir = ${dir}/run`,
    `state_dir = ${dir}/run`,
    `log_path = ${dir}/dovecot.log`,
    'mail_debug = no',
    'disable_plaintext_auth = no',
    'auth_mechanisms = plain login',
    `mail_home = ${dir}/mail/%u`,
    `mail_location = maildir:${dir}/mail/%u/Maildir`,
    'first_valid_uid = 1',
    // Mail that was put into the folder a moment ago must be seen: IDLE looks by inotify, and at worst this often.
    'mailbox_idle_check_interval = 1 secs',
    // No waiting after a wrong password, and none that grows for the one address all tests come from.
    'auth_failure_delay = 0',
    'service anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0\n  }\n}',
    ...tls,
    `passdb {\n  driver = passwd-file\n  args = username_format=%u ${dir}/users\n}`,
    `userdb {\n  driver = static\n  args = uid=${MAIL_UID} gid=${MAIL_UID}\n}`,
    'service imap-login {',
    `  inet_listener imap {\n    port = ${ports.imap}\n  }`,
    `  inet_listener imaps {\n    port = ${ports.imaps}\n    ssl = yes\n  }`,
    '}',
    '',
  ].join('\n');
}

/** A running Dovecot. */
export class DovecotPeer {
  readonly host = LOOPBACK;
  /** Port of IMAP, with STARTTLS when asked for. */
  readonly port: number;
  /** Port of IMAP inside TLS, only with `tls`. */
  readonly imapsPort: number | undefined;
  /** Milliseconds from starting the daemon to its greeting, of the last start. */
  startedInMs = 0;

  constructor(
    /** The folder all of its files are in. */
    readonly dir: string,
    ports: { readonly imap: number; readonly imaps: number },
    /** The certificate to trust, only with `tls`; it is valid for `localhost` and 127.0.0.1. */
    readonly caPem: string | undefined,
  ) {
    this.port = ports.imap;
    this.imapsPort = ports.imaps || undefined;
  }

  /** Starts it (again) on the same ports with the mail it had. */
  async restart(): Promise<void> {
    await this.kill();
    const begin = Date.now();
    const daemon: ChildProcess = spawnPeer('dovecot', ['-F', '-c', join(this.dir, 'dovecot.conf')], { dir: this.dir });
    try {
      await waitFor(`the greeting of Dovecot on port ${this.port}`, START_TIMEOUT_MS, async () => {
        if (daemon.exitCode !== null) throw new Error(`Dovecot ended with status ${daemon.exitCode}`);
        return (await answers(this.port, '* OK')) || undefined;
      });
    } catch (error) {
      throw new Error(
        `${(error as Error).message}\n${await this.log()}${await readLog(join(this.dir, 'console.log'))}`,
      );
    }
    this.startedInMs = Date.now() - begin;
  }

  /** Puts a mail into a user's INBOX by writing to the maildir, as a delivery agent does. */
  async deliver(user: string, rawMail: Buffer | string): Promise<void> {
    if (!/^[\w.@+-]+$/.test(user)) throw new Error(`not a user name: ${JSON.stringify(user)}`);
    const home = join(this.dir, 'mail', user);
    await mkdir(home, { recursive: true, mode: 0o700 });
    await chown(home, MAIL_UID, MAIL_UID);
    await deliverToMaildir(join(home, 'Maildir'), rawMail, MAIL_UID);
  }

  /** Kills all of its processes at once (SIGKILL); the port then refuses connections. */
  kill(): Promise<void> {
    return killProcessesIn(this.dir);
  }

  /** Ends it; leaves no process and no folder. */
  stop(): Promise<void> {
    return removePeer(this.dir);
  }

  /** The log so far. */
  log(): Promise<string> {
    return readLog(join(this.dir, 'dovecot.log'));
  }
}
