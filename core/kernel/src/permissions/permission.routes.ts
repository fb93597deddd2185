import { type AnyRoute, defineRoute, z } from '@ictcore/contract';
import { listQuerySchema } from '../database/list-query';
import { createdReply, listReply, newId } from '../http/crud-routes';
import { permissionCreate, permissionRead, permissionSpec } from './permission.schema';
import type { PermissionService } from './permission.service';

/** S98 and S99. */
export function permissionRoutes(service: PermissionService): AnyRoute[] {
  return [
    defineRoute({
      method: 'post',
      path: '/permissions',
      permission: 'permission_create',
      summary: 'Create a permission',
      description: 'Guide line S98. For applications of your own; those of plugins are there already.',
      body: permissionCreate,
      response: newId,
      async handler(request) {
        const id = await service.create(request.actor, request.body);
        return createdReply(request, id, () => service.get(request.actor, id), `/permissions/${id}`);
      },
    }),
    defineRoute({
      method: 'get',
      path: '/permissions',
      permission: 'permission_list',
      summary: 'List permissions',
      description: 'Guide line S99',
      query: listQuerySchema(permissionSpec),
      response: z.array(permissionRead),
      handler: ({ actor, query }) =>
        listReply(
          query,
          () => service.list(actor, query),
          () => service.count(actor, query),
        ),
    }),
  ];
}
