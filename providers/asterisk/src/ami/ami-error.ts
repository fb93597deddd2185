import type { AmiMessage } from './ami-message';

/**
 * `down`: there is no link, or it was lost before the answer (the action may have run); `unsent`: there was no link and
 * the action surely did not run; `timeout`: no answer in time (it may have run); `refused`: Asterisk said no;
 * `unauthorized`: wrong user or password; `invalid`: not sent, because it could not be written safely; `busy`: not sent,
 * too many answers outstanding.
 */
export type AmiErrorCode = 'down' | 'unsent' | 'timeout' | 'refused' | 'unauthorized' | 'invalid' | 'busy';

/** Why an action has no result. Recognise it by `code`. */
export class AmiError extends Error {
  constructor(
    message: string,
    readonly code: AmiErrorCode,
    readonly response?: AmiMessage,
  ) {
    super(message);
    this.name = 'AmiError';
  }
}

/** The code of an {@link AmiError} of any loaded copy, undefined for other errors. */
export function amiErrorCode(error: unknown): AmiErrorCode | undefined {
  const { name, code } = (error ?? {}) as { name?: unknown; code?: AmiErrorCode };
  return name === 'AmiError' ? code : undefined;
}
