import { createPrivateKey } from 'node:crypto';
import { secret, z } from '@ictcore/contract';

/** Longest wait for any setting in milliseconds: one hour. */
const MAX_MS = 3_600_000;
const milliseconds = (fallback: number) => z.int().min(100).max(MAX_MS).default(fallback);
const DOMAIN = /^(?!-)[a-z0-9-]+(\.[a-z0-9-]+)*$/i;

/** An RSA key is the one kind that nodemailer signs with and every receiver verifies (RFC 8301, RFC 6376). */
function isRsaKey(pem: string): boolean {
  try {
    return createPrivateKey(pem).asymmetricKeyType === 'rsa';
  } catch {
    return false;
  }
}

const fields = z.object({
  encryption: z.enum(['starttls', 'tls', 'opportunistic', 'none']).default('starttls').meta({
    description:
      'starttls: upgraded when the server offers it, and demanded when a password is sent; tls: TLS from the first byte (port 465); opportunistic: goes on in clear when the upgrade fails; none: always in clear',
  }),
  allow_clear_password: z
    .boolean()
    .default(false)
    .meta({ description: 'Lets the password go over a link without TLS to a host that is not this one' }),
  ca: z.string().optional().meta({ description: 'Certificates to trust in place of the public ones (PEM)' }),
  reject_unauthorized: z.boolean().default(true).meta({ description: 'False trusts any certificate: for tests only' }),
  max_connections: z.int().min(1).max(100).default(5),
  max_messages_per_second: z.number().positive().max(10_000).optional(),
  helo_name: z
    .string()
    .regex(/^(\[[0-9a-f.:]+\]|[a-z0-9.-]+)$/i)
    .optional(),
  dkim_domain: z.string().regex(DOMAIN).optional(),
  dkim_selector: z.string().regex(DOMAIN).optional(),
  dkim_private_key: secret(z.string().refine(isRsaKey, 'no RSA private key in PEM form')).optional(),
  envelope_from: z.email().optional().meta({ description: 'Where bounces go (MAIL FROM); default: the sender' }),
  verp: z
    .boolean()
    .default(false)
    .meta({ description: 'Writes the attempt into the bounce address: bounce+spool42@example.com' }),
  from_address: z.email().optional().meta({
    description: 'Sender of every mail; replies go to the account. For servers that send for one address only',
  }),
  connect_timeout_ms: milliseconds(15_000),
  greeting_timeout_ms: milliseconds(15_000),
  answer_timeout_ms: milliseconds(300_000).meta({ description: 'Longest silence of the server in a session' }),
});

/** Settings of an SMTP provider (`settings` of the provider row). Times in milliseconds. */
export const smtpSettings = fields.superRefine((settings, check) => {
  const dkim = ['dkim_domain', 'dkim_selector', 'dkim_private_key'] as const;
  const missing = dkim.filter((field) => settings[field] === undefined);
  if (missing.length === 0 || missing.length === dkim.length) return;
  for (const field of missing) check.addIssue({ code: 'custom', path: [field], message: 'needed to sign with DKIM' });
});

/** {@link smtpSettings}, parsed. */
export type SmtpSettings = z.output<typeof smtpSettings>;
