import type { SqlRunner } from '@ictcore/contract';
import { CAMPAIGN_SUMS, LEDGER_RULES, SINGLE_SUMS } from './ledger.sql';

/** Where transmissions stand. */
export interface Sums {
  total: number;
  pending: number;
  processing: number;
  completed: number;
  failed: number;
  invalid: number;
}

export interface CampaignSums extends Sums {
  campaign_id: number;
  name: string;
  status: string;
  /** Members of the group that the channel cannot reach; not in the total. */
  skipped: number;
  /** Attempts of which nobody knows whether they left. */
  unknown_outcome: number;
}

/** A row that breaks a rule. */
export interface BrokenRow {
  rule: string;
  id: number;
  detail: string;
}

export interface LedgerReport {
  campaigns: CampaignSums[];
  /** What belongs to no campaign. */
  single: Sums;
  broken: BrokenRow[];
}

/** Rows shown per broken rule. */
const SHOWN = 100;

/** Checks that total = pending + processing + completed + failed + invalid, and every other rule of the ledger. */
export async function checkLedger(sql: SqlRunner): Promise<LedgerReport> {
  const campaigns = await sql.query<CampaignSums>(CAMPAIGN_SUMS);
  const [single] = await sql.query<Sums>(SINGLE_SUMS);
  const broken: BrokenRow[] = [];
  for (const row of [...campaigns, { ...(single as Sums), campaign_id: 0 }]) {
    const sum = row.pending + row.processing + row.completed + row.failed + row.invalid;
    if (sum !== row.total) {
      broken.push({
        rule: 'total = pending + processing + completed + failed + invalid',
        id: row.campaign_id,
        detail: `${row.total} is not ${row.pending} + ${row.processing} + ${row.completed} + ${row.failed} + ${row.invalid}`,
      });
    }
  }
  for (const { rule, sql: text } of LEDGER_RULES) {
    for (const row of await sql.query<{ id: number; detail: string }>(text, [SHOWN])) broken.push({ rule, ...row });
  }
  return { campaigns, single: single as Sums, broken };
}
