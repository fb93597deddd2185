import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Certificate, makeCertificate } from './certificate';
import { MaildirReader, type ReceivedMail } from './maildir';
import {
  answers,
  freePort,
  killProcessesIn,
  LOOPBACK,
  makePeerFolder,
  readLog,
  removePeer,
  run,
  spawnPeer,
  waitFor,
} from './peer-process';
import type { RecipientRules } from './postfix.config';
import { MAIL_UID, mainCf, masterCf, type PostfixConfig, type PostfixMode, ruleTables } from './postfix.config';

const MASTER = '/usr/lib/postfix/sbin/master';
/** Name in the greeting, in trace headers and in reports; also the realm of its users. */
const HOSTNAME = 'postfix.test';
/** Modification time of files that Postfix shall take for settled, in seconds: 2020-01-01. */
const LONG_AGO = 1_577_836_800;
const START_TIMEOUT_MS = 20_000;
const DEFAULT_SIZE_LIMIT = 50 * 1024 * 1024;

/** Options of {@link startPostfix}. */
export interface PostfixOptions extends RecipientRules {
  /** `mailbox` keeps every accepted mail for {@link PostfixPeer.messages}, `discard` throws it away (benchmarks). */
  readonly mode: PostfixMode;
  /** Offer STARTTLS, and TLS from the first byte on a second port, with a self-signed certificate. */
  readonly tls?: boolean;
  /** Only clients that authenticate (PLAIN, LOGIN, CRAM-MD5) may send; with `tls` only after STARTTLS. */
  readonly auth?: { readonly username: string; readonly password: string };
  /** Bytes announced in SIZE and enforced; 50 MiB by default. */
  readonly messageSizeLimit?: number;
  /** Port on 127.0.0.1; a free one by default. */
  readonly port?: number;
  /** Empty or absent folder to work in, removed by stop(); a new temporary folder by default. */
  readonly dir?: string;
}

/** Starts a Postfix of its own on loopback. Only root can: its daemons change to the user `postfix`. */
export async function startPostfix(options: PostfixOptions): Promise<PostfixPeer> {
  const dir = await makePeerFolder('postfix', options.dir);
  try {
    const certificate = options.tls ? await makeCertificate(dir) : undefined;
    const config: PostfixConfig = {
      dir,
      mode: options.mode,
      port: options.port ?? (await freePort()),
      hostname: HOSTNAME,
      messageSizeLimit: options.messageSizeLimit ?? DEFAULT_SIZE_LIMIT,
      sasl: options.auth !== undefined,
      ...(certificate && { certificate, smtpsPort: await freePort() }),
    };
    await writeConfiguration(config);
    if (options.auth) await addUser(dir, options.auth.username, options.auth.password);
    const peer = new PostfixPeer(config, certificate);
    await peer.setRecipients(options);
    await peer.restart();
    return peer;
  } catch (error) {
    await removePeer(dir);
    throw error;
  }
}

/** Queue folders of Debian's postfix-files(5) that only the user postfix may enter. */
const QUEUE_FOLDERS = ['active', 'bounce', 'corrupt', 'defer', 'deferred', 'flush', 'hold', 'incoming', 'private'];

async function writeConfiguration(config: PostfixConfig): Promise<void> {
  const { dir } = config;
  for (const name of ['etc', 'etc/sasl', 'queue', 'data', 'mail', 'tables']) await mkdir(join(dir, name));
  const postfix = Number((await run('id', ['-u', 'postfix'])).stdout);
  const postdrop = Number((await run('getent', ['group', 'postdrop'])).stdout.split(':')[2]);
  await chown(join(dir, 'data'), postfix, 0);
  await chown(join(dir, 'mail'), MAIL_UID, MAIL_UID);
  const queue = async (name: string, mode: number, owner: number, group: number) => {
    await mkdir(join(dir, 'queue', name));
    await chown(join(dir, 'queue', name), owner, group);
    await chmod(join(dir, 'queue', name), mode);
  };
  for (const name of [...QUEUE_FOLDERS, 'saved', 'trace']) await queue(name, 0o700, postfix, 0);
  await queue('maildrop', 0o1730, postfix, postdrop);
  await queue('public', 0o2710, postfix, postdrop);
  await queue('pid', 0o755, 0, 0);
  const files = { 'etc/main.cf': mainCf(config), 'etc/master.cf': masterCf(config), 'tables/any': '/./ any\n' };
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(dir, name), text);
    // Postfix waits until a file is two seconds old before it trusts that nobody is still writing it.
    await utimes(join(dir, name), LONG_AGO, LONG_AGO);
  }
}

/** Adds a user to the instance's own sasldb, of the realm that smtpd looks in (myhostname). */
async function addUser(dir: string, username: string, password: string): Promise<void> {
  const database = join(dir, 'etc', 'sasl', 'sasldb2');
  const lines = ['pwcheck_method: auxprop', 'auxprop_plugin: sasldb', `sasldb_path: ${database}`];
  await writeFile(join(dir, 'etc', 'sasl', 'smtpd.conf'), [...lines, 'mech_list: PLAIN LOGIN CRAM-MD5', ''].join('\n'));
  const adding = run('saslpasswd2', ['-p', '-c', '-f', database, '-u', HOSTNAME, username], { timeout: 10_000 });
  adding.child.stdin?.end(password);
  await adding;
  await chmod(database, 0o644);
}

/** A running Postfix. */
export class PostfixPeer {
  readonly host = LOOPBACK;
  /** Port of plain SMTP, with STARTTLS when asked for. */
  readonly port: number;
  /** Port of SMTP inside TLS, only with `tls`. */
  readonly smtpsPort: number | undefined;
  /** The certificate to trust, only with `tls`; it is valid for `localhost` and 127.0.0.1. */
  readonly caPem: string | undefined;
  /** The folder all of its files are in. */
  readonly dir: string;
  /** Milliseconds from starting the daemon to its greeting, of the last start. */
  startedInMs = 0;

  private master: ChildProcess | undefined;
  private readonly maildir: MaildirReader;
  private tableVersion = 0;

  constructor(
    private readonly config: PostfixConfig,
    certificate: Certificate | undefined,
  ) {
    this.port = config.port;
    this.smtpsPort = config.smtpsPort;
    this.caPem = certificate?.pem;
    this.dir = config.dir;
    this.maildir = new MaildirReader(join(config.dir, 'mail', 'all'));
  }

  /**
   * Replaces the rules for recipients; the next SMTP session sees them. (A process that serves a session already keeps
   * the old ones, and transports of mail already queued may be remembered by the queue manager.)
   */
  async setRecipients(rules: RecipientRules): Promise<void> {
    this.tableVersion += 1;
    // smtpd notices a new table by a later modification time in whole seconds, before it accepts a client. Each
    // version gets a second of its own, all of them in the past.
    const time = LONG_AGO + this.tableVersion;
    for (const [name, text] of Object.entries(ruleTables(rules))) {
      const file = join(this.dir, 'tables', name);
      await writeFile(file, text);
      await run('postmap', ['-c', join(this.dir, 'etc'), `hash:${file}`], { timeout: 10_000 });
      await utimes(file, time, time);
      await utimes(`${file}.db`, time, time);
    }
  }

  /** Starts it (again) on the same port with the queue and the mail it had; after {@link kill}, or while it runs. */
  async restart(): Promise<void> {
    await this.kill();
    const begin = Date.now();
    const master = spawnPeer(MASTER, ['-s', '-c', join(this.dir, 'etc')], { dir: this.dir });
    this.master = master;
    try {
      await waitFor(`the greeting of Postfix on port ${this.port}`, START_TIMEOUT_MS, async () => {
        if (master.exitCode !== null) throw new Error(`Postfix ended with status ${master.exitCode}`);
        return (await answers(this.port, '220 ')) || undefined;
      });
    } catch (error) {
      throw new Error(
        `${(error as Error).message}\n${await this.log()}${await readLog(join(this.dir, 'console.log'))}`,
      );
    }
    this.startedInMs = Date.now() - begin;
  }

  /** Kills all of its processes at once (SIGKILL), as a crashed host would; the port then refuses connections. */
  async kill(): Promise<void> {
    const master = this.master;
    this.master = undefined;
    const exited = master && master.exitCode === null && master.signalCode === null ? once(master, 'exit') : undefined;
    await killProcessesIn(this.dir);
    await exited;
  }

  /** Ends it; leaves no process and no folder. */
  async stop(): Promise<void> {
    await this.kill();
    await removePeer(this.dir);
  }

  /**
   * Mail delivered to a recipient (any case), oldest first. Bounces that Postfix itself made for an envelope sender
   * are found under that address.
   */
  async messages(recipient: string): Promise<ReceivedMail[]> {
    if (this.config.mode === 'discard') throw new Error('Postfix in discard mode keeps no mail; look at log()');
    const wanted = recipient.toLowerCase();
    return (await this.maildir.messages()).filter((mail) => mail.envelopeTo.toLowerCase() === wanted);
  }

  /**
   * Waits until at least `count` mails were delivered to a recipient.
   *
   * @param timeoutMs milliseconds, 10000 by default
   * @throws Error with the end of the log when they do not come in time
   */
  async waitForMessages(recipient: string, count: number, timeoutMs = 10_000): Promise<ReceivedMail[]> {
    try {
      return await waitFor(`${count} mails to ${recipient}`, timeoutMs, async () => {
        const mails = await this.messages(recipient);
        return mails.length >= count ? mails : undefined;
      });
    } catch (error) {
      const log = (await this.log()).split('\n').slice(-20).join('\n');
      throw new Error(`${(error as Error).message}\n${log}`);
    }
  }

  /** The mail log so far. */
  log(): Promise<string> {
    return readLog(join(this.dir, 'mail.log'));
  }
}
