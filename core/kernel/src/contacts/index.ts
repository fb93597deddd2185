import type { KernelModule } from '../boot/injection';
import { ResourceDirectory } from '../database/resource-directory';
import { contactRoutes } from './contact.routes';
import { ContactService } from './contact.service';

export { Contact } from './contact.model';
export { contactSpec } from './contact.schema';
export { ContactService } from './contact.service';
export { normalizePhone } from './phone';

export const contactsModule: KernelModule = {
  name: 'contacts',
  setup(registry, container) {
    const service = container.resolve(ContactService);
    container.resolve(ResourceDirectory).add(service.repository);
    registry.routes(contactRoutes(service));
  },
};
