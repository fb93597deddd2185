import { type AnyRoute, defineRoute, z } from '@ictcore/contract';
import { listQuerySchema } from '../database/list-query';
import { done, listReply } from '../http/crud-routes';
import { idParam } from '../http/fields';
import { unmatchedAssign, unmatchedListed, unmatchedRead, unmatchedSpec } from './unmatched.schema';
import type { UnmatchedService } from './unmatched.service';

const params = z.object({ unmatched_id: idParam() });
const base = '/inbound/unmatched';
const one = `${base}/{unmatched_id}`;

/** What came in and nobody takes (API section 3.10): for administrators, with permissions of their own. */
export function unmatchedRoutes(service: UnmatchedService): AnyRoute[] {
  return [
    defineRoute({
      method: 'get',
      path: base,
      permission: 'inbound_list',
      summary: 'List messages that came in and nobody takes',
      query: listQuerySchema(unmatchedSpec),
      response: z.array(unmatchedListed),
      handler: ({ actor, query }) =>
        listReply(
          query,
          () => service.list(actor, query),
          () => service.count(actor, query),
        ),
    }),
    defineRoute({
      method: 'get',
      path: one,
      permission: 'inbound_read',
      summary: 'Read a message that nobody takes',
      params,
      response: unmatchedRead,
      handler: ({ actor, params: { unmatched_id } }) => service.get(actor, unmatched_id),
    }),
    defineRoute({
      method: 'get',
      path: `${one}/media/{n}`,
      permission: 'inbound_read',
      summary: 'Download a file of a message that nobody takes',
      params: params.extend({ n: idParam() }),
      handler: ({ actor, params: { unmatched_id, n }, headers }) => service.download(actor, unmatched_id, n, headers),
    }),
    defineRoute({
      method: 'delete',
      path: one,
      permission: 'inbound_delete',
      summary: 'Delete a message that nobody takes',
      params,
      response: done,
      async handler({ actor, params: { unmatched_id } }) {
        await service.remove(actor, unmatched_id);
        return true as const;
      },
    }),
    defineRoute({
      method: 'post',
      path: `${one}/assign`,
      permission: 'inbound_assign',
      summary: 'Give a message that nobody takes to an account',
      description: 'It is matched anew, as if it had been sent to that account. Answers the transmission’s id.',
      params,
      body: unmatchedAssign,
      response: z.int().describe('Id of the transmission'),
      errors: { 423: 'The account has no program that takes it' },
      handler: ({ actor, params: { unmatched_id }, body }) => service.assign(actor, unmatched_id, body.account_id),
    }),
  ];
}
