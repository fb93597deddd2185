import { z } from '@ictcore/contract';
import { columns, OWNED_FIELDS, type ResourceSpec } from '../database/resource';
import { nullableEmail, nullablePhone, nullableText, rowId, text } from '../http/fields';

/** The groups of a contact, as single reads show them; lists would pay for it row by row. */
const groupsOfContact = `(select coalesce(jsonb_agg(jsonb_build_object('group_id', g.group_id, 'name', g.name)
    order by g.group_id), '[]') from contact_link l join contact_group g using (group_id)
  where l.contact_id = t.contact_id)`;

/** Condition on a contact `t`: it is in a group whose id compares like this (`= ?`). */
export function inGroup(compares: string): string {
  return `t.contact_id in (select l.contact_id from contact_link l where l.group_id ${compares})`;
}

const listed = {
  ...columns('contact_id', 'first_name', 'last_name', 'phone', 'email', 'address'),
  ...columns('custom1', 'custom2', 'custom3', 'description'),
  ...OWNED_FIELDS,
};

/** Contact, API section 1.1. */
export const contactSpec: ResourceSpec = {
  name: 'contact',
  title: 'Contact',
  from: 'contact t',
  key: 'contact_id',
  owner: 't.created_by',
  fields: { ...listed, groups: groupsOfContact },
  listFields: Object.keys(listed),
  filters: {
    group_id: { kind: 'linked', sql: inGroup },
    contact_id: { kind: 'exact', value: 'int', sql: 't.contact_id' },
    email: { kind: 'exact', value: 'folded', sql: 'lower(t.email)' },
    phone: { kind: 'endsWith', sql: 't.phone' },
    first_name: { kind: 'contains', sql: 't.first_name' },
    last_name: { kind: 'contains', sql: 't.last_name' },
  },
  sortable: ['first_name', 'last_name', 'date_created'],
  search: ['t.first_name', 't.last_name', 't.phone', 't.email'],
};

const fields = {
  first_name: nullableText(64).optional(),
  last_name: nullableText(64).optional(),
  phone: nullablePhone(32).optional().describe('As typed; matched and dialled in its normalised form'),
  email: nullableEmail(64).optional(),
  address: nullableText(128).optional(),
  custom1: nullableText(128).optional(),
  custom2: nullableText(128).optional(),
  custom3: nullableText(128).optional(),
  description: text(255).nullable().optional(),
};

/** Body of S4; absent fields stay as they are. */
export const contactUpdate = z.object(fields).meta({ id: 'ContactUpdate' });
export type ContactUpdate = z.infer<typeof contactUpdate>;

/** Body of S1: at least one of phone and e-mail. */
export const contactCreate = z
  .object({
    ...fields,
    groups: z.array(rowId()).max(1000).nullish().describe('Ids of groups to put it into'),
  })
  .refine((contact) => contact.phone || contact.email, { path: ['phone'], message: 'give a phone or an email' })
  .meta({ id: 'ContactCreate' });
export type ContactCreate = z.infer<typeof contactCreate>;

const shown = z.string().nullable();

/** A contact in lists. */
export const contactListed = z
  .object({
    contact_id: z.int(),
    first_name: shown,
    last_name: shown,
    phone: shown,
    email: shown,
    address: shown,
    custom1: shown,
    custom2: shown,
    custom3: shown,
    description: z.string(),
    user_id: z.int().nullable().describe('Owner'),
    date_created: z.int().describe('Unix seconds'),
    last_updated: z.int().nullable().describe('Unix seconds'),
  })
  .meta({ id: 'ContactListed' });

/** A contact as read. */
export const contactRead = contactListed
  .extend({ groups: z.array(z.object({ group_id: z.int(), name: z.string() })).describe('The groups that it is in') })
  .meta({ id: 'Contact' });
export type ContactRow = z.infer<typeof contactRead>;
