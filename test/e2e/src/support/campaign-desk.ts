import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Client } from 'pg';
import type { ApiClient } from './api-client';
import { eventually, MAIN } from './running-server';

export const JOURNAL = 'handed-over.jsonl';

/** One line of the loopback carrier's journal. */
export interface HandOver {
  spool_id: number;
  transmission_id: number;
  attempt: number;
  destination: string;
  pid: number;
}

export interface CampaignFigures {
  campaign_id: number;
  status: string;
  reason: string;
  contact_total: number;
  contact_done: number;
  contact_pending: number;
  contact_active: number;
  contact_completed: number;
  contact_failed: number;
  contact_invalid: number;
  contact_skipped: number;
  rate: number;
  failures: Record<string, number>;
}

/** Endings of magic numbers of the loopback carrier. */
export const MAGIC = {
  busy: '9901',
  invalid: '9903',
  unknown: '9907',
  later: '9911',
  laterfail: '9912',
  twice: '9913',
  early: '9914',
  hang: '9931',
} as const;

/** Statements on a connection of one's own. */
export async function withSql<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/**
 * A group of so many contacts of the administrator, straight into the database: the API has its own tests. Every
 * `every`th contact has a magic number, of each ending in turn.
 */
export async function makeGroup(
  url: string,
  count: number,
  endings: readonly string[] = [],
  every = 50,
): Promise<number> {
  const { rows } = await withSql(url, (client) =>
    client.query<{ group_id: string }>(
      `with g as (insert into contact_group (name, created_by) values ('chaos', 1) returning group_id),
       c as (
         insert into contact (first_name, phone, phone_normalized, created_by)
         select 'Ann', number, number, 1
           from (select '+1555' || lpad(i::text, 6, '0') ||
                        case when cardinality($2::text[]) > 0 and i % $3 = 0
                             then ($2::text[])[1 + (i / $3) % cardinality($2::text[])] else '0000' end as number
                   from generate_series(1, $1::int) i) n
         returning contact_id),
       l as (insert into contact_link (group_id, contact_id) select group_id, contact_id from g, c)
       select group_id from g`,
      [count, endings, every],
    ),
  );
  return Number(rows[0]?.group_id);
}

/** The loopback provider writes a journal, and goes at a pace that leaves time for trouble. */
export async function configureLoopback(admin: ApiClient, settings: Record<string, unknown>): Promise<number> {
  const [provider] = await admin.get<{ provider_id: number }[]>('/providers?type=loopback');
  const id = (provider as { provider_id: number }).provider_id;
  await admin.put(`/providers/${id}`, { settings: { journal: JOURNAL, ...settings } });
  return id;
}

/** What the carrier saw, from the journals below these data directories. */
export function handOvers(...dataDirs: readonly string[]): HandOver[] {
  return dataDirs.flatMap((dir) => {
    const providers = path.join(dir, 'providers');
    if (!existsSync(providers)) return [];
    return readdirSync(providers).flatMap((id) => {
      const file = path.join(providers, id, JOURNAL);
      if (!existsSync(file)) return [];
      const lines = readFileSync(file, 'utf8').split('\n');
      // A killed process may leave half a line at the very end of its last write, never a whole one that is wrong.
      return lines.filter(Boolean).map((line) => JSON.parse(line) as HandOver);
    });
  });
}

/** Waits until the campaign is over; its figures. */
export function untilOver(admin: ApiClient, id: number, timeoutMs: number): Promise<CampaignFigures> {
  return eventually(
    () => admin.get<CampaignFigures>(`/campaigns/${id}`),
    (row) => row.status === 'completed' || row.status === 'broken',
    timeoutMs,
  );
}

/** Runs the built `ictcore` with arguments; exit code and what it wrote. */
export function ictcore(
  args: readonly string[],
  env: Record<string, string>,
): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [MAIN, ...args],
      { env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...env }, timeout: 60_000 },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr }),
    );
  });
}

/**
 * The carrier's journal against the database: what is wrong, in words; nothing if all is well.
 *
 * - the carrier saw no attempt that the database does not know, and none twice (nothing here is deferred);
 * - what was delivered, the carrier has seen;
 * - a transmission with a further attempt has proof that each earlier one did not arrive.
 */
export async function audit(url: string, seen: readonly HandOver[]): Promise<string[]> {
  const spools = await withSql(url, async (client) => {
    const { rows } = await client.query<{
      id: number;
      transmission_id: number;
      status: string;
      response: string;
      reason: string | null;
      last: boolean;
    }>(
      `select spool_id::int as id, transmission_id::int, status, response, reason,
              spool_id = max(spool_id) over (partition by transmission_id) as last from spool`,
    );
    return rows;
  });
  const times = new Map<number, number>();
  for (const { spool_id } of seen) times.set(spool_id, (times.get(spool_id) ?? 0) + 1);
  const known = new Set(spools.map((spool) => spool.id));
  const problems = [...times.keys()]
    .filter((id) => !known.has(id))
    .map((id) => `spool ${id}: handed over, but not in the database`);
  for (const { id, transmission_id, status, response, reason, last } of spools) {
    const count = times.get(id) ?? 0;
    const what = `spool ${id} of transmission ${transmission_id} (${status} ${response})`;
    if (count > 1) problems.push(`${what}: handed over ${count} times`);
    if (status === 'completed' && count === 0) problems.push(`${what}: the carrier never saw it`);
    if (!['completed', 'failed', 'invalid'].includes(status)) problems.push(`${what}: has not ended`);
    if (!last && (status !== 'failed' || response === 'unknown_outcome' || reason === null)) {
      problems.push(`${what}: another attempt was made without proof that this one had failed`);
    }
  }
  return problems.slice(0, 20);
}
