import { join } from 'node:path';
import { definePlugin } from '@ictcore/contract';
import { type AsteriskConfig, asteriskConfig } from './asterisk.config';
import { sipDriver } from './asterisk.driver';
import { ASTERISK } from './asterisk.service';
import type { AsteriskSource } from './hub/asterisk-hub';

/** The Asterisk that a configuration names. */
export function sourceOf(config: AsteriskConfig): AsteriskSource {
  const sip = {
    host: config.sip_host,
    port: config.sip_port,
    ...(config.external_address && { externalAddress: config.external_address, localNets: config.local_nets }),
  };
  if (config.mode === 'local') {
    return {
      local: {
        dir: config.dir,
        binary: config.binary,
        modulesDir: config.modules_dir,
        dataDir: config.data_dir,
        sip,
        ami: { host: config.ami_host, ...(config.ami_port && { port: config.ami_port }) },
        rtp: config.rtp_ports,
        udptl: config.udptl_ports,
      },
    };
  }
  return {
    existing: {
      ami: {
        host: config.ami_host,
        port: config.ami_port ?? 5038,
        username: config.ami_username,
        secret: config.ami_secret ?? '',
      },
      sip,
      wizardFile: config.wizard_file ?? '/etc/asterisk/pjsip_wizard_ictcore.conf',
      journalFile: config.journal_file ?? '/var/log/asterisk/cel-custom/Journal.csv',
      receivedDir: join(config.dir, 'received'),
      stagedDir: join(config.dir, 'staged'),
      stateDir: join(config.dir, 'state'),
    },
  };
}

/** Brings the driver `sip` and the service {@link ASTERISK}. */
export const asteriskPlugin = definePlugin<AsteriskConfig>({
  name: '@ictcore/provider-asterisk',
  version: '0.1.0',
  api: '^1',
  config: asteriskConfig,
  setup(registry, context) {
    const { driver, service } = sipDriver(() => sourceOf(context.config));
    registry.driver(driver);
    registry.service(ASTERISK, () => service);
  },
});
