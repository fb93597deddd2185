import { defineDriver, definePlugin } from '@ictcore/contract';
import { SMPP_PORT } from './smpp.link-options';
import { SmppSession } from './smpp.session';
import { type SmppSettings, smppSettings } from './smpp.settings';

/** A receipt that does not come within a day: the message was taken, and nothing bad is known of it (API 3.3 b). */
const RECEIPT_MS = 86_400_000;

/** Driver `smpp`: text messages over SMPP 3.4. Binds when it is opened, so that receipts and messages can come in. */
export const smppDriver = defineDriver<SmppSettings>({
  type: 'smpp',
  channels: ['sms'],
  description: 'Text messages over SMPP 3.4, both ways, with delivery receipts and long messages',
  settings: smppSettings,
  requires: ['host', 'username'],
  defaultPort: SMPP_PORT,
  receipts: { sms: { timeoutMs: RECEIPT_MS, becomes: 'completed' } },
  open: (config, context) => SmppSession.open(config, context),
});

/** Brings the driver `smpp`. */
export const smppPlugin = definePlugin({
  name: '@ictcore/provider-smpp',
  version: '0.1.0',
  api: '^1',
  setup(registry) {
    registry.driver(smppDriver);
  },
});
