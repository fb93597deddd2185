import { type AnyRoute, defineRoute, type HttpMethod, z } from '@ictcore/contract';
import { crudRoutes, done } from '../http/crud-routes';
import { idOrNameParam } from '../permissions/id-or-name';
import { roleCreate, roleRead, roleRow, roleSpec, roleUpdate } from './role.schema';
import type { RoleService } from './role.service';

/** S100 to S106. */
export function roleRoutes(service: RoleService): AnyRoute[] {
  const permission = (method: HttpMethod, permissions: readonly string[], summary: string, line: string) =>
    defineRoute({
      method,
      path: '/roles/{role_id}/permissions/{permission_id}',
      permission: permissions,
      summary,
      description: `Guide line ${line}. Ids or names; takes effect at once, for tokens already issued too.`,
      params: z.object({ role_id: idOrNameParam(), permission_id: idOrNameParam() }),
      response: done,
      async handler({ actor, params }) {
        if (method === 'put') await service.addPermission(actor, params.role_id, params.permission_id);
        else await service.removePermission(actor, params.role_id, params.permission_id);
        return true as const;
      },
    });
  return [
    ...crudRoutes({
      spec: roleSpec,
      paths: ['/roles'],
      service,
      create: roleCreate,
      update: roleUpdate,
      read: roleRead,
      row: roleRow,
      lines: ['S100', 'S101', 'S102', 'S103', 'S104'],
    }),
    permission('put', ['role_update', 'permission_create'], 'Give a role a permission', 'S105'),
    permission('delete', ['role_update', 'permission_delete'], 'Take a permission from a role', 'S106'),
  ];
}
