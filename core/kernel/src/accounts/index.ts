import type { KernelModule } from '../boot/injection';
import { ResourceDirectory } from '../database/resource-directory';
import { accountRoutes } from './account.routes';
import { AccountService } from './account.service';
import { AccountSettings } from './account-settings.service';

export { Account } from './account.model';
export { accountIdParam } from './account.routes';
export { ACCOUNT_TYPES, type AccountRead, type AccountType, accountSpec } from './account.schema';
export { AccountService, DEFAULT_ACCOUNT } from './account.service';
export { type AccountAddress, AccountHooks } from './account-hooks';
export type { AccountSecrets } from './account-secrets';
export { AccountSettingCatalog } from './account-setting-catalog';
export { AccountSettings } from './account-settings.service';

export const accountsModule: KernelModule = {
  name: 'accounts',
  setup(registry, container) {
    const service = container.resolve(AccountService);
    container.resolve(ResourceDirectory).add(service.repository);
    registry.routes(accountRoutes(service, container.resolve(AccountSettings)));
  },
};
