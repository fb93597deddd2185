/**
 * ICTCore program `voicemessage`: one recording played to one phone number.
 *
 * @packageDocumentation
 */
export { voicemessagePlugin, voicemessagePlugin as plugin } from './voicemessage.plugin';
export { type VoicemessageParameters, voicemessage, voicemessageParameters } from './voicemessage.program';
