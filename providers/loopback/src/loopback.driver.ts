import { defineDriver, definePlugin, type ReceiptPolicy } from '@ictcore/contract';
import { MAGIC_DESTINATIONS } from './loopback.destinations';
import { LoopbackSession } from './loopback.session';
import { type LoopbackSettings, loopbackSettings } from './loopback.settings';

const magic = MAGIC_DESTINATIONS.map(({ ending, localPart, meaning }) => `…${ending} or ${localPart}@: ${meaning}`);

/** A receipt that never comes ends an attempt after this time, in milliseconds: a day, as for real text messages. */
const RECEIPT_MS = 86_400_000;

function receipt(becomes: ReceiptPolicy['becomes']): ReceiptPolicy {
  return { timeoutMs: RECEIPT_MS, becomes };
}

/** Driver `loopback`: a carrier inside the process that reaches nobody, for all four channels. */
export const loopbackDriver = defineDriver<LoopbackSettings>({
  type: 'loopback',
  channels: ['voice', 'fax', 'sms', 'email'],
  description: `loopback: answers inside the server and reaches nobody. Messages are delivered, but for numbers that end in, or addresses that begin with: ${magic.join('; ')}`,
  settings: loopbackSettings,
  simulated: true,
  receipts: {
    sms: receipt('completed'),
    email: receipt('completed'),
    fax: receipt('failed'),
    voice: receipt('failed'),
  },
  open: async (config, context) => new LoopbackSession(config, context),
});

/** Brings the driver `loopback`. */
export const loopbackPlugin = definePlugin({
  name: '@ictcore/provider-loopback',
  version: '0.1.0',
  api: '^1',
  setup(registry) {
    registry.driver(loopbackDriver);
  },
});
