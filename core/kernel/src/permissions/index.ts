import type { KernelModule } from '../boot/injection';
import { permissionRoutes } from './permission.routes';
import { PermissionService } from './permission.service';

export {
  ADMIN_ROLE,
  ADMIN_ROLE_ESSENTIALS,
  isAdminRolePermission,
  KERNEL_PERMISSIONS,
  type PermissionText,
  USER_ROLE,
  USER_ROLE_PERMISSIONS,
} from './kernel-permissions';
export { Permission } from './permission.model';
export { PermissionService, requireHeld } from './permission.service';
export { grants } from './prefix-rule';

export const permissionsModule: KernelModule = {
  name: 'permissions',
  setup(registry, container) {
    registry.routes(permissionRoutes(container.resolve(PermissionService)));
  },
};
