import { randomUUID } from 'node:crypto';
import { IctError, z } from '@ictcore/contract';
import { hash, verify } from '@node-rs/argon2';

/** argon2id as OWASP recommends it (Password Storage Cheat Sheet): 19 MiB, 2 passes, 1 lane. */
const ARGON2 = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

const MIN_LENGTH = 8;
const MAX_LENGTH = 128;

/** A new password: {@link MIN_LENGTH} to {@link MAX_LENGTH} characters, nothing else is asked of it. */
export function newPassword() {
  return z
    .string({ error: (issue) => (issue.input === undefined ? 'is required' : 'must be a text') })
    .min(MIN_LENGTH, `must have at least ${MIN_LENGTH} characters`)
    .max(MAX_LENGTH, `must have at most ${MAX_LENGTH} characters`)
    .refine((value) => !value.includes('\0'), 'must not contain the NUL character')
    .meta({ writeOnly: true });
}

/**
 * Hashing takes a thread of libuv's pool of four and 19 MiB for some 25 ms. Two at a time leave threads for files and
 * name look-ups; who comes when {@link MAX_WAITING} wait already is told to come again rather than left to wait.
 */
const MAX_RUNNING = 2;
const MAX_WAITING = 100;
let running = 0;
const waiting: (() => void)[] = [];

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (running >= MAX_RUNNING) {
    if (waiting.length >= MAX_WAITING) {
      throw new IctError('Too many logins at the moment; try again in a few seconds', {
        code: 'LOGINS_BUSY',
        status: 503,
        headers: { 'Retry-After': '5' },
      });
    }
    // Its turn is handed over by whoever finishes, without `running` going down in between.
    await new Promise<void>((resolve) => waiting.push(resolve));
  } else {
    running++;
  }
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else running--;
  }
}

/** The password as it is stored: an argon2id PHC string with a salt of its own. */
export function hashPassword(password: string): Promise<string> {
  return inTurn(() => hash(password, ARGON2));
}

/** A hash that no password is known for, with the same cost: for users that do not exist. Made at its first use. */
let nobodys: Promise<string> | undefined;

/**
 * True if the password belongs to this hash. Without a hash (no such user) it takes as long and says false, so that
 * the time of an answer does not tell whether a user exists.
 */
export async function verifyPassword(password: string, stored: string | undefined): Promise<boolean> {
  nobodys ??= hash(randomUUID(), ARGON2);
  const dummy = await nobodys;
  const matches = await inTurn(() => verify(stored ?? dummy, password).catch(() => false));
  return matches && stored !== undefined;
}
