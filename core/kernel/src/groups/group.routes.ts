import { type AnyRoute, defineRoute, z } from '@ictcore/contract';
import { contactSpec } from '../contacts';
import { contactListed, contactRead } from '../contacts/contact.schema';
import { listQuerySchema } from '../database/list-query';
import { crudRoutes, done, listReply } from '../http/crud-routes';
import { idParam } from '../http/fields';
import { groupCreate, groupRead, groupSpec, groupUpdate } from './group.schema';
import type { GroupService } from './group.service';

/** S6 to S10, members, and the links of contacts. */
export function groupRoutes(service: GroupService): AnyRoute[] {
  const crud = crudRoutes({
    spec: groupSpec,
    paths: ['/groups'],
    service,
    create: groupCreate,
    update: groupUpdate,
    read: groupRead,
    lines: ['S6', 'S7', 'S8', 'S9', 'S10'],
  });
  return [...crud, membersRoute(service), ...linkRoutes(service)];
}

function membersRoute(service: GroupService): AnyRoute {
  return defineRoute({
    method: 'get',
    path: '/groups/{group_id}/contacts',
    aliases: [{ path: '/groups/{group_id}/contact' }],
    permission: ['group_read', 'contact_list'],
    summary: 'List the contacts of a group',
    description: 'As the list of contacts, with the same filters.',
    params: z.object({ group_id: idParam() }),
    query: listQuerySchema(contactSpec),
    response: z.array(contactListed),
    handler: ({ actor, params: { group_id }, query }) =>
      listReply(
        query,
        () => service.members(actor, group_id, query),
        () => service.memberCount(actor, group_id, query),
      ),
  });
}

function linkRoutes(service: GroupService): AnyRoute[] {
  const params = z.object({ contact_id: idParam(), group_id: idParam() });
  const path = '/contacts/{contact_id}/link/{group_id}';
  return [
    defineRoute({
      method: 'put',
      path,
      aliases: [{ method: 'get', path: '/contacts/{contact_id}/join/{group_id}' }],
      tag: 'groups',
      permission: ['contact_create', 'group_create'],
      summary: 'Put a contact into a group',
      description: 'Doing it again changes nothing.',
      params,
      response: contactRead,
      handler: ({ actor, params: { contact_id, group_id } }) => service.link(actor, contact_id, group_id),
    }),
    defineRoute({
      method: 'delete',
      path,
      aliases: [{ method: 'get', path: '/contacts/{contact_id}/leave/{group_id}' }],
      tag: 'groups',
      permission: ['contact_delete', 'group_delete'],
      summary: 'Take a contact out of a group',
      description: 'Neither of them is deleted. Doing it again changes nothing.',
      params,
      response: done,
      async handler({ actor, params: { contact_id, group_id } }) {
        await service.unlink(actor, contact_id, group_id);
        return true as const;
      },
    }),
  ];
}
