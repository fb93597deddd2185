import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './peer-process';

/** Files of a self-signed certificate, and the certificate itself for a client's `ca` option. */
export interface Certificate {
  readonly keyFile: string;
  readonly certificateFile: string;
  readonly pem: string;
}

/** Makes a P-256 key and a certificate for `localhost` and 127.0.0.1 that is valid for two days, in `dir`. */
export async function makeCertificate(dir: string): Promise<Certificate> {
  const keyFile = join(dir, 'key.pem');
  const certificateFile = join(dir, 'certificate.pem');
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-days', '2'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc', '-keyout', keyFile];
  await run('openssl', ['req', '-x509', ...key, ...subject, '-out', certificateFile], { timeout: 10_000 });
  return { keyFile, certificateFile, pem: await readFile(certificateFile, 'utf8') };
}
