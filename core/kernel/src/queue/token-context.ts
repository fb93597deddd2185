import type { Config } from '../boot/config';
import type { TokenContext } from '../messages/tokens';
import type { Attempt } from './attempt';

/**
 * What templates may refer to (API section 4.7): a white list. Configuration, secrets and the environment are not in
 * it. Dates are in the owner's time zone (an offset in seconds, API 1.14).
 */
export function tokenContext(attempt: Attempt, config: Config, now = new Date()): TokenContext {
  const { contact, account } = attempt;
  const [source, destination] = attempt.direction === 'inbound' ? [contact, account] : [account, contact];
  const local = new Date(now.getTime() + (attempt.timezone_id ?? 0) * 1000).toISOString();
  const date = local.slice(0, 10);
  const time = local.slice(11, 16);
  return {
    contact,
    account,
    source,
    destination,
    user: attempt.owner,
    company: { ...config.company },
    transmission: {
      transmission_id: attempt.transmission_id,
      title: attempt.title,
      status: attempt.status,
      response: attempt.response,
      direction: attempt.direction,
      try_done: attempt.try_done,
      try_allowed: attempt.try_allowed,
      last_run: attempt.last_run,
      contact,
      account,
      source,
      destination,
      spool: { spool_id: attempt.spool_id, status: attempt.spool_status, time_spool: Math.floor(attempt.queued_at) },
    },
    ...(attempt.campaign_id !== null && { campaign: { campaign_id: attempt.campaign_id } }),
    date,
    time,
    datetime: `${date} ${time}`,
  };
}
