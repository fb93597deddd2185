import { z } from '@ictcore/contract';
import { columns, OWNED_FIELDS, type ResourceSpec } from '../database/resource';
import { flag, nullableEmail, nullablePhone, nullableText, requiredText, rowId } from '../http/fields';

/** The kinds of accounts (API section 1.13); fixed when one is made. */
export const ACCOUNT_TYPES = ['account', 'did', 'extension', 'eaddress'] as const;
export type AccountType = (typeof ACCOUNT_TYPES)[number];

/** Programs tied to the account, however they are shown to their owner. */
const PROGRAMS = `
(select coalesce(jsonb_agg(jsonb_build_object('program_id', p.program_id, 'type', p.type, 'name', p.name)
                           order by p.program_id), '[]')
   from program_resource r join program p on p.program_id = r.program_id
  where r.resource_type = 'account' and r.resource_id = t.account_id)`;

const PLAIN = {
  ...columns('account_id', 'type', 'username', 'first_name', 'last_name', 'phone', 'email', 'address'),
  ...columns('settings', 'active'),
  programs: PROGRAMS,
  ...OWNED_FIELDS,
};

/** Account, API section 1.13. */
export const accountSpec: ResourceSpec = {
  name: 'account',
  title: 'Account',
  from: 'account t',
  key: 'account_id',
  owner: 't.created_by',
  // Sealed; AccountService replaces it by what is inside.
  fields: { ...PLAIN, secrets: 't.secrets' },
  listFields: Object.keys(PLAIN),
  filters: {
    account_id: { kind: 'exact', value: 'int', sql: 't.account_id' },
    type: { kind: 'contains', sql: 't.type' },
    username: { kind: 'contains', sql: 't.username' },
    phone: { kind: 'contains', sql: 't.phone' },
    email: { kind: 'contains', sql: 't.email' },
    first_name: { kind: 'contains', sql: 't.first_name' },
    last_name: { kind: 'contains', sql: 't.last_name' },
    active: { kind: 'flag', sql: 't.active' },
  },
  sortable: ['username', 'type', 'phone', 'email', 'date_created'],
  search: ['t.username', 't.first_name', 't.last_name', 't.phone', 't.email'],
};

const settings = z.record(z.string(), z.unknown()).nullable();

const fields = {
  passwd: nullableText(128).optional().describe('SIP secret').meta({ writeOnly: true }),
  passwd_pin: nullableText(32).optional().describe('Voicemail PIN').meta({ writeOnly: true }),
  first_name: nullableText(128).optional(),
  last_name: nullableText(128).optional(),
  phone: nullablePhone(32).optional().describe('DID, extension number or caller id'),
  email: nullableEmail(128).optional(),
  address: nullableText(128).optional(),
  settings: settings.optional().describe('Merged key by key; null removes a key'),
  active: flag().optional(),
};

/** Body of S77; absent fields stay as they are. */
export const accountUpdate = z.object(fields).meta({ id: 'AccountUpdate' });
export type AccountUpdate = z.infer<typeof accountUpdate>;

const username = requiredText(64).optional().describe('Default: the phone or the e-mail. Unique per type');

/** Body of `POST dids` and `POST extensions`: the path says the type. */
export const typedAccountCreate = z
  .object({ ...fields, username, user_id: rowId().nullable().optional().describe('Owner, needs user_update') })
  .meta({ id: 'TypedAccountCreate' });

/** Body of S74. */
export const accountCreate = typedAccountCreate
  .extend({ type: z.enum(ACCOUNT_TYPES, `must be one of ${ACCOUNT_TYPES.join(', ')}`).default('account') })
  .meta({ id: 'AccountCreate' });
export type AccountCreate = z.infer<typeof accountCreate>;

const shown = z.string().nullable();

/** A row of an account list: without secrets. */
export const accountRow = z
  .object({
    account_id: z.int(),
    type: z.string(),
    username: z.string(),
    first_name: shown,
    last_name: shown,
    phone: shown,
    email: shown,
    address: shown,
    settings: z.record(z.string(), z.unknown()),
    active: z.int(),
    programs: z.array(z.object({ program_id: z.int(), type: z.string(), name: z.string() })),
    user_id: z.int().nullable().describe('Owner; null while unassigned'),
    date_created: z.int().describe('Unix seconds'),
    last_updated: z.int().nullable().describe('Unix seconds'),
  })
  .meta({ id: 'AccountRow' });

/** An account as its owner reads it. */
export const accountRead = accountRow.extend({ passwd: shown, passwd_pin: shown }).meta({ id: 'Account' });
export type AccountRead = z.infer<typeof accountRead>;
