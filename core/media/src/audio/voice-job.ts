import { MediaError } from '../media-error';
import type { VoiceResult } from '../types';
import type { Progress, WorkerJob } from '../worker/protocol';
import { decodeAudio } from './decoders';
import type { PcmChunk } from './pcm';
import { Resampler } from './resampler';
import { WavWriter } from './wav-writer';

type VoiceJob = Extract<WorkerJob, { kind: 'voice' }>;

/** Samples to the second of a telephone line (ITU-T G.711). */
const TELEPHONE_RATE = 8000;

/** Turns the inputs, one after the other, into one WAV for the telephone: 8 kHz, mono, 16 bits. */
export async function runVoiceJob(job: VoiceJob, progress: Progress): Promise<VoiceResult> {
  const wav = new WavWriter(job.output, TELEPHONE_RATE);
  const maxSamples = job.maxSeconds * TELEPHONE_RATE;
  let told = 0;
  const write = (samples: Float32Array): void => {
    wav.write(samples);
    if (wav.samples > maxSamples) throw tooLong(job.maxSeconds);
    if (wav.samples - told < TELEPHONE_RATE) return;
    told = wav.samples;
    progress();
  };
  for (const input of job.inputs) await convert(input.path, write);
  if (wav.samples === 0) throw new MediaError('MEDIA_NOT_CONVERTIBLE', 'There is no sound in the recording.');
  wav.finish();
  return { seconds: Math.ceil(wav.samples / TELEPHONE_RATE), samples: wav.samples, bytes: wav.bytes };
}

async function convert(path: string, write: (samples: Float32Array) => void): Promise<void> {
  let rate = 0;
  let resampler: Resampler | undefined;
  for await (const chunk of decodeAudio(path)) {
    if (chunk.rate !== rate) {
      // Chained Ogg and joined mp3 files may change their rate on the way.
      if (resampler) write(resampler.flush());
      rate = chunk.rate;
      resampler = rate === TELEPHONE_RATE ? undefined : new Resampler(rate, TELEPHONE_RATE);
    }
    const mono = mixDown(chunk);
    write(resampler ? resampler.push(mono) : mono);
  }
  if (resampler) write(resampler.flush());
}

/** The mean of the channels, as sox does. */
function mixDown({ channels }: PcmChunk): Float32Array {
  const [first, ...others] = channels;
  if (!first) return new Float32Array(0);
  if (others.length === 0) return first;
  const mono = new Float32Array(first.length);
  for (let i = 0; i < mono.length; i++) {
    let sum = first[i] as number;
    for (const other of others) sum += other[i] as number;
    mono[i] = sum / channels.length;
  }
  return mono;
}

function tooLong(maxSeconds: number): MediaError {
  const limit = maxSeconds >= 120 ? `${Math.round(maxSeconds / 60)} minutes` : `${maxSeconds} seconds`;
  return new MediaError('MEDIA_TOO_LARGE', `The recording is longer than ${limit}.`);
}
