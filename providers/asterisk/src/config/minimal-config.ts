import type { AsteriskSite } from '../hub/site';
import { CEL, CEL_CUSTOM, managerUser } from './base-config';
import { dialplan } from './dialplan';

/**
 * What an Asterisk that somebody else runs needs so that we can work through it: pieces of its configuration files, by
 * file name. It must run on this machine, because it reads and writes files of ours.
 */
export function minimalConfig(site: AsteriskSite): Record<string, string> {
  return {
    'manager.conf': `; in [general]: enabled=yes, bindaddr=${site.ami.host}, port=${site.ami.port}, channelvars=ICT_SPOOL,ICT_TRUNK
${managerUser({ ami: { ...site.ami } })}`,
    'extensions.conf': dialplan(site.receivedDir),
    'cel.conf': CEL,
    'cel_custom.conf': `; its file must be ${site.journalFile}\n${CEL_CUSTOM}`,
    'pjsip.conf': '; a transport named udp: [udp] type=transport, protocol=udp, bind=<address>:5060\n',
    'pjsip_wizard.conf': `; one line, and the file must be writable for us: #tryinclude "${site.wizardFile}"\n`,
    'modules.conf': `; needed beside chan_pjsip: res_pjsip_config_wizard, res_fax_spandsp, res_cdrel_custom, cel_custom,\n; app_celgenuserevent, app_amd, app_waitforsilence, func_db, func_uri\n`,
  };
}
