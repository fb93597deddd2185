/**
 * What ICTCore plugins are written against: types, tokens, errors and define functions.
 * Plugins and providers import this package and nothing else of ICTCore.
 *
 * @packageDocumentation
 */
export * from './actor';
export * from './channel';
export * from './errors';
export * from './event';
export * from './http';
export * from './log';
export * from './order';
export * from './outcome';
export * from './plugin';
export * from './program';
export * from './provider';
export * from './schema';
export * from './service';
export * from './version';
