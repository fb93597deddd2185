/** Timers of one session: all of them end with it. */
export class Timers {
  /** Whether {@link close} was called. */
  closed = false;
  private readonly ends = new Set<() => void>();

  /** Waits; ends early when the signal is aborted or the session closes. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (ms <= 0) return;
    await this.until(signal, ms);
    if (signal.aborted || this.closed) throw new Error('loopback: given up while the carrier was at work');
  }

  /** Waits until the signal is aborted or the session closes. */
  untilAborted(signal: AbortSignal): Promise<void> {
    return this.until(signal);
  }

  /** Does something after a while, unless stopped by the function it returns or by the end of the session. */
  after(ms: number, work: () => Promise<void>): () => void {
    const timer = setTimeout(() => {
      this.ends.delete(stop);
      void work();
    }, ms);
    const stop = () => clearTimeout(timer);
    this.ends.add(stop);
    if (this.closed) stop();
    return () => {
      stop();
      this.ends.delete(stop);
    };
  }

  /** Ends every wait at once and drops what was still to be done. */
  close(): void {
    this.closed = true;
    for (const end of [...this.ends]) end();
    this.ends.clear();
  }

  private until(signal: AbortSignal, ms?: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        this.ends.delete(end);
        resolve();
      };
      const timer = ms === undefined ? undefined : setTimeout(end, ms);
      this.ends.add(end);
      signal.addEventListener('abort', end, { once: true });
      if (signal.aborted || this.closed) end();
    });
  }
}
