import { AccountHooks } from '../accounts';
import type { KernelModule } from '../boot/injection';
import { Database } from '../database/database';
import { MediaStorage } from '../media';
import { Engine } from '../queue/engine';
import { AccountPrograms, removePrograms } from './account-programs';
import { accountProgramRoutes } from './account-programs.routes';
import { FollowUps } from './follow-ups';
import { InboundService } from './inbound.service';
import { InboundRules } from './inbound-rules';
import { FILE_KIND } from './received-message';
import { unmatchedRoutes } from './unmatched.routes';
import { UnmatchedService } from './unmatched.service';
import { INBOUND_KEYS } from './unmatched.sql';

export { InboundService } from './inbound.service';
export { InboundUnmatched } from './unmatched.model';
export { webhookRouter } from './webhooks';

const PERMISSIONS: Readonly<Record<string, string>> = {
  inbound: 'Everything about messages that came in and nobody takes',
  inbound_list: 'List messages that came in and nobody takes',
  inbound_read: 'Read messages that came in and nobody takes',
  inbound_delete: 'Delete messages that came in and nobody takes',
  inbound_assign: 'Give messages that came in and nobody takes to an account',
};

/** How long a message is known as taken, in days: providers repeat within hours. */
const SEEN_DAYS = 90;

/** Messages that come in: who takes them, what becomes of them, what follows from them. */
export const inboundModule: KernelModule = {
  name: 'inbound',
  setup(registry, container) {
    const rules = container.resolve(InboundRules);
    const service = container.resolve(InboundService);
    const hooks = container.resolve(AccountHooks);
    const engine = container.resolve(Engine);
    engine.onInbound = (providerId, message) => service.receive(providerId, message);
    hooks.uninstallPrograms = async (_actor, accountId, tx) => void (await removePrograms(accountId, tx));
    hooks.addressChanged = (_actor, account, tx) => rules.rebind(account, tx);
    for (const [name, description] of Object.entries(PERMISSIONS)) registry.permission(name, description);
    registry.routes(unmatchedRoutes(container.resolve(UnmatchedService)));
    registry.routes(accountProgramRoutes(container.resolve(AccountPrograms)));
    engine.onTick(() => container.resolve(FollowUps).run());
    registry.job({
      name: 'inbound_sweep',
      cron: '53 3 * * *',
      async run(_context, signal) {
        const database = container.resolve(Database);
        await database.query(`delete from inbound_seen where seen_at < now() - make_interval(days => $1)`, [SEEN_DAYS]);
        await container.resolve(MediaStorage).sweepOrphans(FILE_KIND, INBOUND_KEYS, database, signal);
      },
    });
  },
};
