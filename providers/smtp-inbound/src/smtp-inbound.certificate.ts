import { execFile } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { chmod, mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { SmtpInboundSettings } from './smtp-inbound.settings';

const run = promisify(execFile);
const DAYS = 825;
/** A certificate that ends sooner than this is made anew, in milliseconds: 30 days. */
const RENEW_MS = 30 * 86_400_000;

/** Key and certificate (PEM) of a listener. */
export interface TlsMaterial {
  readonly key: string;
  readonly cert: string;
}

/**
 * What the settings give, or a certificate of our own where they allow it; undefined if there is no TLS.
 *
 * @param scratch the provider's folder, where a certificate of our own is kept
 * @throws Error with words for people if openssl cannot make one
 */
export async function tlsMaterial(
  settings: SmtpInboundSettings,
  name: string,
  scratch: () => Promise<string>,
): Promise<TlsMaterial | undefined> {
  const { tls_key: key, tls_certificate: cert, self_signed } = settings;
  if (key !== undefined && cert !== undefined) return { key, cert };
  return self_signed ? ownCertificate(name, join(await scratch(), 'tls')) : undefined;
}

async function ownCertificate(name: string, folder: string): Promise<TlsMaterial> {
  const known = await readPair(folder);
  if (known && isGood(known, name)) return known;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const keyFile = join(folder, `key.${process.pid}.pem`);
  const certFile = join(folder, `certificate.${process.pid}.pem`);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc', '-keyout', keyFile];
  // RFC 5280 limits a common name to 64 characters; the alternative name is what counts.
  const subject = ['-subj', `/CN=${name.slice(0, 64)}`, '-addext', `subjectAltName=DNS:${name}`];
  try {
    await run('openssl', ['req', '-x509', ...key, ...subject, '-days', String(DAYS), '-out', certFile], {
      timeout: 15_000,
    });
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'openssl is not installed' : 'openssl failed';
    throw new Error(`no certificate of our own: ${why}. Install openssl, or give tls_key and tls_certificate`);
  }
  await chmod(keyFile, 0o600);
  await rename(keyFile, join(folder, 'key.pem'));
  await rename(certFile, join(folder, 'certificate.pem'));
  const made = await readPair(folder);
  if (!made) throw new Error(`no certificate of our own: ${folder} cannot be read`);
  return made;
}

async function readPair(folder: string): Promise<TlsMaterial | undefined> {
  try {
    const [key, cert] = await Promise.all([
      readFile(join(folder, 'key.pem'), 'utf8'),
      readFile(join(folder, 'certificate.pem'), 'utf8'),
    ]);
    return { key, cert };
  } catch {
    return undefined;
  }
}

function isGood({ key, cert }: TlsMaterial, name: string): boolean {
  try {
    const certificate = new X509Certificate(cert);
    const lasts = Date.parse(certificate.validTo) > Date.now() + RENEW_MS;
    return lasts && certificate.checkHost(name) !== undefined && certificate.checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}
