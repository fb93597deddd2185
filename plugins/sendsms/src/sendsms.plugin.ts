import { definePlugin } from '@ictcore/contract';
import { sendsms } from './sendsms.program';

/** Brings the program `sendsms`. */
export const sendsmsPlugin = definePlugin({
  name: '@ictcore/plugin-sendsms',
  version: '0.1.0',
  api: '^1',
  setup(registry) {
    registry.program(sendsms);
  },
});
