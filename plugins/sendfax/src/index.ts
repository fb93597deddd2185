/**
 * ICTCore program `sendfax`: one document to one fax number.
 *
 * @packageDocumentation
 */
export { sendfaxPlugin, sendfaxPlugin as plugin } from './sendfax.plugin';
export { type SendfaxParameters, sendfax, sendfaxParameters } from './sendfax.program';
