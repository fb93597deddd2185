import { closeSync, openSync, writeSync } from 'node:fs';

const HEADER_BYTES = 44;

/** Writes a WAV of 16-bit mono samples as they come. */
export class WavWriter {
  private readonly file: number;
  private count = 0;

  constructor(
    path: string,
    /** Samples to the second. */
    private readonly rate: number,
  ) {
    this.file = openSync(path, 'wx', 0o600);
    writeSync(this.file, Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
  }

  get samples(): number {
    return this.count;
  }

  get bytes(): number {
    return HEADER_BYTES + this.count * 2;
  }

  /** Adds samples of -1 to 1; louder ones are clipped. */
  write(samples: Float32Array): void {
    const pcm = Buffer.allocUnsafe(samples.length * 2);
    for (let i = 0; i < samples.length; i++) {
      const value = Math.round((samples[i] as number) * 32768);
      pcm.writeInt16LE(Math.max(-32768, Math.min(32767, value)) || 0, i * 2); // NaN of a broken file: silence
    }
    for (let done = 0; done < pcm.length; ) {
      done += writeSync(this.file, pcm, done, pcm.length - done, this.bytes + done);
    }
    this.count += samples.length;
  }

  /** Writes the header, now that the length is known. */
  finish(): void {
    const header = Buffer.alloc(HEADER_BYTES);
    header.write('RIFF', 0, 'latin1');
    header.writeUInt32LE(this.bytes - 8, 4);
    header.write('WAVEfmt ', 8, 'latin1');
    header.writeUInt32LE(16, 16);
    header.writeUInt16LE(1, 20); // PCM
    header.writeUInt16LE(1, 22); // mono
    header.writeUInt32LE(this.rate, 24);
    header.writeUInt32LE(this.rate * 2, 28);
    header.writeUInt16LE(2, 32);
    header.writeUInt16LE(16, 34);
    header.write('data', 36, 'latin1');
    header.writeUInt32LE(this.count * 2, 40);
    writeSync(this.file, header, 0, HEADER_BYTES, 0);
    closeSync(this.file);
  }
}
