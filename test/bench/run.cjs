// `npm run bench` builds and runs every benchmark; `node test/bench/run.cjs http-contacts` runs one by name.
// Each runs in a process of its own with a limit on its time, so that one does not warm or starve the next.
const { spawnSync } = require('node:child_process');
const { existsSync, readdirSync } = require('node:fs');
const path = require('node:path');

const DIST = path.join(__dirname, 'dist');
const ENDING = '.bench.js';
/** Longest time one benchmark may take, in milliseconds. */
const TIME_LIMIT = 10 * 60_000;

function main(wanted) {
  if (!existsSync(DIST)) {
    process.stderr.write('test/bench/dist is not there; run `npm run build` first\n');
    return 1;
  }
  const known = readdirSync(DIST)
    .filter((file) => file.endsWith(ENDING))
    .map((file) => file.slice(0, -ENDING.length))
    .sort();
  const unknown = wanted.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    process.stderr.write(`no benchmark ${unknown.join(', ')}; there are ${known.join(', ')}\n`);
    return 2;
  }
  const { printMachine } = require(path.join(DIST, 'support', 'machine.js'));
  printMachine();
  let failed = 0;
  for (const name of wanted.length > 0 ? wanted : known) {
    const child = spawnSync(
      process.execPath,
      [path.join(DIST, 'support', 'run-one.js'), path.join(DIST, name + ENDING)],
      {
        stdio: 'inherit',
        timeout: TIME_LIMIT,
        killSignal: 'SIGTERM',
      },
    );
    if (child.status !== 0) {
      failed++;
      process.stderr.write(`${name} did not finish (${child.signal ?? child.status})\n`);
    }
  }
  return failed > 0 ? 1 : 0;
}

process.exitCode = main(process.argv.slice(2));
