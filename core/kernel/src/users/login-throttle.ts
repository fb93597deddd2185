import { isIP } from 'node:net';
import { IctError, type SqlRunner } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { SecretBox } from '../boot/secrets';
import { Database } from '../database/database';

/** Failed logins of one user from one address before the next is refused unheard (API section 5.1). */
export const MAX_FAILURES = 5;
/** Minutes after the first of them until they are forgotten. */
const WINDOW_MINUTES = 15;

/**
 * One statement, so that many attempts at once cannot slip past the count. Each attempt counts as a failure from the
 * start; a success takes the count away. The count stops at one above the limit.
 */
const COUNT = `
insert into login_failure as f (key, failures, window_start) values ($1, 1, now())
on conflict (key) do update set
  failures = case when f.window_start <= now() - interval '${WINDOW_MINUTES} minutes' then 1
                  else least(f.failures + 1, ${MAX_FAILURES} + 1) end,
  window_start = case when f.window_start <= now() - interval '${WINDOW_MINUTES} minutes' then now()
                      else f.window_start end
returning failures,
  ceil(extract(epoch from window_start + interval '${WINDOW_MINUTES} minutes' - now()))::int as seconds_left`;

/** Counts failed logins in the database: for all nodes together, and across restarts. */
@scoped(Lifecycle.ContainerScoped)
export class LoginThrottle {
  constructor(
    @inject(Database) private readonly database: Database,
    @inject(SecretBox) private readonly box: SecretBox,
  ) {}

  /**
   * To be called before a password is looked at. `login` is the user's id, or what was typed where there is no such
   * user. Returns what {@link clear} wants after a success.
   *
   * @throws 429 with Retry-After after {@link MAX_FAILURES} failures within the window
   */
  async count(login: string, address: string): Promise<string> {
    const key = this.box.fingerprint(`login\0${login.toLowerCase()}\0${networkOf(address)}`);
    const [row] = await this.database.query<{ failures: number; seconds_left: number }>(COUNT, [key]);
    if (row && row.failures > MAX_FAILURES) {
      const seconds = Math.max(1, row.seconds_left);
      throw new IctError(`Too many failed logins; try again in ${Math.ceil(seconds / 60)} minutes`, {
        code: 'TOO_MANY_LOGINS',
        status: 429,
        headers: { 'Retry-After': String(seconds) },
      });
    }
    return key;
  }

  /** Forgets the failures: the login has succeeded. */
  async clear(key: string): Promise<void> {
    await this.database.query('delete from login_failure where key = $1', [key]);
  }
}

/** Removes what time has settled: counts of failed logins, and revocations of tokens that have expired anyway. */
export async function sweepIdentity(sql: SqlRunner): Promise<void> {
  await sql.query(`delete from login_failure where window_start <= now() - interval '${WINDOW_MINUTES} minutes'`);
  await sql.query(`delete from token_revocation where expires_at < now() - interval '1 hour'`);
}

/** Who has one IPv6 address has 2^64 of them: the network (/64) is what counts. IPv4 inside IPv6 is IPv4. */
export function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  if (isIP(plain) !== 6) return plain;
  const [head = '', tail] = plain.toLowerCase().split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail ? tail.split(':') : [];
  const gap = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array<string>(gap).fill('0'), ...right];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group || '0', 16).toString(16))
    .join(':')}::/64`;
}
