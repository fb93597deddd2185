import { setTimeout as delay } from 'node:timers/promises';
import { IctError } from '@ictcore/contract';
import { type CampaignRow, campaignProgress, readLedger } from '@ictcore/kernel';
import type { Command } from 'commander';
import { withDatabase } from './database-of';

/** Milliseconds between looks. */
const EVERY_MS = 1000;
const BAR = 20;

/** `ictcore campaign watch ID`. */
export function addCampaignCommand(program: Command): void {
  program
    .command('campaign')
    .description('Campaigns')
    .command('watch')
    .argument('<id>', 'campaign_id')
    .description('Show the progress of a campaign until it ends; exit code 1 if it breaks')
    .action(async (text: string) => {
      const id = Number(text);
      if (!Number.isSafeInteger(id) || id < 1) {
        throw new IctError(`${text} is no campaign_id; GET /api/campaigns lists them`, { code: 'BAD_REQUEST' });
      }
      const last = await withDatabase(process.env, process.cwd(), (url) => watch(url, id));
      if (last.status === 'broken') process.exitCode = 1;
    });
}

async function watch(url: string, id: number): Promise<CampaignRow> {
  const { stdout } = process;
  let shown = '';
  for (;;) {
    const row = await readLedger(url, (sql) => campaignProgress(sql, id));
    if (!row) throw new IctError(`There is no campaign ${id}; GET /api/campaigns lists them`, { code: 'NOT_FOUND' });
    const line = progressLine(row);
    const over = row.status === 'completed' || row.status === 'broken';
    // In a terminal the line is drawn over the last one; elsewhere only news are written.
    if (stdout.isTTY) stdout.write(`\r\x1b[2K${line}${over ? '\n' : ''}`);
    else if (line !== shown) stdout.write(`${line}\n`);
    if (over) return row;
    shown = line;
    await delay(EVERY_MS);
  }
}

/** One line: how far, how fast, what failed and why, how long still. */
export function progressLine(row: CampaignRow): string {
  const { contact_total: total, contact_done: done } = row;
  const part = total === 0 ? 0 : done / total;
  const filled = Math.floor(part * BAR);
  const causes = Object.entries(row.failures).sort(([, a], [, b]) => b - a);
  return [
    `${row.name} ${row.status}${row.status === 'broken' ? `: ${row.reason}` : ''}${row.preparing ? ' (preparing)' : ''}`,
    `[${'#'.repeat(filled)}${'-'.repeat(BAR - filled)}] ${(Math.floor(part * 1000) / 10).toFixed(1)} %`,
    `${done} of ${total}`,
    `${row.contact_active} active, ${row.contact_pending} waiting`,
    `${row.rate}/min`,
    `${row.contact_failed} failed${causes.length > 0 ? ` (attempts: ${causes.map(([cause, n]) => `${cause} ${n}`).join(', ')})` : ''}`,
    ...(row.time_left === null ? [] : [`${duration(row.time_left)} left`]),
  ].join('  ');
}

/** Seconds as 1:02:03. */
function duration(seconds: number): string {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const [hours, ...rest] = parts.map((value, index) => (index === 0 ? String(value) : String(value).padStart(2, '0')));
  return [hours, ...rest].join(':');
}
