import { z } from '@ictcore/contract';
import { plainDomain, splitAddress } from './mail';

const MEGABYTE = 1024 * 1024;
const milliseconds = (fallback: number) => z.int().min(50).max(3_600_000).default(fallback);
/** A mailbox as IMAP names it; no control characters. */
const folder = z
  .string()
  .min(1)
  .max(200)
  .refine((name) => !/\p{Cc}/u.test(name), 'no mailbox name');

/** Settings of an IMAP mailbox (`settings` of the provider row). Times in milliseconds, sizes in bytes. */
export const imapSettings = z.object({
  encryption: z.enum(['tls', 'starttls', 'none']).default('tls').meta({
    description: 'tls: TLS from the first byte (port 993); starttls: upgraded, or nothing is done; none: in clear',
  }),
  allow_clear_password: z
    .boolean()
    .default(false)
    .meta({ description: 'Lets the password go over a link without TLS to a host that is not this one' }),
  ca: z.string().optional().meta({ description: 'Certificates to trust in place of the public ones (PEM)' }),
  reject_unauthorized: z.boolean().default(true).meta({ description: 'False trusts any certificate: for tests only' }),
  mailbox: folder.default('INBOX'),
  only_unseen: z.boolean().default(true).meta({ description: 'Leaves mails alone that somebody has read' }),
  after: z.enum(['move', 'flag', 'delete']).default('move').meta({
    description: 'What becomes of a mail that was taken: moved to processed_folder, marked as read, or deleted',
  }),
  processed_folder: folder.default('Processed'),
  failed_folder: folder
    .default('Failed')
    .meta({ description: 'Where mails go that cannot be read, whatever after says' }),
  max_failures: z.int().min(1).max(100).default(5).meta({ description: 'Tries before a mail is put aside' }),
  domains: z
    .array(z.string().transform(plainDomain))
    .max(1000)
    .optional()
    .meta({ description: 'Whose addresses a mail is for: those in its header that are of these domains' }),
  address: z
    .string()
    .refine((text) => splitAddress(text) !== undefined, 'no e-mail address')
    .optional()
    .meta({ description: 'Whom mails are for whose header does not say; default: the username, if it is an address' }),
  recipient_headers: z
    .array(
      z
        .string()
        .regex(/^[a-z0-9-]{1,70}$/i)
        .toLowerCase(),
    )
    .max(10)
    .default(['x-original-to', 'delivered-to', 'envelope-to', 'x-envelope-to'])
    .meta({ description: 'Header fields in which the mail server wrote the envelope recipient, best first' }),
  trusted_authserv_id: z
    .string()
    .max(253)
    .optional()
    .meta({ description: 'Whose Authentication-Results (RFC 8601) to believe: the name of the mail server' }),
  max_message_bytes: z
    .int()
    .min(1024)
    .max(1024 * MEGABYTE)
    .default(50 * MEGABYTE),
  max_files: z.int().min(1).max(900).default(200).meta({ description: 'Attachments of one mail' }),
  poll_interval_ms: milliseconds(60_000).meta({
    description: 'A look at the mailbox even if the server tells nothing',
  }),
  connect_timeout_ms: milliseconds(15_000),
  answer_timeout_ms: milliseconds(120_000).meta({ description: 'Longest silence of the server' }),
  first_retry_ms: milliseconds(1000).meta({
    description: 'Wait after a broken connection; doubles up to last_retry_ms',
  }),
  last_retry_ms: milliseconds(120_000),
});

/** {@link imapSettings}, parsed. */
export type ImapSettings = z.output<typeof imapSettings>;
