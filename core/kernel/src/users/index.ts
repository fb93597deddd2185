import { AccountService } from '../accounts/account.service';
import type { KernelModule } from '../boot/injection';
import { Database } from '../database/database';
import { authenticateRoutes } from './authenticate.routes';
import { IdentityService } from './identity.service';
import { sweepIdentity } from './login-throttle';
import { userRoutes } from './user.routes';
import { UserService } from './user.service';
import { UserGrants } from './user-grants.service';

export { type Bootstrapped, bootstrapIdentity } from './bootstrap';
export { IdentityService, type IssuedToken, type TokenClaims } from './identity.service';
export { type IdentityChange, IdentityChanges } from './identity-changes';
export { sweepIdentity } from './login-throttle';
export { IdentityActor } from './principal';
export { User } from './user.model';
export { UserService } from './user.service';
export { UserGrants } from './user-grants.service';

const SWEEP_MS = 5 * 60_000;

export const usersModule: KernelModule = {
  name: 'users',
  setup(registry, container) {
    const users = container.resolve(UserService);
    registry.routes(authenticateRoutes(container.resolve(IdentityService), users));
    registry.routes(userRoutes(users, container.resolve(UserGrants), container.resolve(AccountService)));
    const database = container.resolve(Database);
    registry.job({ name: 'identity-sweep', everyMs: SWEEP_MS, run: () => sweepIdentity(database) });
  },
};
