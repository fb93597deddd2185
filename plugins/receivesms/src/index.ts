/**
 * ICTCore program `receivesms`: a text message that comes in for an account.
 *
 * @packageDocumentation
 */
export { receivesmsPlugin, receivesmsPlugin as plugin } from './receivesms.plugin';
export { type ReceivesmsParameters, receivesms, receivesmsParameters } from './receivesms.program';
