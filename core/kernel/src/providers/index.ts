import type { KernelModule } from '../boot/injection';
import { providerRoutes } from './provider.routes';
import { ProviderService } from './provider.service';

export { Provider } from './provider.model';
export { providerSpec } from './provider.schema';
export { ProviderService } from './provider.service';

export const providersModule: KernelModule = {
  name: 'providers',
  setup(registry, container) {
    registry.routes(providerRoutes(container.resolve(ProviderService)));
  },
};
