import { z } from '@ictcore/contract';
import { columns, OWNED_FIELDS, type ResourceSpec, unixTime } from '../database/resource';
import { flag, int, nullableInt, nullableText, requiredText, text } from '../http/fields';

/** Provider, API section 1.16. Nobody owns providers: whoever holds provider_* sees them all. */
export const providerSpec: ResourceSpec = {
  name: 'provider',
  title: 'Provider',
  from: 'provider t',
  key: 'provider_id',
  owner: null,
  fields: {
    ...columns('provider_id', 'name', 'type', 'service_flag', 'node_id', 'host', 'port', 'username', 'dialstring'),
    ...columns('prefix', 'settings', 'register', 'weight', 'active', 'description', 'state', 'state_detail'),
    has_password: '(t.secrets is not null)::int',
    checked_at: unixTime('t.checked_at'),
    ...OWNED_FIELDS,
  },
  listFields: [
    ...['provider_id', 'name', 'host', 'service_flag', 'node_id', 'type', 'active', 'weight', 'prefix', 'state'],
    ...['checked_at', 'port', 'register', 'description'],
  ],
  filters: {
    provider_id: { kind: 'exact', value: 'int', sql: 't.provider_id' },
    name: { kind: 'exact', value: 'text', sql: 't.name' },
    node_id: { kind: 'exact', value: 'int', sql: 't.node_id' },
    host: { kind: 'exact', value: 'text', sql: 't.host' },
    type: { kind: 'exact', value: 'text', sql: 't.type' },
    active: { kind: 'flag', sql: 't.active' },
    service_flag: { kind: 'bits', sql: 't.service_flag' },
  },
  sortable: ['name', 'type', 'weight'],
};

const name = requiredText(128).refine((value) => /^[A-Za-z0-9_.-]+$/.test(value), {
  message: 'may hold letters, digits, _ . - only (it names the gateway in the switch)',
});

const fields = {
  host: nullableText(255).optional(),
  port: nullableInt(1, 65535).optional(),
  username: nullableText(128).optional(),
  password: nullableText(1024).optional().describe('Write-only; has_password tells whether one is set'),
  dialstring: nullableText(255).optional(),
  prefix: nullableText(255).optional(),
  settings: z.record(z.string(), z.unknown()).nullable().optional().describe("Checked by the type's own schema"),
  register: flag().optional(),
  weight: int(-1000, 1000).optional().describe('Lower is used first; equals take turns'),
  active: flag().optional(),
  description: text(255).nullable().optional(),
  service_flag: int(1, 31)
    .optional()
    .describe("Channels it may carry: 1 voice, 2 fax, 4 sms, 8 email. Default: the type's"),
};

/** Body of S93. */
export const providerCreate = z.object({ ...fields, type: requiredText(32), name }).meta({ id: 'ProviderCreate' });
export type ProviderCreate = z.infer<typeof providerCreate>;

/** Body of S96; the type stays. */
export const providerUpdate = z.object({ ...fields, name: name.optional() }).meta({ id: 'ProviderUpdate' });
export type ProviderUpdate = z.infer<typeof providerUpdate>;

const shown = z.string().nullable();

/** A provider as read; its secrets never. */
export const providerRead = z
  .object({
    provider_id: z.int(),
    name: z.string(),
    type: z.string(),
    service_flag: z.int(),
    node_id: z.int().nullable(),
    host: shown,
    port: z.int().nullable(),
    username: shown,
    dialstring: shown,
    prefix: shown,
    settings: z.record(z.string(), z.unknown()),
    register: z.int(),
    weight: z.int(),
    active: z.int(),
    description: z.string(),
    state: z.enum(['ok', 'registered', 'unregistered', 'error', 'unknown']),
    state_detail: z.string(),
    has_password: z.int(),
    checked_at: z.int().nullable(),
    user_id: z.int().nullable(),
    date_created: z.int(),
    last_updated: z.int().nullable(),
  })
  .meta({ id: 'Provider' });
export type ProviderShown = z.infer<typeof providerRead>;

/** A row of S94. */
export const providerRow = providerRead
  .pick({ provider_id: true, name: true, host: true, service_flag: true, node_id: true, type: true, active: true })
  .extend({ weight: z.int(), prefix: shown, state: z.string(), checked_at: z.int().nullable() })
  .meta({ id: 'ProviderRow' });

/** Answer of `POST /providers/{id}/test`. */
export const providerHealth = z
  .object({ state: z.string(), detail: z.string(), round_trip_ms: z.number().nullable() })
  .meta({ id: 'ProviderHealth' });
