import type { KernelModule } from '../boot/injection';
import { ResourceDirectory } from '../database/resource-directory';
import { GroupHooks } from '../groups/group-hooks';
import { narrowed, StatisticCounters } from '../statistics';
import { campaignRoutes } from './campaign.routes';
import { CampaignService } from './campaign.service';

export { Campaign } from './campaign.model';
export { CAMPAIGN_PATHS } from './campaign.routes';
export { campaignSpec } from './campaign.schema';
export { CampaignService } from './campaign.service';
export { STARTABLE } from './campaign-states';

/** `GET statistics`. */
const COUNTER = {
  names: ['campaign_total', 'campaign_active'],
  sql: `select count(*) as campaign_total, count(*) filter (where t.status = 'running') as campaign_active
          from campaign t where ${narrowed('t.created_by', 't.date_created')}`,
};

export const campaignsModule: KernelModule = {
  name: 'campaigns',
  setup(registry, container) {
    const service = container.resolve(CampaignService);
    container.resolve(ResourceDirectory).add(service.repository);
    container.resolve(GroupHooks).refuseWhileUsed = (groupId, tx) => service.refuseWhileUsed(groupId, tx);
    container.resolve(StatisticCounters).add(COUNTER);
    registry.routes(campaignRoutes(service));
  },
};
