/**
 * ICTCore trunk provider `smpp`: text messages over SMPP 3.4.
 *
 * @packageDocumentation
 */
export { smppDriver, smppPlugin, smppPlugin as plugin } from './smpp.driver';
export { type SmppSettings, smppSettings } from './smpp.settings';
