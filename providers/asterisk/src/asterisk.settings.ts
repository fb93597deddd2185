import { z } from '@ictcore/contract';

/** Settings of a SIP trunk (`settings` of a provider row of type `sip`). */
export const sipSettings = z.object({
  codecs: z
    .array(z.enum(['ulaw', 'alaw', 'gsm']))
    .min(1)
    .max(3)
    .default(['ulaw', 'alaw'])
    .meta({ description: 'In order of preference; fax over audio needs ulaw or alaw' }),
  t38: z.boolean().default(true).meta({ description: 'Lets the carrier use T.38 (ITU-T T.38) for fax' }),
  fax_mode: z
    .enum(['auto', 'audio'])
    .default('auto')
    .meta({ description: 'auto: we ask for T.38 and fall back to audio; audio: never T.38' }),
  dtmf: z.enum(['rfc4733', 'inband', 'info', 'auto']).default('rfc4733'),
  caller_id: z
    .enum(['pai', 'from'])
    .default('pai')
    .meta({ description: "Where the caller's number goes: P-Asserted-Identity, with our account in From; or From" }),
  max_calls: z.int().min(1).max(5000).default(30).meta({ description: 'Lines: calls at once on this trunk' }),
  calls_per_second: z.number().positive().max(200).default(10).meta({ description: 'New calls per second' }),
  ring_seconds: z.int().min(5).max(180).default(45).meta({ description: 'How long a fax call may ring' }),
  qualify_seconds: z
    .int()
    .min(0)
    .max(600)
    .default(30)
    .meta({ description: 'Seconds between probes of the carrier (SIP OPTIONS); 0: never' }),
  registration_seconds: z.int().min(60).max(86_400).default(600),
});

/** {@link sipSettings}, parsed. */
export type SipSettings = z.output<typeof sipSettings>;

/** Port of SIP over UDP (RFC 3261). */
export const SIP_PORT = 5060;
