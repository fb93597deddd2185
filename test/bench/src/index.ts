/**
 * Benchmarks that print ratios to a peer or a limit measured in the same run. They are programs: see run.cjs.
 *
 * @packageDocumentation
 */
export type { Benchmark } from './support/benchmark';
