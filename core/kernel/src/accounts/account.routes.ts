import { type AnyRoute, defineRoute, invalid, z } from '@ictcore/contract';
import { listQuerySchema } from '../database/list-query';
import { createdReply, crudRoutes, done, listReply, newId } from '../http/crud-routes';
import { idParam } from '../http/fields';
import {
  type AccountType,
  accountCreate,
  accountRead,
  accountRow,
  accountSpec,
  accountUpdate,
  typedAccountCreate,
} from './account.schema';
import type { AccountService } from './account.service';
import type { AccountSettings } from './account-settings.service';

/** Id of an account in a path; -1 is the caller's default account (S76). */
export const accountIdParam = z
  .string()
  .regex(/^(-1|\d{1,15})$/, 'must be a whole number, or -1 for your default account')
  .transform(Number)
  .describe('-1: your default account')
  .meta({ type: 'integer' });

const accountParams = z.object({ account_id: accountIdParam });
const settingParams = accountParams.extend({
  name: z.string().regex(/^[A-Za-z0-9_.:-]{1,64}$/, 'is not a name of a setting'),
});

/** S74 to S78, S82, S83; dids and extensions; settings. */
export function accountRoutes(service: AccountService, settings: AccountSettings): AnyRoute[] {
  const crud = crudRoutes({
    spec: accountSpec,
    paths: ['/accounts'],
    service,
    create: accountCreate,
    update: accountUpdate,
    read: accountRead,
    row: accountRow,
    lines: ['S74', 'S75', 'S76', 'S77', 'S78'],
  }).map((route) => (route.params ? { ...route, params: accountParams } : route));
  return [
    ...crud,
    ...typedRoutes(service, '/dids', 'did'),
    ...typedRoutes(service, '/extensions', 'extension'),
    ...ownerRoutes(service),
    ...settingRoutes(settings),
  ];
}

function typedRoutes(service: AccountService, path: string, type: AccountType): AnyRoute[] {
  const query = listQuerySchema(accountSpec);
  const ofType = (conditions: { add(sql: string, ...values: unknown[]): unknown }) => {
    conditions.add('t.type = ?', type);
  };
  return [
    defineRoute({
      method: 'post',
      path,
      tag: 'accounts',
      permission: 'account_create',
      summary: `Create an account of type ${type}`,
      body: typedAccountCreate,
      response: newId,
      async handler(request) {
        const id = await service.create(request.actor, { ...request.body, type });
        return createdReply(request, id, () => service.get(request.actor, id), `/accounts/${id}`);
      },
    }),
    defineRoute({
      method: 'get',
      path,
      tag: 'accounts',
      permission: 'account_list',
      summary: `List accounts of type ${type}`,
      query,
      response: z.array(accountRow),
      handler: ({ actor, query: asked }) =>
        listReply(
          asked,
          () => service.list(actor, asked, ofType),
          () => service.count(actor, asked, ofType),
        ),
    }),
  ];
}

function ownerRoutes(service: AccountService): AnyRoute[] {
  return [
    defineRoute({
      method: 'put',
      path: '/accounts/{account_id}/users/{user_id}',
      permission: ['account_create', 'user_update'],
      summary: 'Assign an account to a user',
      description: 'Guide line S82. The programs of the account are uninstalled unless the user has it already.',
      params: accountParams.extend({ user_id: idParam() }),
      response: done,
      async handler({ actor, params }) {
        await service.assign(actor, params.account_id, params.user_id);
        return true as const;
      },
    }),
    defineRoute({
      method: 'delete',
      path: '/accounts/{account_id}/users',
      permission: ['account_delete', 'user_update'],
      summary: 'Take an account from its user',
      description: 'Guide line S83. Its programs are uninstalled; it can be assigned anew by account_admin.',
      params: accountParams,
      response: done,
      async handler({ actor, params }) {
        await service.dissociate(actor, params.account_id);
        return true as const;
      },
    }),
  ];
}

function settingRoutes(settings: AccountSettings): AnyRoute[] {
  const path = '/accounts/{account_id}/settings/{name}';
  return [
    defineRoute({
      method: 'get',
      path,
      permission: 'account_read',
      summary: 'Read one setting of an account',
      params: settingParams,
      response: z.unknown().describe('The value as it was stored'),
      errors: { 404: 'The setting is not set' },
      handler: ({ actor, params }) => settings.read(actor, params.account_id, params.name),
    }),
    defineRoute({
      method: 'put',
      path,
      permission: 'account_update',
      summary: 'Set one setting of an account',
      description: 'The body is {"value": …} or {"data": …} or the bare value as JSON.',
      params: settingParams,
      body: z.unknown().describe('Any JSON'),
      response: done,
      async handler({ actor, params, body }) {
        await settings.write(actor, params.account_id, params.name, valueIn(body));
        return true as const;
      },
    }),
    defineRoute({
      method: 'delete',
      path,
      permission: 'account_update',
      summary: 'Remove one setting of an account',
      params: settingParams,
      response: done,
      async handler({ actor, params }) {
        await settings.remove(actor, params.account_id, params.name);
        return true as const;
      },
    }),
  ];
}

/** What is to be set: the inside of `{value}` or `{data}`, else the body itself. */
function valueIn(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body;
  const keys = Object.keys(body);
  const wrapped = body as { value?: unknown; data?: unknown };
  if (keys.length === 0) throw invalid('value', 'is required', 'required');
  if ('value' in body) return wrapped.value;
  return 'data' in body && keys.length === 1 ? wrapped.data : body;
}
