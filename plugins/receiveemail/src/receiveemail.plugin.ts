import { definePlugin } from '@ictcore/contract';
import { receiveemail } from './receiveemail.program';

/** Brings the program `receiveemail`. */
export const receiveemailPlugin = definePlugin({
  name: '@ictcore/plugin-receiveemail',
  version: '0.1.0',
  api: '^1',
  setup(registry) {
    registry.program(receiveemail);
  },
});
