/**
 * ICTCore program `faxtoemail`: a fax that comes in, passed on by e-mail.
 *
 * @packageDocumentation
 */
export { faxtoemailPlugin, faxtoemailPlugin as plugin } from './faxtoemail.plugin';
export { type FaxtoemailParameters, faxtoemail, faxtoemailParameters } from './faxtoemail.program';
