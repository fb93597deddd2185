import { CONFIG, type KernelModule } from '../boot/injection';
import { ResourceDirectory } from '../database/resource-directory';
import { ContactExportService } from './csv/contact-export.service';
import { ContactImportService } from './csv/contact-import.service';
import { groupCsvRoutes } from './csv/group-csv.routes';
import { groupRoutes } from './group.routes';
import { GroupService } from './group.service';

export { Group } from './group.model';
export { groupSpec } from './group.schema';
export { GroupService } from './group.service';
export { GroupHooks } from './group-hooks';

export const groupsModule: KernelModule = {
  name: 'groups',
  setup(registry, container) {
    const service = container.resolve(GroupService);
    container.resolve(ResourceDirectory).add(service.repository);
    registry.routes(groupRoutes(service));
    const { max_bytes } = container.resolve(CONFIG).import;
    const imports = container.resolve(ContactImportService);
    registry.routes(groupCsvRoutes(imports, container.resolve(ContactExportService), max_bytes));
  },
};
