import { type AnyRoute, defineRoute, z } from '@ictcore/contract';
import { crudRoutes, done } from '../http/crud-routes';
import { flag, idParam } from '../http/fields';
import {
  providerCreate,
  providerHealth,
  providerRead,
  providerRow,
  providerSpec,
  providerUpdate,
} from './provider.schema';
import type { ProviderService } from './provider.service';

const params = z.object({ provider_id: idParam() });

/** S93 to S97, and the test of a provider. */
export function providerRoutes(service: ProviderService): AnyRoute[] {
  const crud = crudRoutes({
    spec: providerSpec,
    paths: ['/providers'],
    service,
    create: providerCreate,
    update: providerUpdate,
    read: providerRead,
    row: providerRow,
    lines: ['S93', 'S94', 'S95', 'S96', 'S97'],
  }).filter((route) => route.method !== 'delete');
  return [
    ...crud,
    defineRoute({
      method: 'delete',
      path: '/providers/{provider_id}',
      permission: 'provider_delete',
      summary: 'Delete a provider',
      description: 'Guide line S97. 423 while attempts are out through it, unless force=1.',
      params,
      query: z.object({ force: flag().optional() }),
      response: done,
      async handler(request) {
        await service.remove(request.actor, request.params.provider_id, request.query.force === 1);
        return true as const;
      },
    }),
    defineRoute({
      method: 'post',
      path: '/providers/{provider_id}/test',
      permission: 'provider_update',
      summary: 'Test host and credentials of a provider',
      description:
        'Connects and logs in without sending anything; the result is also kept as the state of the provider.',
      params,
      response: providerHealth,
      async handler(request) {
        const health = await service.test(request.actor, request.params.provider_id);
        return { state: health.state, detail: health.detail, round_trip_ms: health.roundTripMs ?? null };
      },
    }),
  ];
}
