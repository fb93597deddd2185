import { definePlugin } from '@ictcore/contract';
import { voicemessage } from './voicemessage.program';

/** Brings the program `voicemessage`. */
export const voicemessagePlugin = definePlugin({
  name: '@ictcore/plugin-voicemessage',
  version: '0.1.0',
  api: '^1',
  setup(registry) {
    registry.program(voicemessage);
  },
});
