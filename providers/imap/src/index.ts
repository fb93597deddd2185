/**
 * ICTCore trunk provider `imap`: e-mail that comes in through a mailbox.
 *
 * @packageDocumentation
 */
export { imapDriver, imapPlugin, imapPlugin as plugin } from './imap.driver';
export { type ImapSettings, imapSettings } from './imap.settings';
