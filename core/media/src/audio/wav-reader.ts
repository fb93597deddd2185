import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { PcmChunk } from './pcm';

/** What the `fmt ` chunk says. */
interface WavFormat {
  /** 1 PCM, 3 float, 6 A-law, 7 mu-law; others are not read here. */
  readonly coding: number;
  readonly channels: number;
  readonly rate: number;
  readonly bits: number;
}

interface WavHeader extends WavFormat {
  readonly dataAt: number;
  readonly dataBytes: number;
}

type ReadSample = (data: Buffer, at: number) => number;

const FRAMES_PER_READ = 16_384;
/** Chunks looked at before the sound: more is an attack. */
const MAX_CHUNKS = 1000;
/** Lengths from here on are what writers put that did not know the length (streams). */
const UNKNOWN_LENGTH = 0x7fff_0000;
const EXTENSIBLE = 0xfffe;

const A_LAW = Float32Array.from({ length: 256 }, (_, code) => aLaw(code));
const MU_LAW = Float32Array.from({ length: 256 }, (_, code) => muLaw(code));

/** ITU-T G.711, A-law to linear, -1 to 1. */
function aLaw(code: number): number {
  const value = code ^ 0x55;
  const exponent = (value >> 4) & 7;
  const mantissa = (value & 15) << 4;
  const size = exponent === 0 ? mantissa + 8 : (mantissa + 0x108) << (exponent - 1);
  return (value & 0x80 ? size : -size) / 32768;
}

/** ITU-T G.711, mu-law to linear, -1 to 1. */
function muLaw(code: number): number {
  const value = ~code & 255;
  const size = ((((value & 15) << 3) + 0x84) << ((value >> 4) & 7)) - 0x84;
  return (value & 0x80 ? -size : size) / 32768;
}

const READERS: Readonly<Record<string, ReadSample>> = {
  '1/8': (data, at) => ((data[at] as number) - 128) / 128,
  '1/16': (data, at) => data.readInt16LE(at) / 32768,
  '1/24': (data, at) => data.readIntLE(at, 3) / 8388608,
  '1/32': (data, at) => data.readInt32LE(at) / 2147483648,
  '3/32': (data, at) => data.readFloatLE(at),
  '3/64': (data, at) => data.readDoubleLE(at),
  '6/8': (data, at) => A_LAW[data[at] as number] as number,
  '7/8': (data, at) => MU_LAW[data[at] as number] as number,
};

/** Reads a WAV in pieces: PCM of 8 to 32 bits, float, A-law, mu-law. Throws on all others and on damaged files. */
export function* readWav(path: string): Generator<PcmChunk> {
  const file = openSync(path, 'r');
  try {
    const header = readHeader(file);
    const readSample = READERS[`${header.coding}/${header.bits}`];
    if (!readSample) throw new Error(`the WAV coding 0x${header.coding.toString(16)}/${header.bits} is not supported`);
    const frameBytes = (header.bits / 8) * header.channels;
    const frames = Math.floor(header.dataBytes / frameBytes);
    for (let done = 0; done < frames; done += FRAMES_PER_READ) {
      const count = Math.min(FRAMES_PER_READ, frames - done);
      const data = readExactly(file, header.dataAt + done * frameBytes, count * frameBytes);
      yield { rate: header.rate, channels: split(data, header, count, readSample) };
    }
  } finally {
    closeSync(file);
  }
}

function split(data: Buffer, format: WavFormat, frames: number, readSample: ReadSample): Float32Array[] {
  const size = format.bits / 8;
  const channels = Array.from({ length: format.channels }, () => new Float32Array(frames));
  channels.forEach((samples, c) => {
    for (let i = 0; i < frames; i++) samples[i] = readSample(data, (i * format.channels + c) * size);
  });
  return channels;
}

function readHeader(file: number): WavHeader {
  const size = fstatSync(file).size;
  const riff = readExactly(file, 0, 12);
  if (riff.toString('latin1', 0, 4) !== 'RIFF' || riff.toString('latin1', 8, 12) !== 'WAVE') {
    throw new Error('not a WAV file');
  }
  let format: WavFormat | undefined;
  for (let at = 12, chunks = 0; at + 8 <= size && chunks < MAX_CHUNKS; chunks++) {
    const head = readExactly(file, at, 8);
    const id = head.toString('latin1', 0, 4);
    const bytes = head.readUInt32LE(4);
    at += 8;
    if (id === 'fmt ') format = readFormat(readExactly(file, at, Math.min(bytes, 26)));
    if (id === 'data') {
      if (!format) break;
      return { ...format, dataAt: at, dataBytes: dataLength(bytes, size - at) };
    }
    at += bytes + (bytes & 1);
  }
  throw new Error('the WAV file has no sound in it');
}

function dataLength(declared: number, there: number): number {
  if (declared <= there) return declared;
  if (declared < UNKNOWN_LENGTH) throw new Error('the WAV file is cut short');
  return there;
}

function readFormat(chunk: Buffer): WavFormat {
  if (chunk.length < 16) throw new Error('the WAV header is damaged');
  const tag = chunk.readUInt16LE(0);
  const format = {
    coding: tag === EXTENSIBLE && chunk.length >= 26 ? chunk.readUInt16LE(24) : tag,
    channels: chunk.readUInt16LE(2),
    rate: chunk.readUInt32LE(4),
    bits: chunk.readUInt16LE(14),
  };
  const { channels, rate } = format;
  if (channels < 1 || channels > 8 || rate < 1000 || rate > 384_000) throw new Error('the WAV header is damaged');
  return format;
}

function readExactly(file: number, offset: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  for (let done = 0; done < bytes; ) {
    const got = readSync(file, buffer, done, bytes - done, offset + done);
    if (got === 0) throw new Error('the WAV file is cut short');
    done += got;
  }
  return buffer;
}
