/**
 * ICTCore trunk provider `smtp`: e-mail over an SMTP server.
 *
 * @packageDocumentation
 */
export { smtpDriver, smtpPlugin, smtpPlugin as plugin } from './smtp.driver';
export { type SmtpSettings, smtpSettings } from './smtp.settings';
