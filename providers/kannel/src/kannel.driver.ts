import { defineDriver, definePlugin } from '@ictcore/contract';
import { KANNEL_PORT } from './kannel.http';
import { KannelSession } from './kannel.session';
import { type KannelSettings, kannelSettings } from './kannel.settings';

/** A report that does not come within a day: the message was taken, and nothing bad is known of it (API 3.3 b). */
const RECEIPT_MS = 86_400_000;

/** Driver `kannel`: text messages through a Kannel gateway over HTTP. */
export const kannelDriver = defineDriver<KannelSettings>({
  type: 'kannel',
  channels: ['sms'],
  description: 'Text messages through a Kannel gateway over HTTP, both ways, with delivery reports',
  settings: kannelSettings,
  requires: ['host', 'username', 'password'],
  defaultPort: KANNEL_PORT,
  receipts: { sms: { timeoutMs: RECEIPT_MS, becomes: 'completed' } },
  open: async (config, context) => new KannelSession(config, context),
});

/** Brings the driver `kannel`. */
export const kannelPlugin = definePlugin({
  name: '@ictcore/provider-kannel',
  version: '0.1.0',
  api: '^1',
  setup(registry) {
    registry.driver(kannelDriver);
  },
});
