import { type Actor, type AnyRoute, defineRoute, type HttpMethod, z } from '@ictcore/contract';
import { accountRow, accountSpec } from '../accounts/account.schema';
import type { AccountService } from '../accounts/account.service';
import { listQuerySchema } from '../database/list-query';
import { crudRoutes, done, listReply } from '../http/crud-routes';
import { idOrNameParam } from '../permissions/id-or-name';
import { passwordChange, userCreate, userRead, userRow, userSpec, userUpdate } from './user.schema';
import { requireVisible, type UserService } from './user.service';
import type { UserGrants } from './user-grants.service';

/** Id of a user in a path, or `me`. */
const userIdParam = z
  .string()
  .regex(/^(me|\d{1,15})$/, 'must be a whole number, or me')
  .describe('A user id, or `me`');
const userParams = z.object({ user_id: userIdParam });

function userOf(actor: Actor, userId: string): number {
  return userId === 'me' ? actor.userId : Number(userId);
}

/** S84 to S92 and their companions. */
export function userRoutes(users: UserService, grants: UserGrants, accounts: AccountService): AnyRoute[] {
  return [...crud(users), ...ofOneUser(users, grants, accounts), ...grantRoutes(grants)];
}

/** The five routes of every noun, except that `me` is taken for an id. */
function crud(users: UserService): AnyRoute[] {
  return crudRoutes({
    spec: userSpec,
    paths: ['/users'],
    service: users,
    create: userCreate,
    update: userUpdate,
    read: userRead,
    row: userRow,
    lines: ['S84', 'S85', 'S86', 'S87', 'S88'],
  }).map((route) => {
    if (!route.params) return route;
    const me = route.method !== 'delete';
    return {
      ...route,
      // `/users/me` is documented as a path of its own, which has no parameter.
      ...(me && { aliases: [{ path: '/users/me' }] }),
      params: me ? z.object({ user_id: userIdParam.default('me') }) : userParams,
      handler: (request) =>
        route.handler({ ...request, params: { user_id: userOf(request.actor, request.params.user_id) } }),
    } satisfies AnyRoute;
  });
}

function ofOneUser(users: UserService, grants: UserGrants, accounts: AccountService): AnyRoute[] {
  return [
    defineRoute({
      method: 'put',
      path: '/users/{user_id}/password',
      permission: 'user_password',
      summary: 'Set a password',
      description: 'One’s own needs current_password; others’ need permission user_update. Ends the user’s tokens.',
      params: userParams,
      body: passwordChange,
      response: done,
      async handler({ actor, params, body, ip }) {
        await users.changePassword(actor, userOf(actor, params.user_id), body, ip);
        return true as const;
      },
    }),
    defineRoute({
      method: 'get',
      path: '/users/{user_id}/roles',
      permission: ['user_list', 'role_list'],
      summary: 'List a user’s roles',
      params: userParams,
      response: z.array(z.object({ role_id: z.int(), name: z.string(), description: z.string() })),
      handler: ({ actor, params }) => grants.rolesOf(actor, userOf(actor, params.user_id)),
    }),
    defineRoute({
      method: 'get',
      path: '/users/{user_id}/permissions',
      permission: ['user_list', 'permission_list'],
      summary: 'List a user’s effective permissions',
      params: userParams,
      response: z.array(
        z.object({
          permission_id: z.int(),
          name: z.string(),
          direct: z.int().describe('1: granted to the user himself'),
        }),
      ),
      handler: ({ actor, params }) => grants.permissionsOf(actor, userOf(actor, params.user_id)),
    }),
    defineRoute({
      method: 'get',
      path: '/users/{user_id}/accounts',
      permission: ['user_read', 'account_list'],
      summary: 'List a user’s accounts',
      description: 'Of others, those that the caller may see: all with account_admin, else none.',
      params: userParams,
      query: listQuerySchema(accountSpec),
      response: z.array(accountRow),
      async handler({ actor, params, query }) {
        const id = userOf(actor, params.user_id);
        requireVisible(actor, id);
        await users.get(actor, id);
        return listReply(
          query,
          () => accounts.list(actor, query, (conditions) => conditions.add('t.created_by = ?', id)),
          () => accounts.count(actor, query, (conditions) => conditions.add('t.created_by = ?', id)),
        );
      },
    }),
  ];
}

function grantRoutes(grants: UserGrants): AnyRoute[] {
  type Change = (actor: Actor, userId: number, idOrName: string) => Promise<void>;
  const route = (
    method: HttpMethod,
    what: 'permission' | 'role',
    permission: readonly string[],
    line: string,
    change: Change,
  ): AnyRoute => ({
    method,
    path: `/users/{user_id}/${what}s/{${what}_id}`,
    permission,
    summary: `${method === 'put' ? 'Give a user' : 'Take from a user'} a ${what}`,
    description: `Guide line ${line}. Id or name; idempotent; takes effect at once, for tokens already issued too.`,
    params: z.object({ user_id: userIdParam, [`${what}_id`]: idOrNameParam() }),
    response: done,
    async handler({ actor, params }) {
      await change(actor, userOf(actor, params.user_id), params[`${what}_id`]);
      return true;
    },
  });
  return [
    route('put', 'permission', ['user_update', 'permission_create'], 'S89', (...asked) =>
      grants.givePermission(...asked),
    ),
    route('delete', 'permission', ['user_update', 'permission_delete'], 'S90', (...asked) =>
      grants.takePermission(...asked),
    ),
    route('put', 'role', ['user_update', 'role_update'], 'S91', (...asked) => grants.giveRole(...asked)),
    route('delete', 'role', ['user_update', 'role_update'], 'S92', (...asked) => grants.takeRole(...asked)),
  ];
}
