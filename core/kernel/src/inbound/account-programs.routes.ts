import { type AnyRoute, defineRoute, z } from '@ictcore/contract';
import { accountIdParam } from '../accounts';
import { done } from '../http/crud-routes';
import type { AccountPrograms } from './account-programs';

const accountParams = z.object({ account_id: accountIdParam });
const params = accountParams.extend({
  program_name: z.string().regex(/^(\d{1,15}|[a-z][a-z0-9_]{0,63})$/, 'must be a type of programs or a whole number'),
});
const path = '/accounts/{account_id}/programs';

/** S79 to S81. */
export function accountProgramRoutes(service: AccountPrograms): AnyRoute[] {
  return [
    defineRoute({
      method: 'put',
      path: `${path}/{program_name}`,
      tag: 'accounts',
      permission: ['account_update', 'program_create', 'program_execute'],
      summary: 'Install a program on an account',
      description:
        'Guide line S79. program_name is a type (faxtoemail, receivesms ...) or the id of a program. Calling it again ' +
        'changes the program that is there. The body holds further parameters; what is none is passed over.',
      params,
      body: z.record(z.string(), z.unknown()).describe('Parameters of the program other than its account'),
      response: z.int().describe('Id of the program'),
      errors: { 409: 'Another program has the number or address', 412: 'The account has no phone or e-mail' },
      handler: ({ actor, params: { account_id, program_name }, body }) =>
        service.install(actor, account_id, program_name, body),
    }),
    defineRoute({
      method: 'delete',
      path,
      tag: 'accounts',
      permission: ['account_update', 'program_delete'],
      summary: 'Uninstall all programs of an account',
      description: 'Guide line S80.',
      params: accountParams,
      response: done,
      async handler({ actor, params: { account_id } }) {
        await service.uninstall(actor, account_id);
        return true as const;
      },
    }),
    defineRoute({
      method: 'delete',
      path: `${path}/{program_name}`,
      tag: 'accounts',
      permission: ['account_update', 'program_delete'],
      summary: 'Uninstall a program of an account',
      description: 'Guide line S81. program_name is a type or an id; 404 if the account has no such program.',
      params,
      response: done,
      async handler({ actor, params: { account_id, program_name } }) {
        await service.uninstall(actor, account_id, program_name);
        return true as const;
      },
    }),
  ];
}
