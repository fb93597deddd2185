import { defineDriver, definePlugin } from '@ictcore/contract';
import { SmtpSession } from './smtp.session';
import { type SmtpSettings, smtpSettings } from './smtp.settings';
import { SMTP_PORT } from './smtp.transport';

/** Driver `smtp`: hands e-mail to an SMTP server. Connects when there is something to send. */
export const smtpDriver = defineDriver<SmtpSettings>({
  type: 'smtp',
  channels: ['email'],
  description: 'E-mail over an SMTP server, with TLS, authentication and DKIM',
  settings: smtpSettings,
  requires: ['host'],
  defaultPort: SMTP_PORT,
  open: async (config, context) => new SmtpSession(config, context),
});

/** Brings the driver `smtp`. */
export const smtpPlugin = definePlugin({
  name: '@ictcore/provider-smtp',
  version: '0.1.0',
  api: '^1',
  setup(registry) {
    registry.driver(smtpDriver);
  },
});
