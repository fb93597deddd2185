/**
 * ICTCore program `sendsms`: one text to one number.
 *
 * @packageDocumentation
 */
export { sendsmsPlugin, sendsmsPlugin as plugin } from './sendsms.plugin';
export { type SendsmsParameters, sendsms, sendsmsParameters } from './sendsms.program';
