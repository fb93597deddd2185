import { Resolver } from 'node:dns/promises';
import { createReadStream } from 'node:fs';
import type { Fact, Logger } from '@ictcore/contract';
import { fact } from './mail';

/** Looks up a DNS record; rejects with a `code` (`ENOTFOUND`, `ENODATA`) where there is none, as `node:dns` does. */
export type DnsResolver = (name: string, type: string) => Promise<string[][] | string[]>;

/** Who handed the mail over. */
export interface Envelope {
  readonly ip: string;
  readonly helo: string;
  /** MAIL FROM, empty for bounces. */
  readonly sender: string;
  /** True if the client is a relay of ours: the one before it, named in its own trace field, is what SPF is about. */
  readonly relayed: boolean;
}

/** What SPF (RFC 7208), DKIM (RFC 6376) and DMARC (RFC 7489) say. */
export interface Authentication {
  readonly facts: readonly Fact[];
  /** True if the From: domain asks to refuse what fails, and this mail fails. */
  readonly dmarcReject: boolean;
}

/** Queries that one mail may cause; RFC 7208 needs up to 10 with their followers, each signature one. */
const MAX_QUERIES = 100;
/** Longest time for all checks of one mail, in milliseconds. */
const MAX_TIME_MS = 30_000;

/** A resolver of `node:dns` with limits on time. */
export function systemResolver(timeoutMs: number): DnsResolver {
  const resolver = new Resolver({ timeout: timeoutMs, tries: 1 });
  return (name, type) => resolver.resolve(name, type) as Promise<string[]>;
}

/**
 * Checks a mail that lies in a file. Never rejects: what cannot be checked is `temperror`. The library is loaded with
 * the first mail: it takes 36 MB.
 */
export async function authenticateMail(
  file: string,
  envelope: Envelope,
  mta: string,
  resolver: DnsResolver,
  log: Logger,
): Promise<Authentication> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no result after ${MAX_TIME_MS} ms`)), MAX_TIME_MS);
  });
  const source = createReadStream(file);
  try {
    return await Promise.race([late, checked(source, envelope, mta, limited(resolver))]);
  } catch (error) {
    log.warn({ error: (error as Error).message }, 'a mail could not be authenticated');
    return { facts: ['spf', 'dkim', 'dmarc'].flatMap((name) => fact(name, 'temperror')), dmarcReject: false };
  } finally {
    clearTimeout(timer);
    source.destroy();
  }
}

async function checked(
  source: NodeJS.ReadableStream,
  { ip, helo, sender, relayed }: Envelope,
  mta: string,
  resolver: DnsResolver,
): Promise<Authentication> {
  const { authenticate } = await import('mailauth');
  const client = relayed ? { trustReceived: true } : { ip, helo };
  const result = await authenticate(source as import('node:stream').Readable, {
    ...client,
    sender,
    mta,
    resolver,
    disableArc: true,
    disableBimi: true,
  });
  const signatures = (result.dkim?.results ?? []).filter(({ signingDomain }) => signingDomain);
  const dmarc = result.dmarc || undefined;
  const dmarcResult = dmarc?.status?.result ?? 'none';
  return {
    facts: [
      ...fact('spf', (result.spf || undefined)?.status?.result ?? 'none'),
      ...fact('spf_domain', (result.spf || undefined)?.domain),
      ...fact('dkim', dkimResult(signatures.map(({ status }) => status.result))),
      ...fact('dkim_domains', domainsOf(signatures)),
      ...fact('dmarc', dmarcResult),
      ...fact('dmarc_domain', dmarc?.domain),
      ...fact('dmarc_policy', dmarc?.policy),
    ],
    dmarcReject: dmarcResult === 'fail' && dmarc?.policy === 'reject',
  };
}

/** One good signature is enough; otherwise the first result tells why there is none. */
function dkimResult(results: readonly string[]): string {
  return results.includes('pass') ? 'pass' : (results[0] ?? 'none');
}

/** `pass:example.com fail:example.net`. */
function domainsOf(signatures: readonly { signingDomain: string; status: { result: string } }[]): string {
  return signatures.map(({ signingDomain, status }) => `${status.result}:${signingDomain}`).join(' ');
}

/** A mail with a thousand signatures does not make a thousand queries. */
function limited(resolver: DnsResolver): DnsResolver {
  let left = MAX_QUERIES;
  return async (name, type) => {
    left -= 1;
    if (left < 0) throw Object.assign(new Error('too many DNS queries for one mail'), { code: 'ETOOMANY' });
    return resolver(name, type);
  };
}
