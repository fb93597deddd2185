import { definePlugin } from '@ictcore/contract';
import { receivesms } from './receivesms.program';

/** Brings the program `receivesms`. */
export const receivesmsPlugin = definePlugin({
  name: '@ictcore/plugin-receivesms',
  version: '0.1.0',
  api: '^1',
  setup(registry) {
    registry.program(receivesms);
  },
});
