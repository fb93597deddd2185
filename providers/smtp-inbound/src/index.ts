/**
 * ICTCore trunk provider `smtp-inbound`: e-mail that comes in over an SMTP listener of our own.
 *
 * @packageDocumentation
 */
export type { DnsResolver } from './smtp-inbound.authentication';
export {
  createSmtpInboundDriver,
  smtpInboundDriver,
  smtpInboundPlugin,
  smtpInboundPlugin as plugin,
} from './smtp-inbound.driver';
export { type SmtpInboundSettings, smtpInboundSettings } from './smtp-inbound.settings';
