import { IctError } from '@ictcore/contract';
import { isMediaError, type MediaError } from '@ictcore/media';

/** What a failed change keeps of its reason. */
export interface StoredError {
  code: string;
  status: number;
  message: string;
}

/** An error about the user's file as the API shows it: 412, 413 or 415 with the library's words. */
export function mediaErrorReply(error: StoredError): IctError {
  return new IctError(error.message, {
    code: error.code,
    status: error.status,
    details: error.status < 500 ? [{ field: 'file', message: error.message, rule: error.code }] : [],
  });
}

/** A media error as {@link mediaErrorReply} makes it; anything else unchanged. */
export function toReply(error: unknown): unknown {
  return isMediaError(error) ? mediaErrorReply(error as MediaError) : error;
}
