import type { KernelModule } from '../boot/injection';
import { ResourceDirectory } from '../database/resource-directory';
import { GroupHooks } from '../groups/group-hooks';
import { campaignRoutes } from './campaign.routes';
import { CampaignService } from './campaign.service';

export { Campaign } from './campaign.model';
export { CAMPAIGN_PATHS } from './campaign.routes';
export { campaignSpec } from './campaign.schema';
export { CampaignService } from './campaign.service';
export { STARTABLE } from './campaign-states';

export const campaignsModule: KernelModule = {
  name: 'campaigns',
  setup(registry, container) {
    const service = container.resolve(CampaignService);
    container.resolve(ResourceDirectory).add(service.repository);
    container.resolve(GroupHooks).refuseWhileUsed = (groupId, tx) => service.refuseWhileUsed(groupId, tx);
    registry.routes(campaignRoutes(service));
  },
};
