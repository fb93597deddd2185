import { CONFIG, type KernelModule } from '../boot/injection';
import { ResourceDirectory } from '../database/resource-directory';
import { PolicyGate } from '../queue/policy-gate';
import { contactDncRoutes } from './contact-dnc.routes';
import { ContactDncService } from './contact-dnc.service';
import { ContactDncCsv } from './contact-dnc-csv.service';
import { DoNotContact } from './do-not-contact';

export { ContactDnc } from './contact-dnc.model';
export { contactDncSpec } from './contact-dnc.schema';
export { ContactDncService } from './contact-dnc.service';
export { DO_NOT_CONTACT, DoNotContact } from './do-not-contact';

const PERMISSIONS: Readonly<Record<string, string>> = {
  contact_dnc_create: 'Put numbers and addresses on one’s own do-not-contact list',
  contact_dnc_list: 'List one’s own do-not-contact list',
  contact_dnc_read: 'Read entries of one’s own do-not-contact list',
  contact_dnc_update: 'Change entries of one’s own do-not-contact list',
  contact_dnc_delete: 'Take entries off one’s own do-not-contact list',
  contact_dnc_admin: 'See and manage everybody’s do-not-contact list, and entries that hold for all',
};

/** The do-not-contact list. `contact` grants its verbs by the prefix rule (API section 5.2). */
export const dncModule: KernelModule = {
  name: 'dnc',
  setup(registry, container) {
    const service = container.resolve(ContactDncService);
    const list = container.resolve(DoNotContact);
    for (const [name, description] of Object.entries(PERMISSIONS)) registry.permission(name, description);
    container.resolve(ResourceDirectory).add(service.repository);
    container.resolve(PolicyGate).add((attempts, sql) => list.check(attempts, sql));
    const { max_bytes } = container.resolve(CONFIG).import;
    registry.routes(contactDncRoutes(service, container.resolve(ContactDncCsv), max_bytes));
  },
};
