import { join } from 'node:path';

/** First and last port of a range. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** All that the configuration of one Asterisk depends on. Paths are absolute and free of blanks and `;`. */
export interface AsteriskLayout {
  /** Folder with `etc`, `run`, `spool`, `log` and `lib`. */
  readonly dir: string;
  /** Where Asterisk's modules and sounds are. */
  readonly modulesDir: string;
  readonly dataDir: string;
  /** Makes Uniqueids unique between several Asterisks and over restarts: letters and digits. */
  readonly systemName: string;
  readonly sip: {
    readonly host: string;
    readonly port: number;
    /** Behind NAT: the public address, and the networks that are not behind it. */
    readonly externalAddress?: string;
    readonly localNets?: readonly string[];
  };
  readonly ami: { readonly host: string; readonly port: number; readonly username: string; readonly secret: string };
  readonly rtp: PortRange;
  readonly udptl: PortRange;
}

/** Where things lie below {@link AsteriskLayout.dir}. */
export const paths = {
  config: (dir: string) => join(dir, 'etc/asterisk.conf'),
  wizard: (dir: string) => join(dir, 'etc/pjsip_wizard.conf'),
  journal: (dir: string) => join(dir, 'log/cel-custom/Journal.csv'),
  /** Faxes and recordings that came in. */
  received: (dir: string) => join(dir, 'spool/received'),
  /** Links to the files of orders, under names of our own. */
  staged: (dir: string) => join(dir, 'spool/staged'),
  pid: (dir: string) => join(dir, 'run/asterisk.pid'),
  control: (dir: string) => join(dir, 'run/asterisk.ctl'),
  messages: (dir: string) => join(dir, 'log/messages'),
} as const;

/** All folders that Asterisk expects. */
export function layoutFolders(dir: string): string[] {
  const spool = ['outgoing', 'tmp', 'fax', 'monitor', 'recording', 'received', 'staged'];
  const log = ['cdr-csv', 'cdr-custom', 'cel-custom'];
  return ['etc', 'run', 'lib/keys', ...log.map((name) => `log/${name}`), ...spool.map((name) => `spool/${name}`)].map(
    (name) => join(dir, name),
  );
}
