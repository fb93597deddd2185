import os from 'node:os';

/** What the figures were measured on. Figures of different machines do not compare; ratios do, roughly. */
export function printMachine(): void {
  const cpus = os.cpus();
  const gigabytes = (bytes: number) => (bytes / 2 ** 30).toFixed(1);
  const lines = [
    `machine  ${cpus[0]?.model.trim() ?? 'unknown CPU'}, ${os.availableParallelism()} cores, ${gigabytes(os.totalmem())} GiB`,
    `system   ${os.type()} ${os.release()} ${os.arch()}, Node.js ${process.version}`,
    `load     ${os
      .loadavg()
      .map((value) => value.toFixed(2))
      .join(' ')} before the first round (more than a few tenths: somebody else is measured too)`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
