/** A piece of sound: one array of samples of -1 to 1 for each channel. */
export interface PcmChunk {
  /** Samples to the second. */
  readonly rate: number;
  readonly channels: readonly Float32Array[];
}
