import { definePlugin } from '@ictcore/contract';
import { sendemail } from './sendemail.program';

/** Brings the program `sendemail`. */
export const sendemailPlugin = definePlugin({
  name: '@ictcore/plugin-sendemail',
  version: '0.1.0',
  api: '^1',
  setup(registry) {
    registry.program(sendemail);
  },
});
