import { z } from '@ictcore/contract';
import { columns, OWNED_FIELDS, type ResourceSpec } from '../database/resource';
import { nullableEmail, nullablePhone, nullableText, text } from '../http/fields';

/** Contact, API section 1.1. */
export const contactSpec: ResourceSpec = {
  name: 'contact',
  title: 'Contact',
  from: 'contact t',
  key: 'contact_id',
  owner: 't.created_by',
  fields: {
    ...columns('contact_id', 'first_name', 'last_name', 'phone', 'email', 'address'),
    ...columns('custom1', 'custom2', 'custom3', 'description'),
    ...OWNED_FIELDS,
  },
  filters: {
    contact_id: { kind: 'exact', value: 'int', sql: 't.contact_id' },
    email: { kind: 'exact', value: 'text', sql: 'lower(t.email)' },
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
  .object(fields)
  .refine((contact) => contact.phone || contact.email, { path: ['phone'], message: 'give a phone or an email' })
  .meta({ id: 'ContactCreate' });
export type ContactCreate = z.infer<typeof contactCreate>;

const shown = z.string().nullable();

/** A contact as read. */
export const contactRead = z
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
  .meta({ id: 'Contact' });
export type ContactRow = z.infer<typeof contactRead>;
