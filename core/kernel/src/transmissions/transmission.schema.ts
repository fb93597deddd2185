import { z } from '@ictcore/contract';
import { columns, OWNED_FIELDS, type ResourceSpec, unixTime } from '../database/resource';
import { flag, int, nullableEmail, nullableInt, nullablePhone, nullableText, rowId } from '../http/fields';
import { scheduleBody } from '../schedules/schedule.schema';
import { TRANSMISSION_STATES } from './states';

const contactPhone = 'coalesce(t.contact_phone, c.phone)';
const contactEmail = 'coalesce(t.contact_email, c.email)';
const accountPhone = 'coalesce(t.account_phone, a.phone)';
const accountEmail = 'coalesce(t.account_email, a.email)';

/** The contact and account of a transmission, nested; secrets are not among their fields (D9). */
const nestedContact = `case when c.contact_id is null then null else jsonb_build_object('contact_id', c.contact_id,
  'first_name', c.first_name, 'last_name', c.last_name, 'phone', c.phone, 'email', c.email) end`;
const nestedAccount = `case when a.account_id is null then null else jsonb_build_object('account_id', a.account_id,
  'type', a.type, 'username', a.username, 'first_name', a.first_name, 'last_name', a.last_name, 'phone', a.phone,
  'email', a.email) end`;

/** Transmission, API section 1.8. */
export const transmissionSpec: ResourceSpec = {
  name: 'transmission',
  title: 'Transmission',
  from: `transmission t
    left join contact c on c.contact_id = t.contact_id
    left join account a on a.account_id = t.account_id
    left join usr u on u.user_id = t.created_by
    left join program p on p.program_id = t.program_id`,
  key: 'transmission_id',
  owner: 't.created_by',
  fields: {
    ...columns('transmission_id', 'title', 'service_flag', 'account_id', 'contact_id', 'program_id', 'campaign_id'),
    ...columns('origin', 'direction', 'status', 'response', 'try_allowed', 'try_done', 'retry_delay'),
    ...columns('is_deleted', 'is_read'),
    last_run: unixTime('t.last_run'),
    next_run: unixTime('t.next_run'),
    contact_phone: contactPhone,
    contact_email: contactEmail,
    account_phone: accountPhone,
    account_email: accountEmail,
    username: 'u.username',
    program_type: 'coalesce(p.type, t.origin)',
    // What a plugin's program calls document_id may be anything.
    document_id: `case when p.data->>'document_id' ~ '^[0-9]{1,15}$' then (p.data->>'document_id')::int8 end`,
    pages: `(select r.data::int from spool s join spool_result r on r.spool_id = s.spool_id and r.name = 'pages'
              where s.transmission_id = t.transmission_id and r.data ~ '^[0-9]{1,6}$' order by s.spool_id desc limit 1)`,
    contact: nestedContact,
    account: nestedAccount,
    ...OWNED_FIELDS,
  },
  filters: {
    transmission_id: { kind: 'exact', value: 'int', sql: 't.transmission_id' },
    program_id: { kind: 'exact', value: 'int', sql: 't.program_id' },
    account_id: { kind: 'exact', value: 'int', sql: 't.account_id' },
    contact_id: { kind: 'exact', value: 'int', sql: 't.contact_id' },
    campaign_id: { kind: 'exact', value: 'int', sql: 't.campaign_id' },
    is_read: { kind: 'flag', sql: 't.is_read' },
    direction: { kind: 'exact', value: 'text', sql: 't.direction' },
    status: { kind: 'exact', value: 'text', prefix: true, sql: 't.status' },
    title: { kind: 'contains', sql: 't.title' },
    origin: { kind: 'contains', sql: 't.origin' },
    response: { kind: 'contains', sql: 't.response' },
    account_phone: { kind: 'contains', sql: accountPhone },
    account_email: { kind: 'contains', sql: accountEmail },
    contact_phone: { kind: 'contains', sql: contactPhone },
    contact_email: { kind: 'contains', sql: contactEmail },
    phone: { kind: 'contains', sql: `concat_ws(' ', ${contactPhone}, ${accountPhone})` },
    email: { kind: 'contains', sql: `concat_ws(' ', ${contactEmail}, ${accountEmail})` },
    service_flag: { kind: 'bits', sql: 't.service_flag' },
  },
  sortable: ['last_run', 'status', 'date_created'],
};

const party = {
  contact_id: nullableInt(1).optional(),
  phone: nullablePhone(32).optional().describe('In place of contact_id: the contact with this number, made if need be'),
  email: nullableEmail(64)
    .optional()
    .describe('In place of contact_id: the contact with this address, made if need be'),
  account_id: nullableInt().optional().describe('Absent, null or -1: your default account'),
};

const settable = {
  title: nullableText(255).optional(),
  try_allowed: int(1, 100).optional(),
  retry_delay: nullableInt(0, 86_400).optional().describe('Seconds between attempts; null: the configured delay'),
};

/** Body of S60, but for the program (S41 has it in the path). */
export const transmissionParts = z.object({
  ...party,
  ...settable,
  origin: nullableText(128).optional(),
  direction: z.enum(['outbound', 'inbound']).optional(),
  send: flag().optional().describe('1: begin the first attempt at once'),
  schedule: scheduleBody.optional().describe('When to send it, as in PUT /transmissions/{id}/schedule'),
});
export type TransmissionParts = z.infer<typeof transmissionParts>;

/** Body of S60. */
export const transmissionCreate = transmissionParts.extend({ program_id: rowId() }).meta({ id: 'TransmissionCreate' });
export type TransmissionCreate = z.infer<typeof transmissionCreate>;

/** Body of `PUT /transmissions/{id}`. */
export const transmissionUpdate = z
  .object({ ...party, ...settable, is_read: flag().optional() })
  .meta({ id: 'TransmissionUpdate' });
export type TransmissionUpdate = z.infer<typeof transmissionUpdate>;

const shown = z.string().nullable();
const id = z.int().nullable();

/** A transmission as read and listed. */
export const transmissionRead = z
  .object({
    transmission_id: z.int(),
    title: z.string(),
    service_flag: z.int().describe('1 voice, 2 fax, 4 sms, 8 email'),
    account_id: id,
    contact_id: id,
    program_id: id,
    campaign_id: id,
    origin: z.string(),
    direction: z.string(),
    status: z.enum(TRANSMISSION_STATES),
    response: z.string().describe('Cause of failure'),
    try_allowed: z.int(),
    try_done: z.int(),
    retry_delay: id,
    is_deleted: z.int(),
    is_read: z.int(),
    last_run: id.describe('Unix seconds'),
    next_run: id.describe('Unix seconds'),
    contact_phone: shown,
    contact_email: shown,
    account_phone: shown,
    account_email: shown,
    username: shown,
    program_type: shown,
    document_id: id,
    pages: id,
    contact: z.record(z.string(), z.unknown()).nullable(),
    account: z.record(z.string(), z.unknown()).nullable(),
    user_id: id,
    date_created: z.int(),
    last_updated: id,
  })
  .meta({ id: 'Transmission' });
export type TransmissionRow = z.infer<typeof transmissionRead>;
