/** The words of this package: what goes in, what comes out, what may be asked for. */

/** Families of media. Declared type, content and file extension must name the same one. */
export type MediaFamily = 'pdf' | 'image' | 'text' | 'html' | 'office' | 'audio';

/** One file to convert. The path is the only thing that reaches a decoder; names from clients never do. */
export interface MediaFile {
  /** Absolute path of a regular file. It is read, never changed. */
  readonly path: string;
  /** The type `sniff` returned for it (see {@link ACCEPTED_TYPES}), without parameters. */
  readonly mediaType: string;
}

/** Fax qualities of the REST API, from 100 x 98 to 408 x 391 dots per inch. */
export type FaxQuality = 'basic' | 'standard' | 'fine' | 'super' | 'superior' | 'ultra';

/**
 * How grey becomes black and white: `text` cuts at a threshold (small, crisp), `photo` keeps tones as dots,
 * `auto` looks at each page and takes the one that suits it.
 */
export type FaxMode = 'auto' | 'text' | 'photo';

/** ITU-T T.4 one-dimensional (`g3`, understood by every machine since 1980) or T.6 (`g4`, half the size). */
export type FaxEncoding = 'g3' | 'g4';

/** Paper the pages are laid out for. */
export type FaxPaper = 'a4' | 'letter';

/** Options of a conversion to fax pages. */
export interface FaxOptions {
  readonly quality: FaxQuality;
  /** Default `auto`. */
  readonly mode?: FaxMode;
  /** Pages of all inputs together; default 500. More is an error, never a cut. */
  readonly maxPages?: number;
  /** Default `g4`. */
  readonly encoding?: FaxEncoding;
  /** Default `a4`. */
  readonly paper?: FaxPaper;
}

/** What a conversion to fax pages made. */
export interface FaxResult {
  readonly pages: number;
  /** Pixels, of the first page; all pages are this wide. */
  readonly width: number;
  /** Pixels, of the first page. */
  readonly height: number;
  /** Dots per inch across. */
  readonly resolutionX: number;
  /** Dots per inch down. Not the same as across for most qualities: fax pixels are not square. */
  readonly resolutionY: number;
  /** Size of the TIFF in bytes. */
  readonly bytes: number;
}

/** Options of a conversion to telephone audio. */
export interface VoiceOptions {
  /** Seconds of all inputs together; default 1800. More is an error, never a cut. */
  readonly maxSeconds?: number;
}

/** What a conversion to telephone audio made. */
export interface VoiceResult {
  /** Whole seconds, rounded up. */
  readonly seconds: number;
  /** Samples of the WAV, 8000 to the second. */
  readonly samples: number;
  /** Size of the WAV in bytes. */
  readonly bytes: number;
}

/** Options of a page preview. */
export interface PreviewOptions {
  /** Counted from 1. */
  readonly page: number;
  /** Default `png`. */
  readonly format?: 'png' | 'jpeg';
  /** Width of the picture in pixels, 16 to 4000; default 800. The height follows the page. */
  readonly width?: number;
}

/** What a preview made. */
export interface PreviewResult {
  readonly width: number;
  readonly height: number;
  readonly bytes: number;
}

/** What any conversion to a file that has pages made. */
export interface PagesResult {
  readonly pages: number;
  readonly bytes: number;
}

/** Each call may be cancelled. */
export interface CallOptions {
  /** Aborting it kills the conversion at once, removes its scratch directory and rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}
