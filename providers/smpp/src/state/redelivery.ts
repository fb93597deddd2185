import { randomBytes } from 'node:crypto';

/** A message that is being taken, or has been. */
export interface Taking {
  readonly ref: string;
  readonly fingerprint: string;
  /** When it was acknowledged, in milliseconds since 1970; 0 before. */
  ackedAt: number;
}

/** An acknowledgement written this shortly before the link broke may not have arrived. */
const DOUBT_MS = 10_000;
/** How long the carrier may take to send a message again. */
const REMEMBER_MS = 600_000;
const MAX_REMEMBERED = 10_000;

/**
 * Gives inbound messages their refs. SMPP has no id for them, and two people, or one, may well write the same text
 * twice, so content alone does not make a duplicate. A message is the same as one before only if that one was not
 * surely acknowledged: its link broke before or just after, or it could not be stored. Then it gets the same ref, once.
 */
export class RedeliveryGuard {
  private readonly takings = new Map<object, Taking[]>();
  private readonly doubtful = new Map<string, { ref: string; until: number }[]>();
  private remembered = 0;

  /** A message has come in on a connection. */
  begin(connection: object, fingerprint: string, ownId?: string): Taking {
    const ref = ownId ?? this.again(fingerprint) ?? `${fingerprint}-${randomBytes(6).toString('base64url')}`;
    const taking = { ref, fingerprint, ackedAt: 0 };
    const list = this.takings.get(connection) ?? [];
    const now = Date.now();
    while (list[0] && isSure(list[0], now)) list.shift();
    list.push(taking);
    this.takings.set(connection, list);
    return taking;
  }

  /** It was not acknowledged, or the acknowledgement could not be written: the carrier will send it again. */
  doubt(connection: object, taking: Taking): void {
    const list = this.takings.get(connection);
    const at = list?.indexOf(taking) ?? -1;
    // Taken over by `ended` already if it is not there any more.
    if (at < 0) return;
    list?.splice(at, 1);
    this.remember(taking);
  }

  /** The connection is over. */
  ended(connection: object): void {
    const now = Date.now();
    for (const taking of this.takings.get(connection) ?? []) if (!isSure(taking, now)) this.remember(taking);
    this.takings.delete(connection);
  }

  private again(fingerprint: string): string | undefined {
    const list = this.doubtful.get(fingerprint) ?? [];
    const now = Date.now();
    for (;;) {
      const known = list.shift();
      if (list.length === 0) this.doubtful.delete(fingerprint);
      if (!known) return undefined;
      this.remembered -= 1;
      if (known.until > now) return known.ref;
    }
  }

  private remember({ fingerprint, ref }: Taking): void {
    if (this.remembered >= MAX_REMEMBERED) {
      this.doubtful.clear();
      this.remembered = 0;
    }
    const list = this.doubtful.get(fingerprint) ?? [];
    list.push({ ref, until: Date.now() + REMEMBER_MS });
    this.doubtful.set(fingerprint, list);
    this.remembered += 1;
  }
}

function isSure({ ackedAt }: Taking, now: number): boolean {
  return ackedAt !== 0 && now - ackedAt > DOUBT_MS;
}
