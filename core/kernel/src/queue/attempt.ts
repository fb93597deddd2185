import type { Channel, Direction } from '@ictcore/contract';

/** Everything the engine knows of an attempt; a row of ATTEMPT_CONTEXT. Times in Unix seconds. */
export interface Attempt {
  spool_id: number;
  attempt: number;
  /** Lane of the queue: 0 single sends, 1 campaigns. */
  lane: number;
  spool_status: string;
  provider_id: number | null;
  call_id: string | null;
  deferrals: number;
  node_id: number | null;
  queued_at: number;
  started_at: number | null;
  connected_at: number | null;
  transmission_id: number;
  title: string;
  service_flag: number;
  direction: Direction;
  status: string;
  response: string;
  try_allowed: number;
  try_done: number;
  retry_delay: number | null;
  campaign_id: number | null;
  user_id: number | null;
  last_run: number | null;
  contact_phone: string | null;
  contact_email: string | null;
  account_phone: string | null;
  account_email: string | null;
  account_id: number | null;
  contact_id: number | null;
  program_id: number | null;
  program_type: string | null;
  program_data: Record<string, unknown> | null;
  contact: Record<string, string | number | null>;
  account: Record<string, string | null>;
  owner: Record<string, string | null>;
  account_active: number | null;
  user_active: number | null;
  timezone_id: number | null;
}

/** The channel of a service flag. Programs have exactly one. */
export function channelOf(serviceFlag: number): Channel {
  return serviceFlag & 1 ? 'voice' : serviceFlag & 2 ? 'fax' : serviceFlag & 4 ? 'sms' : 'email';
}
