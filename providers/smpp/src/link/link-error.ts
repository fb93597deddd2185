/** Why a request got no answer; `unfit`: SMPP cannot carry one of its fields. */
export type LinkProblem = 'closed' | 'timeout' | 'aborted' | 'garbled' | 'unfit' | 'closing' | 'login';

/**
 * A request without an answer. Recognise it by {@link isLinkError}. `written` is the one fact that decides what may be
 * done next: false is proof that the peer has not seen the request.
 */
export class LinkError extends Error {
  readonly mark = 'smpp-link-error';

  constructor(
    readonly problem: LinkProblem,
    readonly written: boolean,
    message: string,
    /** Command status of a refused bind. */
    readonly status?: number,
  ) {
    super(message);
    this.name = 'LinkError';
  }
}

/** True for a {@link LinkError}. */
export function isLinkError(error: unknown): error is LinkError {
  return (error as { mark?: unknown } | null)?.mark === 'smpp-link-error';
}
