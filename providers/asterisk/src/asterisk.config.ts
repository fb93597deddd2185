import { z } from '@ictcore/contract';

const folder = z.string().regex(/^\/[\w./@+-]+$/, 'an absolute folder without blanks');
const portRange = (first: number, last: number) =>
  z.object({ first: z.int().min(1024).max(65_534), last: z.int().min(1025).max(65_535) }).default({ first, last });

/** Configuration of the plugin: which Asterisk all providers of type `sip` go through. */
export const asteriskConfig = z.object({
  mode: z
    .enum(['local', 'existing'])
    .default('local')
    .meta({ description: 'local: we configure, start and watch one; existing: one that somebody else runs' }),
  dir: folder
    .default('/var/lib/ictcore/asterisk')
    .meta({ description: 'Folder of the local Asterisk; for an existing one, of our journal position' }),
  binary: z.string().startsWith('/').default('/usr/sbin/asterisk'),
  modules_dir: folder.default('/usr/lib/x86_64-linux-gnu/asterisk/modules'),
  data_dir: folder.default('/usr/share/asterisk'),
  sip_host: z.string().default('0.0.0.0').meta({ description: 'Address that SIP and media are bound to' }),
  sip_port: z.int().min(1).max(65_535).default(5060),
  external_address: z.string().optional().meta({ description: 'The public address, when behind NAT' }),
  local_nets: z.array(z.string()).default([]).meta({ description: 'Networks that are not behind the NAT' }),
  rtp_ports: portRange(10_000, 19_998),
  udptl_ports: portRange(4000, 4999),
  ami_host: z.string().default('127.0.0.1'),
  ami_port: z.int().min(1).max(65_535).optional().meta({ description: 'Default: chosen at the first start' }),
  ami_username: z.string().default('ictcore'),
  ami_secret: z.string().optional().meta({ description: 'Of an existing Asterisk; a local one gets one by itself' }),
  wizard_file: z.string().startsWith('/').optional(),
  journal_file: z.string().startsWith('/').optional(),
});

/** {@link asteriskConfig}, parsed. */
export type AsteriskConfig = z.output<typeof asteriskConfig>;
