import { defineDriver, definePlugin, type ProviderDriver } from '@ictcore/contract';
import type { DnsResolver } from './smtp-inbound.authentication';
import { SmtpInboundSession } from './smtp-inbound.session';
import { INBOUND_PORT, type SmtpInboundSettings, smtpInboundSettings } from './smtp-inbound.settings';

/**
 * Makes the driver `smtp-inbound`: an SMTP server of our own that takes mail in. It sends nothing (no `submit`).
 *
 * @param options `resolver` in place of the system's name servers, for tests and closed networks
 */
export function createSmtpInboundDriver(options: { resolver?: DnsResolver } = {}): ProviderDriver<SmtpInboundSettings> {
  return defineDriver<SmtpInboundSettings>({
    type: 'smtp-inbound',
    channels: ['email'],
    receivesOnly: true,
    description: 'E-mail that comes in over an SMTP listener of our own, with STARTTLS, SPF, DKIM and DMARC',
    settings: smtpInboundSettings,
    defaultPort: INBOUND_PORT,
    open: async (config, context) => {
      const session = new SmtpInboundSession(config, context, options.resolver);
      await session.start();
      return session;
    },
  });
}

/** {@link createSmtpInboundDriver} with the system's name servers. */
export const smtpInboundDriver = createSmtpInboundDriver();

/** Brings the driver `smtp-inbound`. */
export const smtpInboundPlugin = definePlugin({
  name: '@ictcore/provider-smtp-inbound',
  version: '0.1.0',
  api: '^1',
  setup(registry) {
    registry.driver(smtpInboundDriver);
  },
});
