import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { secret, z } from '@ictcore/contract';
import { plainDomain, splitAddress } from './mail';

/** Port without a provider row's own: 25 is for those who may bind it, or send it on to this one. */
export const INBOUND_PORT = 2525;
const MEGABYTE = 1024 * 1024;
const DOMAIN = /^(?!-)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*$/;

const domain = z
  .string()
  .transform(plainDomain)
  .refine((text) => DOMAIN.test(text) && text.length <= 253, 'no domain');
const address = z
  .string()
  .trim()
  .refine((text) => splitAddress(text) !== undefined && !/[\s<>]/.test(text), 'no e-mail address');

function isPrivateKey(pem: string): boolean {
  try {
    return createPrivateKey(pem).type === 'private';
  } catch {
    return false;
  }
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

/** An address or a network (`10.0.0.0/8`). */
function isNetwork(text: string): boolean {
  const [ip = '', bits, more] = text.split('/');
  const family = isIP(ip);
  if (family === 0 || more !== undefined) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

/** Lines of `name:password`. */
function areLogins(text: string): boolean {
  return text.split('\n').every((line) => line.trim() === '' || /^[^:\s]+:.+$/.test(line.trim()));
}

const fields = z.object({
  domains: z
    .array(domain)
    .max(1000)
    .default([])
    .meta({ description: 'Domains that mail is taken for. Nothing listens while there is none' }),
  recipients: z.array(address).max(10_000).optional().meta({
    description: 'Only these addresses are taken (with anything after a + too); default: every address of the domains',
  }),
  name: z
    .string()
    .regex(/^[a-z0-9.-]{1,253}$/i)
    .optional()
    .meta({ description: 'Name in the greeting, best the one that the MX record gives; default: the host name' }),
  tls_certificate: z.string().refine(isCertificate, 'no certificate in PEM form').optional(),
  tls_key: secret(z.string().refine(isPrivateKey, 'no private key in PEM form')).optional(),
  self_signed: z
    .boolean()
    .default(false)
    .meta({ description: 'Makes a certificate of its own (with openssl) when none is given' }),
  require_tls: z.boolean().default(false).meta({ description: 'Takes no mail before STARTTLS' }),
  auth: z
    .enum(['off', 'optional', 'required'])
    .default('off')
    .meta({ description: 'SMTP AUTH (after STARTTLS only) with the username and password of the row, and auth_users' }),
  auth_users: secret(z.string().max(100_000).refine(areLogins, 'lines of name:password')).optional(),
  authenticate: z.boolean().default(true).meta({ description: 'Checks SPF, DKIM and DMARC; the results are facts' }),
  enforce_dmarc: z
    .boolean()
    .default(false)
    .meta({ description: 'Refuses mail that fails DMARC when the policy of its domain is reject' }),
  trusted_relays: z
    .array(z.string().refine(isNetwork, 'no IP address or network'))
    .max(1000)
    .default([])
    .meta({ description: 'Own mail servers in front: free of limits, SPF is checked for the client they name' }),
  max_message_bytes: z
    .int()
    .min(1024)
    .max(1024 * MEGABYTE)
    .default(25 * MEGABYTE),
  max_recipients: z.int().min(1).max(1000).default(100),
  max_files: z.int().min(1).max(900).default(200).meta({ description: 'Attachments of one mail' }),
  max_hops: z.int().min(5).max(1000).default(50).meta({ description: 'Received fields: more is a mail loop' }),
  max_connections: z.int().min(1).max(10_000).default(100),
  max_connections_per_client: z.int().min(1).max(10_000).default(10),
  max_messages_per_minute: z.int().min(1).max(1_000_000).default(120).meta({ description: 'From one client address' }),
  idle_timeout_ms: z.int().min(100).max(3_600_000).default(60_000).meta({ description: 'Longest silence of a client' }),
  dns_timeout_ms: z.int().min(100).max(60_000).default(5000),
});

/** Settings of an inbound SMTP listener (`settings` of the provider row). Times in milliseconds, sizes in bytes. */
export const smtpInboundSettings = fields.superRefine((settings, check) => {
  const need = (path: string, message: string) => check.addIssue({ code: 'custom', path: [path], message });
  const { tls_key, tls_certificate, self_signed, require_tls, auth } = settings;
  if (tls_key !== undefined && tls_certificate === undefined) need('tls_certificate', 'needed beside tls_key');
  if (tls_certificate !== undefined && tls_key === undefined) need('tls_key', 'needed beside tls_certificate');
  const hasTls = tls_certificate !== undefined || self_signed;
  if (require_tls && !hasTls) need('require_tls', 'needs tls_key and tls_certificate, or self_signed');
  if (auth !== 'off' && !hasTls) need('auth', 'passwords need TLS: give tls_key and tls_certificate, or self_signed');
});

/** {@link smtpInboundSettings}, parsed. */
export type SmtpInboundSettings = z.output<typeof smtpInboundSettings>;
