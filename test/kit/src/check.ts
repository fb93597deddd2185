/** One promise of the contract as a test that can be run anywhere. */
export interface Check {
  /** The promise in words; unique within its list. */
  readonly name: string;
  /** Why it cannot be run with the given options; it is then reported as skipped, never as passed. */
  readonly skip?: string;
  /** Rejects with what is wrong. */
  run(): Promise<void>;
}

/** What became of a {@link Check}. */
export interface CheckResult {
  readonly name: string;
  readonly state: 'passed' | 'failed' | 'skipped';
  /** What is wrong, or why it was skipped. */
  readonly detail: string;
}

/** Milliseconds a check may take as a test. */
export const CHECK_TIMEOUT_MS = 60_000;

/** Registers checks as jest tests (`describe` and `test` globals). */
export function registerChecks(title: string, checks: readonly Check[]): void {
  describe(title, () => {
    for (const check of checks) {
      const register = check.skip === undefined ? test : test.skip;
      const name = check.skip === undefined ? check.name : `${check.name} [skipped: ${check.skip}]`;
      register(name, () => check.run(), CHECK_TIMEOUT_MS);
    }
  });
}

/** Runs checks one after another without a test framework. */
export async function runChecks(checks: readonly Check[]): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const { name, skip, run } of checks) {
    if (skip !== undefined) {
      results.push({ name, state: 'skipped', detail: skip });
      continue;
    }
    try {
      await run();
      results.push({ name, state: 'passed', detail: '' });
    } catch (error) {
      results.push({ name, state: 'failed', detail: error instanceof Error ? error.message : String(error) });
    }
  }
  return results;
}
