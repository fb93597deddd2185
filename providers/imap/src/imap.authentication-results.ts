import type { Fact } from '@ictcore/contract';
import { fact, type ParsedMail } from './mail';

/**
 * What the mail server found out about the sender, from the Authentication-Results field (RFC 8601) that it put on top
 * of all others. Believed only under the configured name: a server removes fields that strangers wrote under its own
 * (RFC 8601 section 5). No facts without it.
 */
export function authenticationFacts(mail: ParsedMail, trusted: string | undefined): Fact[] {
  const value = mail.headers.get('authentication-results');
  if (trusted === undefined || value === undefined) return [];
  const [name = '', ...results] = value.replace(/\([^()]*\)/g, ' ').split(';');
  if (name.trim().split(/\s+/)[0]?.toLowerCase() !== trusted.toLowerCase()) return [];
  const found = results.map(resultOf).filter((each) => each !== undefined);
  const of = (method: string) => found.filter((each) => each.method === method);
  const signatures = of('dkim');
  const dkim = signatures.find(({ result }) => result === 'pass') ?? signatures[0];
  return [
    ...fact('spf', of('spf')[0]?.result),
    ...fact('spf_domain', domainOf(of('spf')[0]?.properties.get('smtp.mailfrom'))),
    ...fact('dkim', dkim?.result),
    ...fact('dkim_domains', signatures.map(signatureText).join(' ')),
    ...fact('dmarc', of('dmarc')[0]?.result),
    ...fact('dmarc_domain', domainOf(of('dmarc')[0]?.properties.get('header.from'))),
  ];
}

interface Result {
  readonly method: string;
  readonly result: string;
  readonly properties: ReadonlyMap<string, string>;
}

/** `dkim=pass header.d=example.com`. */
function resultOf(text: string): Result | undefined {
  const [first = '', ...rest] = text.trim().split(/\s+/);
  const [, method, result] = /^([a-z0-9-]+)(?:\/\d+)?=([a-z]+)$/i.exec(first) ?? [];
  if (method === undefined || result === undefined) return undefined;
  const pairs = rest.map((pair) => /^([a-z.-]+)=(.*)$/i.exec(pair)).filter((pair) => pair !== null);
  const properties = new Map(pairs.map(([, name = '', value = '']) => [name.toLowerCase(), value]));
  return { method: method.toLowerCase(), result: result.toLowerCase(), properties };
}

function signatureText({ result, properties }: Result): string {
  return `${result}:${properties.get('header.d') ?? domainOf(properties.get('header.i')) ?? ''}`;
}

function domainOf(value: string | undefined): string | undefined {
  return value?.replace(/^.*@/, '').replace(/[<>"]/g, '').toLowerCase();
}
