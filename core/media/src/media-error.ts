/** Why a file was not converted. Each has one HTTP status (section 6 of the API) and a message for the user. */
export const MEDIA_ERROR_STATUS = {
  /** This kind of file is not accepted at all. */
  MEDIA_TYPE_UNSUPPORTED: 415,
  /** The content is not what the declared type or the file name says. */
  MEDIA_TYPE_MISMATCH: 415,
  /** Broken, encrypted, empty: the decoder refused it. */
  MEDIA_NOT_CONVERTIBLE: 412,
  MEDIA_TOO_MANY_PAGES: 412,
  /** Too many pixels, too many seconds, or an output beyond its size. */
  MEDIA_TOO_LARGE: 413,
  /** The conversion took longer than it may. */
  MEDIA_TIMEOUT: 412,
  /** The conversion needed more memory than it may have. */
  MEDIA_MEMORY: 412,
  /** This server lacks the program for that format; the message says what to install. */
  MEDIA_TOOL_MISSING: 415,
} as const;

/** Stable code of a media error. */
export type MediaErrorCode = keyof typeof MEDIA_ERROR_STATUS;

/**
 * An error about a user's file. Recognise it by `code` ({@link isMediaError}), not by `instanceof`; the message is
 * meant for the user and names no path of the server.
 */
export class MediaError extends Error {
  /** HTTP status the API names for this code. */
  readonly status: number;

  constructor(
    readonly code: MediaErrorCode,
    message: string,
    /** The decoder's own words, for the log. */
    readonly detail?: string,
  ) {
    super(message);
    this.name = 'MediaError';
    this.status = MEDIA_ERROR_STATUS[code];
  }
}

/** True when the value is an error of this package, from whatever copy of it. */
export function isMediaError(error: unknown): error is MediaError {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && isMediaErrorCode(error.code);
}

/** True when the text is one of the codes above. */
export function isMediaErrorCode(code: string): code is MediaErrorCode {
  return Object.hasOwn(MEDIA_ERROR_STATUS, code);
}
