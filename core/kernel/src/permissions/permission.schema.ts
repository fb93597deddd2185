import { z } from '@ictcore/contract';
import { columns, type ResourceSpec } from '../database/resource';
import { requiredText, text } from '../http/fields';

/** Permission, API section 1.15. */
export const permissionSpec: ResourceSpec = {
  name: 'permission',
  title: 'Permission',
  from: 'permission t',
  key: 'permission_id',
  owner: null,
  createdAt: null,
  fields: columns('permission_id', 'name', 'description'),
  filters: {
    permission_id: { kind: 'exact', value: 'int', sql: 't.permission_id' },
    name: { kind: 'startsWith', sql: 't.name' },
  },
  sortable: ['name'],
};

/** Body of S98. */
export const permissionCreate = z
  .object({
    name: requiredText(255).pipe(
      z.string().regex(/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/, 'must be snake case: resource or resource_verb'),
    ),
    description: text(255).nullable().optional(),
  })
  .meta({ id: 'PermissionCreate' });
export type PermissionCreate = z.infer<typeof permissionCreate>;

/** A permission as read. */
export const permissionRead = z
  .object({ permission_id: z.int(), name: z.string(), description: z.string() })
  .meta({ id: 'Permission' });
export type PermissionRow = z.infer<typeof permissionRead>;
