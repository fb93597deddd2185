import { isDeepStrictEqual } from 'node:util';

/** Fails with every problem at once. */
export function refuseProblems(problems: readonly string[]): void {
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

/** Fails unless `condition` holds. */
export function must(condition: boolean, problem: string): asserts condition {
  if (!condition) throw new Error(problem);
}

/** Fails unless the two are deeply equal. */
export function mustEqual(actual: unknown, wanted: unknown, problem: string): void {
  if (!isDeepStrictEqual(actual, wanted)) {
    throw new Error(`${problem}: ${JSON.stringify(actual)} instead of ${JSON.stringify(wanted)}`);
  }
}

/** Fails unless a value survives being stored as JSON. */
export function mustBeJson(value: unknown, what: string): void {
  mustEqual(JSON.parse(JSON.stringify(value) ?? 'null'), dropUndefined(value), `${what} does not survive as JSON`);
}

/** A copy without the keys whose value is undefined, as JSON leaves them out. */
function dropUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(dropUndefined);
  if (value === null || typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype) return value;
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return Object.fromEntries(entries.map(([key, each]) => [key, dropUndefined(each)]));
}

/** Freezes plain objects and arrays all the way down, so that writing to them throws. */
export function deepFreeze<T>(value: T): T {
  if (value === null || typeof value !== 'object' || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const each of Object.values(value)) deepFreeze(each);
  return value;
}

/**
 * Waits for a promise, but not for ever.
 *
 * @param ms milliseconds
 * @throws Error that says `what` did not come, or what the promise rejects with
 */
export async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took more than ${ms} ms`)), ms);
    // Not counted among what a driver leaves behind.
    timer.unref();
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Sleeps for some milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
