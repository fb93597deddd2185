/** One benchmark: a file `<name>.bench.ts` that exports `benchmark`. */
export interface Benchmark {
  name: string;
  /** What is measured against what, in one sentence. */
  what: string;
  /** Prints its figures. Rejects if it could not measure; a goal that is missed is printed, not thrown. */
  run(cleanUp: CleanUp): Promise<void>;
}

/** Undoes what a benchmark has started, last first, also when it breaks off half way. */
export class CleanUp {
  private readonly steps: (() => Promise<unknown> | unknown)[] = [];

  add(step: () => Promise<unknown> | unknown): void {
    this.steps.push(step);
  }

  async run(): Promise<void> {
    for (const step of this.steps.splice(0).reverse()) {
      try {
        await step();
      } catch (error) {
        process.stderr.write(`while cleaning up: ${String(error)}\n`);
      }
    }
  }
}
