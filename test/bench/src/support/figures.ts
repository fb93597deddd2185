/** Best and median of several rounds. */
export interface Summary {
  best: number;
  median: number;
}

/** `better` tells whether high or low values are good. */
export function summarize(values: readonly number[], better: 'high' | 'low'): Summary {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
  return { best: (better === 'high' ? sorted.at(-1) : sorted[0]) ?? Number.NaN, median };
}

/** A number with as many digits as it deserves. */
export function show(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString('en-US');
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** `name            best 1,234   median 1,200   rounds 1,234 1,200 1,180   /s` */
export function printRow(name: string, values: readonly number[], better: 'high' | 'low', unit: string): Summary {
  const summary = summarize(values, better);
  const rounds = values.map(show).join(' ');
  print(
    `${name.padEnd(34)} best ${show(summary.best).padStart(7)}   median ${show(summary.median).padStart(7)} ${unit}   [${rounds}]`,
  );
  return summary;
}

/** Says whether a goal is reached. */
export function printGoal(what: string, value: number, goal: string, reached: boolean): void {
  print(`${what.padEnd(34)} ${show(value)}   goal ${goal}: ${reached ? 'reached' : 'MISSED'}`);
}

export function print(line: string): void {
  process.stdout.write(`   ${line}\n`);
}
