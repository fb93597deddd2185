import { type Actor, type AnyRoute, defineRoute, type HttpMethod, z } from '@ictcore/contract';
import { createdReply, crudRoutes, newId } from '../http/crud-routes';
import { idParam } from '../http/fields';
import { campaignCreate, campaignRead, campaignSpec, campaignUpdate } from './campaign.schema';
import type { CampaignService } from './campaign.service';

/** The guide mixes both; both answer everywhere (API section 0.3, Q4). */
export const CAMPAIGN_PATHS = ['/campaigns', '/campaign'] as const;

const params = z.object({ campaign_id: idParam() });

/** A verb below a campaign: POST, and PUT and GET for old clients. */
function verb(
  name: string,
  permission: string | readonly string[],
  text: { summary: string; description?: string },
  act: (actor: Actor, id: number) => Promise<number>,
): AnyRoute {
  const endpoints = CAMPAIGN_PATHS.flatMap((base) =>
    (['post', 'put', 'get'] as HttpMethod[]).map((method) => ({ method, path: `${base}/{campaign_id}/${name}` })),
  );
  const [canonical, ...aliases] = endpoints;
  return defineRoute({
    ...(canonical as { method: HttpMethod; path: string }),
    aliases,
    permission,
    ...text,
    params,
    response: z.int().describe('Id of the campaign'),
    errors: { 423: 'The campaign is in a state that does not allow this' },
    handler: (request) => act(request.actor, request.params.campaign_id),
  });
}

/** S52 to S57, and the verbs that the guide lacks. */
export function campaignRoutes(service: CampaignService): AnyRoute[] {
  return [
    ...crudRoutes({
      spec: campaignSpec,
      paths: CAMPAIGN_PATHS,
      service,
      create: campaignCreate,
      update: campaignUpdate,
      read: campaignRead,
      lines: ['S52', 'S53', '', 'S54', 'S55'],
    }),
    verb(
      'start',
      'campaign_start',
      { summary: 'Start a campaign, or go on after a stop', description: 'Guide line S56. Answers at once.' },
      (actor, id) => service.start(actor, id),
    ),
    verb(
      'stop',
      'campaign_stop',
      { summary: 'Stop a campaign: what is in flight ends, everything else waits', description: 'Guide line S57' },
      (actor, id) => service.stop(actor, id),
    ),
    verb(
      'resume',
      'campaign_start',
      { summary: 'Go on with a campaign that was stopped, or that broke and has been mended' },
      (actor, id) => service.resume(actor, id),
    ),
    verb(
      'refresh',
      'campaign_update',
      { summary: 'Take in contacts that have joined the group since; on a new campaign: prepare it ahead' },
      (actor, id) => service.refresh(actor, id),
    ),
    defineRoute({
      method: 'post',
      path: '/campaigns/{campaign_id}/clone',
      aliases: [
        { path: '/campaign/{campaign_id}/clone' },
        { method: 'get', path: '/campaigns/{campaign_id}/clone' },
        { method: 'get', path: '/campaign/{campaign_id}/clone' },
      ],
      permission: ['campaign_read', 'campaign_create'],
      summary: 'Make the same campaign once more, new',
      params,
      response: newId,
      async handler(request) {
        const id = await service.clone(request.actor, request.params.campaign_id);
        return createdReply(request, id, () => service.get(request.actor, id), `/campaigns/${id}`);
      },
    }),
  ];
}
