import { type Actor, type AnyRoute, defineRoute, forbidden, invalid, z } from '@ictcore/contract';
import { CAMPAIGN_PATHS, type CampaignService } from '../campaigns';
import type { Database } from '../database/database';
import { listQuerySchema } from '../database/list-query';
import { done, listReply } from '../http/crud-routes';
import { idParam } from '../http/fields';
import { TRANSMISSION_PATHS, type TransmissionService } from '../transmissions';
import { planOf, scheduleBody, taskRead, taskSpec } from './schedule.schema';
import type { ScheduleService } from './schedule.service';

export interface ScheduleParts {
  database: Database;
  schedules: ScheduleService;
  campaigns: CampaignService;
  transmissions: TransmissionService;
}

const taskId = z.int().describe('Id of the task');
const tasks = z.array(taskRead);

/** S58, S59, S67, S68 and the lists of tasks. */
export function scheduleRoutes(parts: ScheduleParts): AnyRoute[] {
  return [...taskRoutes(parts), ...transmissionScheduleRoutes(parts), ...campaignScheduleRoutes(parts)];
}

function taskRoutes({ schedules }: ScheduleParts): AnyRoute[] {
  return [
    defineRoute({
      method: 'get',
      path: '/tasks',
      aliases: [{ path: '/schedules' }],
      permission: 'task_list',
      summary: 'List tasks: what is scheduled, and what was',
      query: listQuerySchema(taskSpec),
      response: tasks,
      handler: ({ actor, query }) =>
        listReply(
          query,
          () => schedules.list(actor, query),
          () => schedules.count(actor, query),
        ),
    }),
    defineRoute({
      method: 'get',
      path: '/tasks/{task_id}',
      aliases: [{ path: '/schedules/{task_id}' }],
      permission: 'task_read',
      summary: 'Read a task',
      params: z.object({ task_id: idParam() }),
      response: taskRead,
      handler: ({ actor, params }) => schedules.get(actor, params.task_id),
    }),
  ];
}

/** The same tail below each of several collections. */
function below(bases: readonly string[], tail: string, methods: readonly ('put' | 'post' | 'delete' | 'get')[]) {
  const [canonical, ...aliases] = methods.flatMap((method) =>
    bases.map((base) => ({ method, path: `${base}${tail}` })),
  );
  return { ...(canonical as { method: 'put' | 'post' | 'delete' | 'get'; path: string }), aliases };
}

function transmissionScheduleRoutes({ schedules, transmissions, database }: ScheduleParts): AnyRoute[] {
  const params = z.object({ transmission_id: idParam() });
  const tail = '/{transmission_id}/schedule';
  return [
    defineRoute({
      ...below(TRANSMISSION_PATHS, tail, ['put', 'post']),
      permission: ['transmission_send', 'task_create'],
      summary: 'Send a transmission at a time',
      description:
        'Guide line S67. Replaces an earlier schedule. A recurring one sends the transmission at the first time, and a copy of it at each further one.',
      params,
      body: scheduleBody,
      response: taskId,
      handler: ({ actor, params: { transmission_id }, body }) =>
        transmissions.schedule(actor, transmission_id, planOf(body)),
    }),
    defineRoute({
      ...below(TRANSMISSION_PATHS, tail, ['delete']),
      permission: ['transmission_update', 'task_delete'],
      summary: 'Cancel the schedule of a transmission',
      description: 'Guide line S68',
      params,
      response: done,
      async handler({ actor, params: { transmission_id } }) {
        await database.transaction((tx) => transmissions.unscheduleIn(actor, transmission_id, tx));
        return true as const;
      },
    }),
    defineRoute({
      ...below(TRANSMISSION_PATHS, tail, ['get']),
      permission: 'transmission_read',
      summary: 'The schedule of a transmission: none or one task',
      params,
      response: tasks,
      async handler({ actor, params: { transmission_id } }) {
        await transmissions.get(actor, transmission_id);
        return schedules.of('transmission', transmission_id);
      },
    }),
  ];
}

const ACTIONS = ['start', 'stop'] as const;

/** 412 for another word, 403 without the right to do it now. */
function actionFor(actor: Actor, word: string): (typeof ACTIONS)[number] {
  const action = ACTIONS.find((known) => known === word);
  if (!action) throw invalid('action', 'must be start or stop', 'enum');
  if (!actor.can(`campaign_${action}`)) {
    throw forbidden(`Permission campaign_${action} is needed; ask an administrator for it`);
  }
  return action;
}

function campaignScheduleRoutes({ schedules, campaigns, database }: ScheduleParts): AnyRoute[] {
  const params = z.object({ campaign_id: idParam() });
  const actionParams = z.object({ campaign_id: idParam(), action: z.string() });
  const ofAction = '/{campaign_id}/{action}/schedule';
  const cancelled = below(CAMPAIGN_PATHS, '/{campaign_id}/schedule/cancel', ['delete']);
  const cancel = async (actor: Actor, id: number, action: (typeof ACTIONS)[number] | null) => {
    await database.transaction(async (tx) => {
      await campaigns.repository.lock(actor, id, tx);
      await schedules.cancel('campaign', id, action, tx);
    });
    return true as const;
  };
  return [
    defineRoute({
      ...below(CAMPAIGN_PATHS, ofAction, ['post', 'put']),
      permission: 'task_create',
      summary: 'Start or stop a campaign at a time',
      description: 'Guide line S58. action is start or stop. A second schedule of the same action replaces the first.',
      params: actionParams,
      body: scheduleBody,
      response: taskId,
      handler({ actor, params: { campaign_id, action }, body }) {
        const known = actionFor(actor, action);
        const plan = planOf(body);
        return database.transaction(async (tx) => {
          const row = await campaigns.repository.lock(actor, campaign_id, tx);
          const target = { type: 'campaign', action: known, id: campaign_id, accountId: row.account_id } as const;
          return schedules.put(actor, target, plan, tx);
        });
      },
    }),
    defineRoute({
      ...below(CAMPAIGN_PATHS, ofAction, ['delete']),
      permission: ['campaign_update', 'task_delete'],
      summary: 'Cancel the scheduled start or stop of a campaign',
      params: actionParams,
      response: done,
      handler: ({ actor, params: { campaign_id, action } }) => cancel(actor, campaign_id, actionFor(actor, action)),
    }),
    defineRoute({
      ...cancelled,
      aliases: [...cancelled.aliases, ...CAMPAIGN_PATHS.map((base) => ({ path: `${base}/{campaign_id}/schedule` }))],
      permission: ['campaign_update', 'task_delete'],
      summary: 'Cancel every schedule of a campaign',
      description: 'Guide line S59',
      params,
      response: done,
      handler: ({ actor, params: { campaign_id } }) => cancel(actor, campaign_id, null),
    }),
    defineRoute({
      ...below(CAMPAIGN_PATHS, '/{campaign_id}/schedule', ['get']),
      permission: 'campaign_read',
      summary: 'The schedules of a campaign',
      params,
      response: tasks,
      async handler({ actor, params: { campaign_id } }) {
        await campaigns.get(actor, campaign_id);
        return schedules.of('campaign', campaign_id);
      },
    }),
  ];
}
