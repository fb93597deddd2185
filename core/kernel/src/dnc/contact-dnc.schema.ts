import { CHANNELS, z } from '@ictcore/contract';
import { columns, OWNED_FIELDS, type ResourceSpec } from '../database/resource';
import { flag, nullableEmail, nullablePhone, text } from '../http/fields';

/** Entry of the do-not-contact list (API section 9.2: `contact_dncs`). */
export const contactDncSpec: ResourceSpec = {
  name: 'contact_dnc',
  title: 'Do-not-contact entry',
  from: 'contact_dnc t',
  key: 'contact_dnc_id',
  owner: 't.created_by',
  fields: {
    ...columns('contact_dnc_id', 'channel'),
    phone: `case when t.channel <> 'email' then t.address end`,
    email: `case when t.channel = 'email' then t.address end`,
    ...columns('normalized', 'origin', 'description'),
    everyone: 'case when t.created_by is null then 1 else 0 end',
    ...OWNED_FIELDS,
  },
  filters: {
    contact_dnc_id: { kind: 'exact', value: 'int', sql: 't.contact_dnc_id' },
    channel: { kind: 'exact', value: 'text', sql: 't.channel' },
    normalized: { kind: 'exact', value: 'folded', sql: 't.normalized' },
    phone: { kind: 'endsWith', sql: 't.address' },
    email: { kind: 'exact', value: 'folded', sql: 't.normalized' },
    origin: { kind: 'exact', value: 'text', sql: 't.origin' },
  },
  sortable: ['date_created'],
};

const description = text(255).nullable().optional().describe('Why, for people');

/** What an entry is about, before it is normalised. */
export const dncTarget = z.object({
  channel: z
    .enum(CHANNELS, `must be one of ${CHANNELS.join(', ')}`)
    .optional()
    .describe('Required with a phone; an email is for the channel email'),
  phone: nullablePhone(32).optional().describe('For voice, fax and sms'),
  email: nullableEmail(128).optional().describe('For email'),
});

/** Body of `POST contact_dncs`. */
export const contactDncCreate = dncTarget
  .extend({
    description,
    everyone: flag().optional().describe('1: nobody on this server may write there; needs contact_dnc_admin'),
  })
  .superRefine((given, check) => {
    const problem = (path: string, message: string) => check.addIssue({ code: 'custom', path: [path], message });
    if (given.phone && given.email) problem('email', 'give phone or email, not both');
    else if (given.email && given.channel && given.channel !== 'email') problem('channel', 'an email is for email');
    else if (given.phone && !given.channel) problem('channel', 'is required: voice, fax or sms');
    else if (given.phone && given.channel === 'email') problem('email', 'is required for the channel email');
    else if (!given.phone && !given.email) problem(given.channel === 'email' ? 'email' : 'phone', 'is required');
  })
  .meta({ id: 'ContactDncCreate' });
export type ContactDncCreate = z.infer<typeof contactDncCreate>;

/** Body of `PUT contact_dncs/{id}`: what it is about stays. */
export const contactDncUpdate = z.object({ description }).meta({ id: 'ContactDncUpdate' });
export type ContactDncUpdate = z.infer<typeof contactDncUpdate>;

/** An entry as read. */
export const contactDncRead = z
  .object({
    contact_dnc_id: z.int(),
    channel: z.string(),
    phone: z.string().nullable().describe('As typed'),
    email: z.string().nullable(),
    normalized: z
      .string()
      .describe('What destinations are compared with: the digits of E.164, or the address in lower case'),
    origin: z.string().describe('api, csv, or keyword: the recipient wrote STOP'),
    description: z.string(),
    everyone: z.int().describe('1: holds for every user'),
    user_id: z.int().nullable().describe('Whose transmissions it stops; null: everybody’s'),
    date_created: z.int().describe('Unix seconds'),
    last_updated: z.int().nullable().describe('Unix seconds'),
  })
  .meta({ id: 'ContactDnc' });
export type ContactDncRow = z.infer<typeof contactDncRead>;

/** Answer of an import. */
export const contactDncImport = z
  .object({
    imported: z.int().describe('Entries made'),
    duplicates: z.int().describe('Rows that were on the list already'),
    skipped: z.int().describe('Rows not taken: blank ones and those in error'),
    errors: z.array(z.object({ row: z.int(), message: z.string() })).describe('The first 100'),
  })
  .meta({ id: 'ContactDncImport' });
export type ContactDncImport = z.infer<typeof contactDncImport>;
