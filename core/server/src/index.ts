/**
 * The ICTCore server.
 *
 * @packageDocumentation
 */
export { bundledPlugins } from './bundled-plugins';
export { type RunningServer, serverVersion, startServer } from './start';
