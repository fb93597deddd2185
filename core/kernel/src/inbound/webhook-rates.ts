import { IctError } from '@ictcore/contract';
import { LRUCache } from 'lru-cache';

/** Calls taken from one address in one window, and its length in milliseconds: a busy carrier's receipts fit in. */
const MAX_CALLS = 30_000;
/** Calls from one address that may come to nothing in one window: guessing at signatures and ids ends there. */
const MAX_REFUSED = 60;
const WINDOW_MS = 60_000;
/** Addresses remembered. */
const MAX_ADDRESSES = 10_000;

interface Count {
  calls: number;
  refused: number;
  /** When the window ends, in milliseconds since 1970. */
  until: number;
}

/** Counts webhook calls by address. In memory, per node: it is a guard against floods, no book-keeping. */
export class CallRates {
  private readonly counts = new LRUCache<string, Count>({ max: MAX_ADDRESSES });

  constructor(private readonly now: () => number = Date.now) {}

  /** @throws 429 beyond the limits */
  count(address: string): void {
    const count = this.of(address);
    count.calls++;
    if (count.calls <= MAX_CALLS && count.refused < MAX_REFUSED) return;
    throw new IctError('Too many calls from this address; try again later', {
      code: 'TOO_MANY_REQUESTS',
      status: 429,
      headers: { 'Retry-After': String(Math.max(1, Math.ceil((count.until - this.now()) / 1000))) },
    });
  }

  /** The call came to nothing: unknown provider, wrong signature. */
  countRefused(address: string): void {
    this.of(address).refused++;
  }

  private of(address: string): Count {
    const now = this.now();
    let count = this.counts.get(address);
    if (!count || count.until <= now) {
      count = { calls: 0, refused: 0, until: now + WINDOW_MS };
      this.counts.set(address, count);
    }
    return count;
  }
}
