import { join } from 'node:path';
import type { AmiEndpoint } from '../ami/ami-connection';
import { type AsteriskLayout, paths } from '../config/layout';

/** One Asterisk as the hub sees it, whoever runs it: where to log in and where the shared files are. */
export interface AsteriskSite {
  readonly ami: AmiEndpoint;
  readonly sip: AsteriskLayout['sip'];
  /** The file that holds our trunks and phones. */
  readonly wizardFile: string;
  /** Written by Asterisk (cel_custom). */
  readonly journalFile: string;
  /** Faxes and recordings that Asterisk has received. */
  readonly receivedDir: string;
  /** Where we put what Asterisk is to play or send. */
  readonly stagedDir: string;
  /** Our own state: how far the journal has been dealt with. */
  readonly stateDir: string;
}

/** The site of an Asterisk that we configured. */
export function siteOf(layout: AsteriskLayout): AsteriskSite {
  return {
    ami: layout.ami,
    sip: layout.sip,
    wizardFile: paths.wizard(layout.dir),
    journalFile: paths.journal(layout.dir),
    receivedDir: paths.received(layout.dir),
    stagedDir: paths.staged(layout.dir),
    stateDir: join(layout.dir, 'state'),
  };
}
