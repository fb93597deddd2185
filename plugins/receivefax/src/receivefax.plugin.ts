import { definePlugin } from '@ictcore/contract';
import { receivefax } from './receivefax.program';

/** Brings the program `receivefax`. */
export const receivefaxPlugin = definePlugin({
  name: '@ictcore/plugin-receivefax',
  version: '0.1.0',
  api: '^1',
  setup(registry) {
    registry.program(receivefax);
  },
});
