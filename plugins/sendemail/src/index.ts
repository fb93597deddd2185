/**
 * ICTCore program `sendemail`: one template to one address.
 *
 * @packageDocumentation
 */
export { sendemailPlugin, sendemailPlugin as plugin } from './sendemail.plugin';
export { type SendemailParameters, sendemail, sendemailParameters } from './sendemail.program';
