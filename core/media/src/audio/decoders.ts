import { closeSync, openSync, readSync } from 'node:fs';
import type { PcmChunk } from './pcm';
import { readWav } from './wav-reader';

/** What the WebAssembly decoders have in common. */
interface StreamDecoder {
  readonly ready: Promise<unknown>;
  decode(data: Uint8Array): Decoded | Promise<Decoded>;
  flush?(): Promise<Decoded>;
  free(): void;
}

interface Decoded {
  readonly channelData: Float32Array[];
  readonly samplesDecoded: number;
  readonly sampleRate: number;
  readonly errors: readonly { readonly message: string }[];
}

/**
 * Bytes handed to a decoder at a time. Silence codes so small that a few kilobytes of FLAC or Opus can be minutes of
 * samples, all of which the decoder returns at once.
 */
const PIECE_BYTES = 4096;
/** Errors of a decoder that has not found a single sample yet, after which the file is no sound. */
const MAX_ERRORS = 50;

/** Decodes a sound file of any supported kind in pieces, by what is in it. Throws on damaged files. */
export function decodeAudio(path: string): AsyncIterable<PcmChunk> | Iterable<PcmChunk> {
  const head = readHead(path, 64);
  const at = (offset: number, length: number): string => head.toString('latin1', offset, offset + length);
  if (at(0, 4) === 'RIFF') return readWav(path);
  if (at(0, 4) === 'fLaC') return decodeFlac(path, head);
  if (at(0, 4) === 'OggS' && at(28, 8) === 'OpusHead') return decodeWith(path, newOpusDecoder);
  if (at(0, 4) === 'OggS' && at(28, 7) === '\x01vorbis') return decodeWith(path, newVorbisDecoder);
  if (at(0, 4) === 'OggS') throw new Error('only Vorbis and Opus are supported in Ogg files');
  return decodeWith(path, newMp3Decoder);
}

async function newMp3Decoder(): Promise<StreamDecoder> {
  const { MPEGDecoder } = await import('mpg123-decoder');
  return new MPEGDecoder();
}

async function newFlacDecoder(): Promise<StreamDecoder> {
  const { FLACDecoder } = await import('@wasm-audio-decoders/flac');
  return new FLACDecoder();
}

async function newOpusDecoder(): Promise<StreamDecoder> {
  const { OggOpusDecoder } = await import('ogg-opus-decoder');
  return new OggOpusDecoder({ forceStereo: false });
}

async function newVorbisDecoder(): Promise<StreamDecoder> {
  const { OggVorbisDecoder } = await import('@wasm-audio-decoders/ogg-vorbis');
  return new OggVorbisDecoder();
}

/** FLAC says how many samples it has (STREAMINFO, RFC 9639 section 8.2): a file cut short can be told. */
async function* decodeFlac(path: string, head: Buffer): AsyncGenerator<PcmChunk> {
  const promised = (head.readUInt8(21) & 15) * 2 ** 32 + head.readUInt32BE(22);
  let decoded = 0;
  for await (const chunk of decodeWith(path, newFlacDecoder)) {
    decoded += chunk.channels[0]?.length ?? 0;
    yield chunk;
  }
  if (decoded < promised) throw new Error(`the FLAC file is cut short: ${decoded} of ${promised} samples`);
}

async function* decodeWith(path: string, create: () => Promise<StreamDecoder>): AsyncGenerator<PcmChunk> {
  const decoder = await create();
  await decoder.ready;
  let good = 0;
  let bad = 0;
  let firstError = '';
  const check = (decoded: Decoded): PcmChunk | undefined => {
    good += decoded.samplesDecoded;
    bad += decoded.errors.length;
    firstError ||= decoded.errors[0]?.message ?? '';
    if (good === 0 && bad > MAX_ERRORS) throw new Error(`not decodable: ${firstError}`);
    return decoded.samplesDecoded > 0 ? { rate: decoded.sampleRate, channels: decoded.channelData } : undefined;
  };
  for (const piece of readPieces(path)) {
    const chunk = check(await decoder.decode(piece));
    if (chunk) yield chunk;
  }
  const rest = decoder.flush ? check(await decoder.flush()) : undefined;
  if (rest) yield rest;
  if (good === 0) throw new Error(`no sound in the file${firstError ? `: ${firstError}` : ''}`);
  decoder.free();
}

function readHead(path: string, bytes: number): Buffer {
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(bytes);
    readSync(file, buffer, 0, bytes, 0);
    return buffer;
  } finally {
    closeSync(file);
  }
}

function* readPieces(path: string): Generator<Uint8Array> {
  const file = openSync(path, 'r');
  try {
    for (;;) {
      const piece = Buffer.alloc(PIECE_BYTES); // a new one each time: the decoders keep parts of it
      const got = readSync(file, piece, 0, PIECE_BYTES, null);
      if (got === 0) return;
      yield piece.subarray(0, got);
    }
  } finally {
    closeSync(file);
  }
}
