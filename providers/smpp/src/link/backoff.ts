/** Times of a {@link Backoff}, in milliseconds. */
export interface BackoffTimes {
  /** After an ordinary failure: first pause and longest. */
  firstMs: number;
  longestMs: number;
  /** After a refused login: pauses begin here and may grow to ten times as much. */
  loginMs: number;
}

/** Pauses between tries, doubled each time; half of each is random, so that many clients do not come back together. */
export class Backoff {
  private failures = 0;
  private refusals = 0;

  constructor(
    private readonly times: BackoffTimes,
    private readonly random: () => number = Math.random,
  ) {}

  /** The pause before the next try, in milliseconds. `login` for a refused login: carriers lock accounts. */
  next(login: boolean): number {
    const { firstMs, longestMs, loginMs } = this.times;
    const full = login
      ? Math.min(loginMs * 2 ** this.refusals++, loginMs * 10)
      : Math.min(firstMs * 2 ** this.failures++, longestMs);
    // A pause after a refused login is never shorter than asked for.
    return Math.round(login ? full * (1 + this.random() / 4) : full * (0.5 + this.random() / 2));
  }

  /** All is well again. */
  reset(): void {
    this.failures = 0;
    this.refusals = 0;
  }
}
