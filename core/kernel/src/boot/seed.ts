import { type Logger, serviceFlagOf } from '@ictcore/contract';
import type { Database } from '../database/database';
import type { Catalog } from './catalog';

/**
 * The provider of a fresh install: loopback, so that every program can be tried with nothing else installed. Made once:
 * an administrator who deletes it does not get it back.
 */
export async function seedDefaults(database: Database, catalog: Catalog, log: Logger): Promise<void> {
  const loopback = catalog.driver('loopback');
  if (!loopback) return;
  const settings = loopback.settings.parse({}) as Record<string, unknown>;
  const rows = await database.query(
    `with once as (insert into system_value (name, value) values ('seed.loopback', 'done') on conflict do nothing returning 1)
     insert into provider (name, type, service_flag, settings, weight, description)
     select 'loopback', 'loopback', $1, $2, 0, 'A carrier inside the server that reaches nobody; used while no other provider serves a channel'
       from once on conflict (name) do nothing
     returning provider_id`,
    [serviceFlagOf(loopback.channels), JSON.stringify(settings)],
  );
  if (rows.length > 0) log.info({}, 'provider loopback is there to try things with; it reaches nobody');
}
