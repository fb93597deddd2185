/**
 * ICTCore carrier `loopback`: inside the process, for all four channels, with magic destinations.
 *
 * @packageDocumentation
 */
export { type Behaviour, MAGIC_DESTINATIONS, type MagicDestination } from './loopback.destinations';
export { loopbackDriver, loopbackPlugin, loopbackPlugin as plugin } from './loopback.driver';
export type { JournalLine } from './loopback.journal';
export { type LoopbackSettings, loopbackSettings } from './loopback.settings';
