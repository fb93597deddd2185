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
 * $1 owner, $2 digits of a number or null, $3 address in lower case or null, $4 what is no number at all (a sender's
 * name) or null. The newest of the owner's contacts that is exactly this one (API section 3.10).
 */
const FIND = `
select contact_id from contact
 where created_by = $1
   and (phone_normalized in ($2::text, '+' || $2::text) or lower(email) = $3 or ($4::text is not null and phone_normalized is null and lower(phone) = $4))
 order by contact_id desc limit 1`;

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
  const phone = isEmail || normalized === '' ? null : normalized;
  const values = [ownerId, phone, isEmail ? normalized : null, !isEmail && phone === null ? shown.toLowerCase() : null];
  const find = async () => (await tx.query<{ contact_id: number }>(FIND, values))[0]?.contact_id;
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
