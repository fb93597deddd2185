import { z } from '@ictcore/contract';
import { columns, OWNED_FIELDS, type ResourceSpec } from '../database/resource';
import { requiredText, text } from '../http/fields';

/** Group, API section 1.2. */
export const groupSpec: ResourceSpec = {
  name: 'group',
  title: 'Group',
  from: 'contact_group t',
  key: 'group_id',
  owner: 't.created_by',
  fields: { ...columns('group_id', 'name', 'description', 'contact_total'), ...OWNED_FIELDS },
  filters: {
    group_id: { kind: 'exact', value: 'int', sql: 't.group_id' },
    name: { kind: 'contains', sql: 't.name' },
  },
  sortable: ['name', 'contact_total', 'date_created'],
  search: ['t.name', 't.description'],
};

const description = text(255).nullable().optional();

/** Body of S6. */
export const groupCreate = z.object({ name: requiredText(128), description }).meta({ id: 'GroupCreate' });
export type GroupCreate = z.infer<typeof groupCreate>;

/** Body of S9; absent fields stay as they are. */
export const groupUpdate = z.object({ name: requiredText(128).optional(), description }).meta({ id: 'GroupUpdate' });
export type GroupUpdate = z.infer<typeof groupUpdate>;

/** A group as read. */
export const groupRead = z
  .object({
    group_id: z.int(),
    name: z.string(),
    description: z.string(),
    contact_total: z.int().describe('Number of its contacts'),
    user_id: z.int().nullable().describe('Owner'),
    date_created: z.int().describe('Unix seconds'),
    last_updated: z.int().nullable().describe('Unix seconds'),
  })
  .meta({ id: 'Group' });
export type GroupRow = z.infer<typeof groupRead>;
