import { readFileSync } from 'node:fs';
import { type Bench, failureOf, itWith, openBench, runProgram } from './fixtures.test.util';

let bench: Bench;
beforeAll(() => {
  bench = openBench();
});
afterAll(() => bench.close());

/** A tone of 1 kHz at half of full scale: -9.03 dB below a full-scale square. */
const TONE = { hertz: 1000, level: 0.5 } as const;

function tone(seconds: number, rate: number, hertz: number = TONE.hertz): Float64Array {
  return Float64Array.from({ length: Math.round(seconds * rate) }, (_, i) => {
    return TONE.level * Math.sin((2 * Math.PI * hertz * i) / rate);
  });
}

type Coding = 'u8' | 's16' | 's24' | 's32' | 'f32' | 'f64' | 'alaw' | 'mulaw';
const CODINGS: Record<Coding, { tag: number; bytes: number }> = {
  u8: { tag: 1, bytes: 1 },
  s16: { tag: 1, bytes: 2 },
  s24: { tag: 1, bytes: 3 },
  s32: { tag: 1, bytes: 4 },
  f32: { tag: 3, bytes: 4 },
  f64: { tag: 3, bytes: 8 },
  alaw: { tag: 6, bytes: 1 },
  mulaw: { tag: 7, bytes: 1 },
};

function putSample(out: Buffer, at: number, value: number, coding: Coding): void {
  if (coding === 'u8') out.writeUInt8(Math.round(value * 127) + 128, at);
  else if (coding === 's16') out.writeInt16LE(Math.round(value * 32767), at);
  else if (coding === 's24') out.writeIntLE(Math.round(value * 8388607), at, 3);
  else if (coding === 's32') out.writeInt32LE(Math.round(value * 2147483647), at);
  else if (coding === 'f32') out.writeFloatLE(value, at);
  else if (coding === 'f64') out.writeDoubleLE(value, at);
  else out.writeUInt8(coding === 'alaw' ? toALaw(value) : toMuLaw(value), at);
}

/** ITU-T G.711, written from its segment tables and independent of the reader under test. */
function toALaw(value: number): number {
  const size = Math.min(4095, Math.floor(Math.abs(value) * 4096));
  const segment = Math.max(0, Math.floor(Math.log2(Math.max(1, size))) - 4);
  const step = segment === 0 ? size >> 1 : size >> segment;
  return ((value >= 0 ? 0x80 : 0) | (segment << 4) | (step & 15)) ^ 0x55;
}

function toMuLaw(value: number): number {
  const size = Math.min(8158, Math.floor(Math.abs(value) * 8159)) + 33;
  const segment = Math.floor(Math.log2(size)) - 5;
  return ~((value < 0 ? 0x80 : 0) | (segment << 4) | ((size >> (segment + 1)) & 15)) & 255;
}

function wav(samples: Float64Array, rate: number, coding: Coding, channels = 1): Buffer {
  const { tag, bytes } = CODINGS[coding];
  const data = Buffer.alloc(samples.length * bytes * channels);
  samples.forEach((value, i) => {
    for (let c = 0; c < channels; c++) putSample(data, (i * channels + c) * bytes, value, coding);
  });
  const head = Buffer.alloc(44);
  head.write('RIFF', 0, 'latin1');
  head.writeUInt32LE(36 + data.length, 4);
  head.write('WAVEfmt ', 8, 'latin1');
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(tag, 20);
  head.writeUInt16LE(channels, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate * bytes * channels, 28);
  head.writeUInt16LE(bytes * channels, 32);
  head.writeUInt16LE(bytes * 8, 34);
  head.write('data', 36, 'latin1');
  head.writeUInt32LE(data.length, 40);
  return Buffer.concat([head, data]);
}

/** What is in the result, measured: length, level and purity of the tone, without its first and last 50 ms. */
function measure(path: string, hertz: number = TONE.hertz): { samples: number; levelDb: number; noiseDb: number } {
  const file = readFileSync(path);
  expect(file.toString('latin1', 0, 4)).toBe('RIFF');
  expect(file.readUInt32LE(4)).toBe(file.length - 8);
  expect([file.readUInt16LE(20), file.readUInt16LE(22), file.readUInt32LE(24)]).toEqual([1, 1, 8000]);
  expect([file.readUInt32LE(28), file.readUInt16LE(32), file.readUInt16LE(34)]).toEqual([16000, 2, 16]);
  expect(file.readUInt32LE(40)).toBe(file.length - 44);
  const all = Array.from({ length: (file.length - 44) / 2 }, (_, i) => file.readInt16LE(44 + 2 * i) / 32768);
  const body = all.slice(400, 400 + Math.floor((all.length - 800) / 8) * 8);
  let [sine, cosine, power] = [0, 0, 0];
  body.forEach((value, i) => {
    const angle = (2 * Math.PI * hertz * i) / 8000;
    sine += value * Math.sin(angle);
    cosine += value * Math.cos(angle);
    power += value * value;
  });
  const amplitude = (2 * Math.hypot(sine, cosine)) / body.length;
  const noise = Math.max(1e-12, power / body.length - amplitude ** 2 / 2);
  return {
    samples: all.length,
    levelDb: 20 * Math.log10(amplitude / TONE.level),
    noiseDb: 10 * Math.log10(noise / (amplitude ** 2 / 2)),
  };
}

function convert(path: string, mediaType = 'audio/wav', out = bench.path('out.wav')) {
  return bench.media.convertToVoice([{ path, mediaType }], {}, out);
}

describe('WAV', () => {
  /** Worst noise each coding may add, in dB below the tone. */
  const NOISE: Record<Coding, number> = {
    u8: -40,
    s16: -80,
    s24: -80,
    s32: -80,
    f32: -80,
    f64: -80,
    alaw: -32,
    mulaw: -32,
  };

  it.each(Object.keys(CODINGS) as Coding[])('reads %s of 8 and 44.1 kHz, mono and stereo', async (coding) => {
    for (const [rate, channels] of [
      [8000, 1],
      [44100, 2],
    ] as const) {
      const path = bench.file('in.wav', wav(tone(1.25, rate), rate, coding, channels));
      const result = await convert(path);
      expect(result).toEqual({ seconds: 2, samples: 10_000, bytes: 20_044 });
      const { samples, levelDb, noiseDb } = measure(bench.path('out.wav'));
      expect(samples).toBe(10_000);
      expect(Math.abs(levelDb)).toBeLessThan(coding.endsWith('law') || coding === 'u8' ? 0.15 : 0.02);
      expect(noiseDb).toBeLessThan(NOISE[coding]);
    }
  });

  it.each([11025, 16000, 22050, 32000, 48000, 96000, 6000])(
    'changes %i Hz to 8 kHz and keeps level and length',
    async (rate) => {
      await convert(bench.file('in.wav', wav(tone(1, rate), rate, 's16')));
      const { samples, levelDb, noiseDb } = measure(bench.path('out.wav'));
      expect(Math.abs(samples - 8000)).toBeLessThanOrEqual(1);
      expect(Math.abs(levelDb)).toBeLessThan(0.02);
      expect(noiseDb).toBeLessThan(-75);
    },
  );

  it('removes what a telephone line cannot carry instead of folding it down', async () => {
    // 7 kHz would fold to 1 kHz.
    await convert(bench.file('high.wav', wav(tone(1, 48_000, 7000), 48_000, 's24')));
    const file = readFileSync(bench.path('out.wav'));
    let peak = 0;
    for (let i = 44 + 800; i < file.length - 800; i += 2) peak = Math.max(peak, Math.abs(file.readInt16LE(i)));
    expect(peak).toBeLessThanOrEqual(2); // -84 dB
  });

  it('appends recordings of different kinds in order', async () => {
    const inputs = [wav(tone(0.5, 8000), 8000, 'mulaw'), wav(tone(0.75, 44100), 44100, 's16', 2)].map((content, i) => ({
      path: bench.file(`part${i}.wav`, content),
      mediaType: 'audio/wav',
    }));
    const out = bench.path('joined.wav');
    expect(await bench.media.convertToVoice(inputs, {}, out)).toEqual({ seconds: 2, samples: 10_000, bytes: 20_044 });
    expect(measure(out).samples).toBe(10_000);
  });

  it('stops at the limit of seconds', async () => {
    const path = bench.file('long.wav', wav(tone(3, 8000), 8000, 'u8'));
    const run = bench.media.convertToVoice([{ path, mediaType: 'audio/wav' }], { maxSeconds: 2 }, bench.path('no.wav'));
    expect(await failureOf(run)).toEqual({
      code: 'MEDIA_TOO_LARGE',
      message: 'The recording is longer than 2 seconds.',
    });
  });

  it('says what is wrong with a file that is cut short, silent or of an unknown coding', async () => {
    const whole = wav(tone(1, 8000), 8000, 's16');
    const gsm = Buffer.from(whole);
    gsm.writeUInt16LE(0x31, 20);
    const cases: [Buffer, RegExp][] = [
      [whole.subarray(0, 8000), /cut short/],
      [wav(new Float64Array(0), 8000, 's16'), /no sound/],
      [gsm, /coding 0x31\/16 is not supported/],
      [whole.subarray(0, 40), /cut short|no sound/],
    ];
    for (const [content, message] of cases) {
      const failure = await failureOf(convert(bench.file('bad.wav', content)));
      expect(failure.code).toBe('MEDIA_NOT_CONVERTIBLE');
      expect(failure.message).toMatch(message);
    }
  });

  it.each([
    ['A-law', 6, [0xd5, 0x55, 0xaa, 0x2a, 0x80, 0xc5], [8, -8, 32256, -32256, 5504, 264]],
    ['mu-law', 7, [0xff, 0x7f, 0x80, 0x00, 0x9f, 0xef], [0, 0, 32124, -32124, 8316, 132]],
  ] as const)('decodes %s to the values of ITU-T G.711', async (_name, tag, codes, values) => {
    const file = wav(new Float64Array(codes.length), 8000, 'u8');
    file.writeUInt16LE(tag, 20);
    file.set(codes, 44);
    await convert(bench.file('codes.wav', file));
    const made = readFileSync(bench.path('out.wav'));
    expect(codes.map((_code, i) => made.readInt16LE(44 + 2 * i))).toEqual(values);
  });

  it('reads a stream whose header does not know its length', async () => {
    const whole = wav(tone(1, 8000), 8000, 's16');
    whole.writeUInt32LE(0xffffffff, 40);
    expect(await convert(bench.file('stream.wav', whole))).toMatchObject({ samples: 8000 });
  });
});

describe('compressed sound', () => {
  /** Encoder, its arguments, file and type; bits that a lossy coder of speech may change. */
  const CODERS = [
    ['flac', ['-s', '-f', '-o'], 'c.flac', 'audio/flac'],
    ['oggenc', ['-Q', '-q', '5', '-o'], 'c.ogg', 'audio/ogg'],
  ] as const;

  for (const [program, args, name, mediaType] of CODERS) {
    itWith(program)(`reads ${name}`, () =>
      check(mediaType, name, (source, target) => runProgram(program, [...args, target, source])),
    );
  }
  itWith('opusenc')('reads c.opus', () =>
    check('audio/ogg', 'c.opus', (source, target) =>
      runProgram('opusenc', ['--quiet', '--bitrate', '64', source, target]),
    ),
  );
  for (const rate of [44100, 16000]) {
    itWith('ffmpeg')(`reads mp3 of ${rate} Hz`, () =>
      check('audio/mpeg', `c${rate}.mp3`, (source, target) =>
        runProgram('ffmpeg', ['-v', 'error', '-y', '-i', source, '-ar', String(rate), '-b:a', '64k', target]),
      ),
    );
  }

  itWith('sox')('has the level and length that sox has', async () => {
    const source = bench.file('ref.wav', wav(tone(2, 44100), 44100, 's16', 2));
    await convert(source);
    const reference = bench.path('sox.wav');
    runProgram('sox', ['-D', source, '-r', '8000', '-c', '1', '-b', '16', reference]);
    const ours = measure(bench.path('out.wav'));
    const theirs = measure(reference);
    expect(ours.samples).toBe(theirs.samples);
    expect(Math.abs(ours.levelDb - theirs.levelDb)).toBeLessThan(0.01);
  });

  itWith('flac')('says that a FLAC file is cut short', async () => {
    const source = bench.file('whole.wav', wav(tone(2, 44100), 44100, 's16'));
    const flac = bench.path('whole.flac');
    runProgram('flac', ['-s', '-f', '-o', flac, source]);
    const content = readFileSync(flac);
    const failure = await failureOf(
      convert(bench.file('cut.flac', content.subarray(0, content.length >> 1)), 'audio/flac'),
    );
    expect(failure.code).toBe('MEDIA_NOT_CONVERTIBLE');
    expect(failure.message).toMatch(/cut short/);
  });

  it('refuses what is no sound behind the head of an mp3', async () => {
    const noise = Buffer.from(Array.from({ length: 200_000 }, (_, i) => ((i * 2654435761) >>> 13) & 255));
    const failure = await failureOf(
      convert(bench.file('bad.mp3', Buffer.concat([Buffer.from('ID3'), noise])), 'audio/mpeg'),
    );
    expect(failure.code).toBe('MEDIA_NOT_CONVERTIBLE');
  });

  function levelOf(path: string): number {
    const reference = bench.path('reference.wav');
    const format = ['-ar', '8000', '-ac', '1', '-bitexact', reference];
    runProgram('ffmpeg', ['-v', 'error', '-y', '-i', path, '-t', '2.5', ...format]);
    return measure(reference).levelDb;
  }

  async function check(
    mediaType: string,
    name: string,
    encode: (source: string, target: string) => void,
  ): Promise<void> {
    const source = bench.file('source.wav', wav(tone(2.5, 44100), 44100, 's16', 2));
    const target = bench.path(name);
    encode(source, target);
    const result = await convert(target, mediaType);
    const { samples, levelDb, noiseDb } = measure(bench.path('out.wav'));
    expect(result).toMatchObject({ seconds: 3, samples });
    // mp3 pads to whole frames of 1152 samples and adds the decoder's delay.
    expect(samples / 8000).toBeGreaterThanOrEqual(2.499);
    expect(samples / 8000).toBeLessThan(2.5 + (mediaType === 'audio/mpeg' ? 0.15 : 0.001));
    // LAME turns the sound down to 95 %: another decoder says how loud the file is.
    const loudness = mediaType === 'audio/mpeg' ? levelOf(target) : 0;
    expect(Math.abs(levelDb - loudness)).toBeLessThan(0.1);
    expect(noiseDb).toBeLessThan(mediaType === 'audio/flac' ? -80 : -30);
  }
});
