import type { SqlRunner } from '@ictcore/contract';
import { type CampaignRow, campaignSpec } from '../campaigns/campaign.schema';

const fields = Object.entries(campaignSpec.fields).map(([name, sql]) => `${sql} as ${name}`);

/** A campaign's figures as `GET /campaigns/{id}` shows them, whoever owns it; undefined if there is none. */
export async function campaignProgress(sql: SqlRunner, id: number): Promise<CampaignRow | undefined> {
  const rows = await sql.query<CampaignRow>(
    `select ${fields.join(', ')} from ${campaignSpec.from} where t.campaign_id = $1`,
    [id],
  );
  return rows[0];
}
