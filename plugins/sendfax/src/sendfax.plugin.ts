import { definePlugin } from '@ictcore/contract';
import { sendfax } from './sendfax.program';

/** Brings the program `sendfax`. */
export const sendfaxPlugin = definePlugin({
  name: '@ictcore/plugin-sendfax',
  version: '0.1.0',
  api: '^1',
  setup(registry) {
    registry.program(sendfax);
  },
});
