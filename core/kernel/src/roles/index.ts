import type { KernelModule } from '../boot/injection';
import { roleRoutes } from './role.routes';
import { RoleService } from './role.service';

export { Role } from './role.model';
export { RoleService } from './role.service';

export const rolesModule: KernelModule = {
  name: 'roles',
  setup(registry, container) {
    registry.routes(roleRoutes(container.resolve(RoleService)));
  },
};
