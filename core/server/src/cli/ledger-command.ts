import { checkLedger, type LedgerReport, readLedger } from '@ictcore/kernel';
import type { Command } from 'commander';
import { withDatabase } from './database-of';

/** `ictcore ledger check`. */
export function addLedgerCommand(program: Command): void {
  program
    .command('ledger')
    .description('The ledger of deliveries')
    .command('check')
    .description('Print the sums of each campaign and every row that breaks the ledger; exit code 1 if there is one')
    .option('--json', 'print the report as JSON')
    .action(async (options: { json?: boolean }) => {
      const report = await withDatabase(process.env, process.cwd(), (url) => readLedger(url, checkLedger));
      process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : describeLedger(report));
      if (report.broken.length > 0) process.exitCode = 1;
    });
}

const COLUMNS = [
  'total',
  'pending',
  'processing',
  'completed',
  'failed',
  'invalid',
  'unknown_outcome',
  'skipped',
] as const;
const WIDTH = 12;

/** The report as a table for people. */
export function describeLedger({ campaigns, single, broken }: LedgerReport): string {
  const heads = { total: 'total', pending: '= pending', processing: '+ processing', completed: '+ completed' };
  const more = { failed: '+ failed', invalid: '+ invalid', unknown_outcome: '(unknown)', skipped: '(skipped)' };
  const head = { ...heads, ...more };
  const line = (name: string, cells: readonly string[]) =>
    `${name.slice(0, 32).padEnd(33)}${cells.map((cell) => cell.padStart(WIDTH + 1)).join('')}`;
  const row = (name: string, sums: Partial<Record<(typeof COLUMNS)[number], number>>) =>
    line(
      name,
      COLUMNS.map((column) => (sums[column] === undefined ? '' : String(sums[column]))),
    );
  const lines = [
    line(
      '',
      COLUMNS.map((column) => head[column]),
    ),
    ...campaigns.map((sums) => row(`${sums.campaign_id} ${sums.name} (${sums.status})`, sums)),
    row('no campaign', { ...single }),
    '',
    broken.length === 0 ? 'The ledger adds up.' : `The ledger is broken in ${broken.length} places:`,
    ...broken.map(({ rule, id, detail }) => `  ${id}: ${detail}; but ${rule}`),
  ];
  return `${lines.map((text) => text.trimEnd()).join('\n')}\n`;
}
