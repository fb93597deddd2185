import type { Actor } from '@ictcore/contract';
import type { Config } from '../boot/config';
import type { Sql } from '../database/sql';
import type { TokenContext } from './tokens';

const CONTACT = `
  select contact_id, first_name, last_name, phone, email, address, custom1, custom2, custom3, description
    from contact where contact_id = $1`;
/** The account that a send would use: the newest active one (S60). */
const ACCOUNT = `
  select first_name, last_name, phone, email, address
    from account where created_by = $1 and active = 1 order by account_id desc limit 1`;
const USER = 'select first_name, last_name, email, phone, company, timezone_id from usr where user_id = $1';

type Row = Record<string, string | number | null>;

/**
 * What tokens mean in a preview: the contact (whose visibility the caller has checked), the actor and his account, the
 * company, the date. There is no transmission yet, so its tokens stay as written.
 */
export async function previewContext(
  sql: Sql,
  config: Config,
  actor: Actor,
  contactId: number | undefined,
  now = new Date(),
): Promise<TokenContext> {
  const one = async (text: string, id: number) => (await sql.query<Row>(text, [id]))[0];
  const contact = contactId === undefined ? undefined : await one(CONTACT, contactId);
  const account = await one(ACCOUNT, actor.userId);
  const user = await one(USER, actor.userId);
  const local = new Date(now.getTime() + Number(user?.timezone_id ?? 0) * 1000).toISOString();
  const [date, time] = [local.slice(0, 10), local.slice(11, 16)];
  return {
    contact,
    account,
    source: account,
    destination: contact,
    user,
    company: { ...config.company },
    date,
    time,
    datetime: `${date} ${time}`,
  };
}
