import type { Kernel } from '../boot/kernel';
import { checkLedger } from '../ledger';
import { ADMIN, type TestKernel } from '../testing/test-kernel';
import type { CampaignRow } from './campaign.schema';
import { CampaignService } from './campaign.service';

export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A group of so many contacts with numbers `+1555…`; `without` more have only an e-mail address. */
export async function groupOf(kernel: TestKernel, count: number, without = 0): Promise<number> {
  const [row] = await kernel.database.query<{ group_id: number }>(
    `with g as (insert into contact_group (name, created_by) values ('g', 1) returning group_id),
     c as (
       insert into contact (first_name, phone, phone_normalized, email, created_by)
       select 'Ann', case when i <= $1 then '+1555' || (1000000 + i) end, case when i <= $1 then '+1555' || (1000000 + i) end,
              'a' || i || '@example.org', 1
         from generate_series(1, $1::int + $2::int) i returning contact_id),
     l as (insert into contact_link (group_id, contact_id) select group_id, contact_id from g, c)
     select group_id from g`,
    [count, without],
  );
  return (row as { group_id: number }).group_id;
}

/** A program sendsms. */
export async function smsProgram(kernel: TestKernel): Promise<number> {
  const [row] = await kernel.database.query<{ program_id: number }>(
    `with t as (insert into text (name, data, created_by) values ('t', 'Hello', 1) returning text_id)
     insert into program (name, type, data, created_by)
     select 'sendsms', 'sendsms', jsonb_build_object('text_id', text_id), 1 from t returning program_id`,
  );
  return (row as { program_id: number }).program_id;
}

export function campaigns(kernel: TestKernel, of: Kernel = kernel.kernel): CampaignService {
  return of.container.resolve(CampaignService);
}

/** A campaign to a new group. */
export async function campaignOf(
  kernel: TestKernel,
  count: number,
  more: { cpm?: number | null; concurrency?: number; try_allowed?: number; without?: number; start?: 1 } = {},
): Promise<number> {
  const { without, ...rest } = more;
  const group_id = await groupOf(kernel, count, without);
  const program_id = await smsProgram(kernel);
  return campaigns(kernel).create(ADMIN, { program_id, group_id, ...rest });
}

export function shown(kernel: TestKernel, id: number): Promise<CampaignRow> {
  return campaigns(kernel).get(ADMIN, id);
}

/** Waits until the campaign is in one of these states. */
export async function untilCampaign(
  kernel: TestKernel,
  id: number,
  states: string[],
  timeoutMs = 20_000,
): Promise<CampaignRow> {
  return until(
    () => shown(kernel, id),
    (row) => states.includes(row.status),
    timeoutMs,
  );
}

/** Polls until the value is what is wanted. */
export async function until<T>(read: () => Promise<T>, wanted: (value: T) => boolean, timeoutMs = 20_000): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (wanted(value)) return value;
    if (Date.now() > end) throw new Error(`still ${JSON.stringify(value)} after ${timeoutMs} ms`);
    await pause(20);
  }
}

/** The rows that break the ledger (none, if all is well). */
export async function broken(kernel: TestKernel): Promise<unknown[]> {
  return (await checkLedger(kernel.database)).broken;
}
