/**
 * ICTCore trunk provider `sip`: voice and fax through Asterisk.
 *
 * @packageDocumentation
 */

export { type AsteriskConfig, asteriskConfig } from './asterisk.config';
export { type SipDriver, sipDriver } from './asterisk.driver';
export { asteriskPlugin, asteriskPlugin as plugin } from './asterisk.plugin';
export { ASTERISK, type AsteriskService } from './asterisk.service';
export { type SipSettings, sipSettings } from './asterisk.settings';
export type { InboundCall } from './call/inbound-flow';
export { minimalConfig } from './config/minimal-config';
export type { ExtensionConfig } from './config/trunks';
export type { AsteriskSource, DidTreatment, UnknownNumber } from './hub/asterisk-hub';
