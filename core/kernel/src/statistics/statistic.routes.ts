import { type AnyRoute, defineRoute, z } from '@ictcore/contract';
import { int, text } from '../http/fields';
import { ALWAYS_THERE } from './kernel-counters';
import type { StatisticService } from './statistic.service';

const unixTime = int(0, 253_402_300_799).optional();
const userId = int().optional();

const query = z.object({
  since: unixTime.describe('Created at or after this Unix second'),
  from: unixTime.describe('As since'),
  date_created: unixTime.describe('As since'),
  user_id: userId.describe('Owner; of others only with statistic_admin'),
  created_by: userId.describe('As user_id'),
  service_flag: int(0, 2_147_483_647)
    .optional()
    .describe('Transmissions and attempts of any of these services: 1 voice, 2 fax, 4 SMS, 8 e-mail; 0 for all'),
  account_type: text(32).optional().describe('account_total counts accounts of this type only'),
});

const counts = z
  .object(Object.fromEntries(ALWAYS_THERE.map((name) => [name, z.int()])))
  .catchall(z.int())
  .meta({ id: 'Statistics' });

/** `GET statistics`. */
export function statisticRoutes(service: StatisticService): AnyRoute[] {
  return [
    defineRoute({
      method: 'get',
      path: '/statistics',
      permission: 'statistic_read',
      summary: 'How many users, accounts, contacts, transmissions ... there are',
      description: "Your own; with statistic_admin everybody's. user_total is 1 for yourself.",
      query,
      response: counts,
      handler: ({ actor, query: asked }) =>
        service.read(actor, {
          since: asked.since ?? asked.from ?? asked.date_created,
          owner: asked.user_id ?? asked.created_by,
          serviceFlag: asked.service_flag || undefined,
          accountType: asked.account_type || undefined,
        }),
    }),
  ];
}
