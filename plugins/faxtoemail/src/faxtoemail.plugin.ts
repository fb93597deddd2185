import { definePlugin } from '@ictcore/contract';
import { faxtoemail } from './faxtoemail.program';

/** Brings the program `faxtoemail`. */
export const faxtoemailPlugin = definePlugin({
  name: '@ictcore/plugin-faxtoemail',
  version: '0.1.0',
  api: '^1',
  setup(registry) {
    registry.program(faxtoemail);
  },
});
