/**
 * ICTCore program `receiveemail`: a mail that comes in for an account.
 *
 * @packageDocumentation
 */
export { receiveemailPlugin, receiveemailPlugin as plugin } from './receiveemail.plugin';
export { type ReceiveemailParameters, receiveemail, receiveemailParameters } from './receiveemail.program';
