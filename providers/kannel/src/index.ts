/**
 * ICTCore trunk provider `kannel`: text messages through a Kannel gateway.
 *
 * @packageDocumentation
 */
export { kannelDriver, kannelPlugin, kannelPlugin as plugin } from './kannel.driver';
export { type KannelSettings, kannelSettings } from './kannel.settings';
