import type { Channel } from '@ictcore/contract';
import { normalizePhone } from '../contacts/phone';
import type { Tx } from '../database/database';
import type { RemoteParty } from './received-message';

/** What a contact's columns hold; what is longer cannot become one. */
const MAX_PHONE = 32;
const MAX_EMAIL = 64;
const MAX_NAME = 64;

/** Any constant: the first half of the lock that keeps one new sender from becoming two contacts. "ICTC" as ASCII. */
const LOCK_KEY = 0x49435443;

/**
 * $1 owner, $2 what is looked for. Which of the owner's contacts are exactly this one (API section 3.10). Without
 * `order by … limit 1`, which would lead PostgreSQL to walk through all contacts of an owner who has many.
 */
const FIND = {
  phone: 'select contact_id from contact where created_by = $1 and phone_normalized = any($2::text[])',
  email:
    'select contact_id from contact where created_by = $1 and email is not null and lower(email) = any($2::text[])',
  /** Senders that are no numbers: names of companies. */
  name: `select contact_id from contact
          where created_by = $1 and phone_normalized is null and phone is not null and lower(phone) = any($2::text[])`,
} as const;

const INSERT = `
insert into contact (first_name, last_name, phone, phone_normalized, email, created_by)
values ($1, $2, $3, $4, $5, $6) returning contact_id`;

/** The other side of a message among the owner's contacts. */
export interface FoundContact {
  id: number | null;
  /** True if it was made just now. */
  isNew: boolean;
}

/**
 * The owner's contact at the other end, made if there is none. Null for a sender who gives no number or address, or
 * one that no contact can hold.
 *
 * @param normalized - the number or address as rules have it; '' for none
 * @param country - default country of numbers
 */
export async function contactOf(
  tx: Tx,
  ownerId: number,
  channel: Channel,
  party: RemoteParty,
  normalized: string,
  country: string | undefined,
): Promise<FoundContact> {
  const isEmail = channel === 'email';
  const shown = isEmail ? party.email : party.phone;
  if (!shown || shown.length > (isEmail ? MAX_EMAIL : MAX_PHONE)) return { id: null, isNew: false };
  const by = isEmail ? 'email' : normalized === '' ? 'name' : 'phone';
  const wanted = by === 'phone' ? [normalized, `+${normalized}`] : [by === 'email' ? normalized : shown.toLowerCase()];
  const find = async () => {
    const rows = await tx.query<{ contact_id: number }>(FIND[by], [ownerId, wanted]);
    return rows.length === 0 ? undefined : Math.max(...rows.map((row) => row.contact_id));
  };
  const known = await find();
  if (known !== undefined) return { id: known, isNew: false };
  await tx.query('select pg_advisory_xact_lock($1, hashtext($2))', [LOCK_KEY, `${ownerId} ${shown.toLowerCase()}`]);
  const meanwhile = await find();
  if (meanwhile !== undefined) return { id: meanwhile, isNew: false };
  const [first, ...rest] = party.name.split(/\s+/).filter(Boolean);
  const [made] = await tx.query<{ contact_id: number }>(INSERT, [
    first?.slice(0, MAX_NAME) ?? null,
    rest.join(' ').slice(0, MAX_NAME) || null,
    isEmail ? null : shown,
    isEmail ? null : normalizePhone(shown, country),
    isEmail ? shown : null,
    ownerId,
  ]);
  return { id: made?.contact_id ?? null, isNew: true };
}
