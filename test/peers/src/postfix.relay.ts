import { appendFile, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LOOPBACK, run } from './peer-process';
import type { PostfixPeer } from './postfix.peer';

/** Options of {@link relayByPostfix}. */
export interface PostfixRelayOptions {
  /** Domains and the port on 127.0.0.1 that their mail is sent on to. */
  readonly domains: Readonly<Record<string, number>>;
  /** STARTTLS towards the next server: `may` (as most servers do) by default. */
  readonly tls?: 'may' | 'encrypt' | 'none';
  /** Further lines of main.cf: `smtp_destination_concurrency_limit = 50`. */
  readonly lines?: readonly string[];
}

const DOMAIN = /^[a-z0-9.-]+$/;
/** Seconds: a table that is old enough for Postfix to trust it. */
const LONG_AGO = 1_577_836_800;

/**
 * Makes a running Postfix a sending MTA: mail for these domains goes on by SMTP to a server on loopback, bounces of its
 * own included; what cannot be delivered is tried again every second. Restarts it.
 */
export async function relayByPostfix(peer: PostfixPeer, options: PostfixRelayOptions): Promise<void> {
  const table = join(peer.dir, 'tables', 'relay');
  const lines = Object.entries(options.domains).map(([domain, port]) => {
    if (!DOMAIN.test(domain)) throw new Error(`not a domain: ${JSON.stringify(domain)}`);
    return `${domain} smtp:[${LOOPBACK}]:${port}\n`;
  });
  await writeFile(table, lines.join(''));
  await run('postmap', ['-c', join(peer.dir, 'etc'), `hash:${table}`], { timeout: 10_000 });
  await utimes(table, LONG_AGO, LONG_AGO);
  await utimes(`${table}.db`, LONG_AGO, LONG_AGO);
  await appendOnce(join(peer.dir, 'etc', 'master.cf'), ['smtp unix - - n - - smtp', 'relay unix - - n - - smtp']);
  const transport = `hash:${join(peer.dir, 'tables', 'transport')} hash:${table}`;
  await appendOnce(join(peer.dir, 'etc', 'main.cf'), [
    `transport_maps = ${transport}`,
    `smtp_tls_security_level = ${options.tls ?? 'may'}`,
    'smtp_host_lookup = native',
    'queue_run_delay = 1s',
    'minimal_backoff_time = 1s',
    'maximal_backoff_time = 2s',
    ...(options.lines ?? []),
  ]);
  await peer.restart();
}

/** A later line of main.cf replaces an earlier one of the same name. */
async function appendOnce(file: string, lines: readonly string[]): Promise<void> {
  const text = await readFile(file, 'utf8');
  const fresh = lines.filter((line) => !text.includes(`${line}\n`));
  await appendFile(file, fresh.map((line) => `${line}\n`).join(''));
  await utimes(file, LONG_AGO, LONG_AGO);
}
