/**
 * ICTCore program `receivefax`: a fax that comes in for an account.
 *
 * @packageDocumentation
 */
export { receivefaxPlugin, receivefaxPlugin as plugin } from './receivefax.plugin';
export { type ReceivefaxParameters, receivefax, receivefaxParameters } from './receivefax.program';
