import { type Benchmark, CleanUp } from './benchmark';

/** Runs the benchmark in the file named by the first argument. */
async function main(file: string): Promise<void> {
  const { benchmark } = require(file) as { benchmark: Benchmark };
  const cleanUp = new CleanUp();
  const stop = () => void cleanUp.run().then(() => process.exit(1));
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  process.stdout.write(`\n== ${benchmark.name}: ${benchmark.what}\n`);
  const begun = Date.now();
  try {
    await benchmark.run(cleanUp);
  } finally {
    await cleanUp.run();
  }
  process.stdout.write(`   (${((Date.now() - begun) / 1000).toFixed(0)} s)\n`);
}

main(process.argv[2] ?? '').catch((error: unknown) => {
  process.stderr.write(`${(error as Error)?.stack ?? String(error)}\n`);
  process.exit(1);
});
