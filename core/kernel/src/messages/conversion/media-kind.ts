import { ACCEPTED_TYPES, FAX_QUALITIES, type FaxQuality, type MediaConverter, type MediaFile } from '@ictcore/media';
import type { Config } from '../../boot/config';

/** What a conversion is told beside its files. */
export interface ConversionOptions {
  quality: FaxQuality;
  /** False for received media. */
  limited: boolean;
  config: Config['media'];
  signal: AbortSignal;
}

/** The columns that follow from what was made. */
export type DerivedColumns = Readonly<Record<string, number>>;

/** What sets documents and recordings apart; everything else about their media is the same. */
export interface MediaKind {
  readonly name: 'document' | 'recording';
  readonly table: 'document' | 'recording';
  readonly key: 'document_id' | 'recording_id';
  /** SQL of the row's quality. */
  readonly qualityColumn: string;
  /** Media type and extension of what telephony gets. */
  readonly derived: { readonly mediaType: string; readonly extension: string };
  maxBytes(config: Config['media']): number;
  convert(
    converter: MediaConverter,
    inputs: readonly MediaFile[],
    options: ConversionOptions,
    out: string,
  ): Promise<DerivedColumns>;
}

/** Received media are bounded by this, not by what users may upload: pages and seconds. */
const UNLIMITED = { pages: 10_000, seconds: 86_400 } as const;
const POINTS_PER_INCH = 72;

/** Fax documents: one TIFF in the row's quality. */
export const DOCUMENT_MEDIA: MediaKind = {
  name: 'document',
  table: 'document',
  key: 'document_id',
  qualityColumn: 't.quality',
  derived: { mediaType: 'image/tiff', extension: 'tif' },
  maxBytes: (config) => config.document_max_bytes,
  async convert(converter, inputs, { quality, limited, config, signal }, out) {
    const maxPages = limited ? config.document_max_pages : UNLIMITED.pages;
    const made = await converter.convertToFax(inputs, { quality, maxPages, signal }, out);
    const { x, y } = FAX_QUALITIES[quality];
    return {
      pages: made.pages,
      size_x: Math.round((made.width / made.resolutionX) * POINTS_PER_INCH),
      size_y: Math.round((made.height / made.resolutionY) * POINTS_PER_INCH),
      resolution_x: x,
      resolution_y: y,
    };
  },
};

/** Recordings: one WAV for the telephone. */
export const RECORDING_MEDIA: MediaKind = {
  name: 'recording',
  table: 'recording',
  key: 'recording_id',
  qualityColumn: 'null::text',
  derived: { mediaType: 'audio/wav', extension: 'wav' },
  maxBytes: (config) => config.recording_max_bytes,
  async convert(converter, inputs, { limited, config, signal }, out) {
    const maxSeconds = limited ? config.recording_max_seconds : UNLIMITED.seconds;
    const made = await converter.convertToVoice(inputs, { maxSeconds, signal }, out);
    return { length: made.seconds };
  },
};

export const MEDIA_KINDS: readonly MediaKind[] = [DOCUMENT_MEDIA, RECORDING_MEDIA];

/** The usual extension of an accepted media type. */
export function extensionOf(mediaType: string): string {
  return ACCEPTED_TYPES.get(mediaType)?.extension ?? 'bin';
}
