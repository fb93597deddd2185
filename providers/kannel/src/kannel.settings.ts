import { secret, z } from '@ictcore/contract';

const name = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^[\x20-\x7e]*$/, 'plain characters only');

/** Settings of a Kannel provider (`settings` of the provider row). */
export const kannelSettings = z.object({
  tls: z.boolean().default(false).meta({ description: 'HTTPS to the smsbox' }),
  ca: z.string().optional().meta({ description: 'Certificates to trust in place of the public ones (PEM)' }),
  path: z
    .string()
    .regex(/^\/[\w./-]*$/)
    .default('/cgi-bin/sendsms')
    .meta({ description: 'Path of the smsbox’s sendsms service' }),
  smsc: name(64).optional().meta({ description: 'smsc-id to send through; Kannel chooses if not set' }),
  source_addr: name(20).optional().meta({ description: 'Sender of every message, in place of the account’s number' }),
  receipts: z.boolean().default(true).meta({
    description: 'Asks for delivery reports; without, what Kannel has taken counts as delivered',
  }),
  callback_url: z
    .url({ protocol: /^https?$/ })
    .optional()
    .meta({
      description: 'Where Kannel reaches this provider’s webhooks, if not at the server’s public URL',
    }),
  callback_secret: secret(z.string().regex(/^[\w-]{16,64}$/, '16 to 64 letters, digits, - or _'))
    .optional()
    .meta({
      description:
        'Signs delivery reports, and is the token of the post-url for inbound messages. Without it reports are signed by the password, and nothing comes in',
    }),
  validity_period: z.int().min(60).max(2_592_000).optional().meta({
    description: 'Seconds that a message may be on its way; the carrier’s own default if not set',
  }),
  max_messages: z.int().min(1).max(255).default(10).meta({
    description:
      'max-messages of the sendsms-user in kannel.conf. Kannel cuts off what is longer and says nothing, so longer texts are refused',
  }),
  max_connections: z.int().min(1).max(100).default(10).meta({ description: 'Requests at once' }),
  per_second: z.number().positive().max(10_000).optional().meta({ description: 'Most messages per second' }),
  timeout_seconds: z.number().min(0.1).max(120).default(15).meta({ description: 'Longest wait for an answer' }),
});

/** {@link kannelSettings}, parsed. */
export type KannelSettings = z.output<typeof kannelSettings>;
