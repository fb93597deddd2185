/** At most so many at a time; the others wait in line, first come, first served. */
export class Slots {
  private free: number;
  private readonly line: (() => void)[] = [];

  constructor(count: number) {
    this.free = count;
  }

  /** How many wait. */
  get waiting(): number {
    return this.line.length;
  }

  /**
   * Runs `use` when there is a slot.
   * @throws signal.reason when the signal is aborted while it waits
   */
  async with<T>(signal: AbortSignal, use: () => Promise<T>): Promise<T> {
    await this.acquire(signal);
    try {
      return await use();
    } finally {
      const next = this.line.shift();
      if (next) next();
      else this.free++;
    }
  }

  private acquire(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.free > 0) {
      this.free--;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        this.line.splice(this.line.indexOf(enter), 1);
        reject(signal.reason);
      };
      this.line.push(enter);
      signal.addEventListener('abort', leave, { once: true });
    });
  }
}
