import type { KernelModule } from '../boot/injection';
import { contactRoutes } from './contact.routes';
import { ContactService } from './contact.service';

export { Contact } from './contact.model';
export { contactSpec } from './contact.schema';
export { ContactService } from './contact.service';
export { normalizePhone } from './phone';

export const contactsModule: KernelModule = {
  name: 'contacts',
  setup(registry, container) {
    registry.routes(contactRoutes(container.resolve(ContactService)));
  },
};
