import { z } from '@ictcore/contract';
import { columns, type ResourceSpec } from '../database/resource';
import { requiredText, text } from '../http/fields';

const LISTED = columns('role_id', 'name', 'description');

/** Role, API section 1.15. */
export const roleSpec: ResourceSpec = {
  name: 'role',
  title: 'Role',
  from: 'role t',
  key: 'role_id',
  owner: null,
  createdAt: null,
  fields: {
    ...LISTED,
    built_in: 't.built_in',
    permissions: `
(select coalesce(jsonb_agg(jsonb_build_object('permission_id', p.permission_id, 'name', p.name) order by p.name), '[]')
   from role_permission rp join permission p on p.permission_id = rp.permission_id where rp.role_id = t.role_id)`,
  },
  listFields: [...Object.keys(LISTED), 'built_in'],
  filters: {
    role_id: { kind: 'exact', value: 'int', sql: 't.role_id' },
    name: { kind: 'startsWith', sql: 't.name' },
  },
  sortable: ['name'],
};

const name = requiredText(255).pipe(
  z.string().regex(/[^0-9]/, 'must not be a number: paths take a name or an id in the same place'),
);
const description = text(255).nullable().optional();

/** Body of S100. */
export const roleCreate = z.object({ name, description }).meta({ id: 'RoleCreate' });
export type RoleCreate = z.infer<typeof roleCreate>;

/** Body of S103; absent fields stay as they are. */
export const roleUpdate = z.object({ name: name.optional(), description }).meta({ id: 'RoleUpdate' });
export type RoleUpdate = z.infer<typeof roleUpdate>;

/** A row of the list of roles. */
export const roleRow = z
  .object({
    role_id: z.int(),
    name: z.string(),
    description: z.string(),
    built_in: z.int().describe('1: it stays'),
  })
  .meta({ id: 'RoleRow' });

/** A role as read. */
export const roleRead = roleRow
  .extend({ permissions: z.array(z.object({ permission_id: z.int(), name: z.string() })) })
  .meta({ id: 'Role' });
export type RoleRead = z.infer<typeof roleRead>;
