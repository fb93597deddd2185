import { LRUCache } from 'lru-cache';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { SecretBox } from '../boot/secrets';
import { Database } from '../database/database';
import { firstRow } from '../database/sql';
import { LoginThrottle } from './login-throttle';
import { verifyPassword } from './passwords';
import type { Principal } from './principal';
import { LOGIN_MOMENT, PRINCIPAL_BY_LOGIN, type PrincipalRow } from './principal.sql';
import { PrincipalCache, toPrincipal } from './principal-cache';

/** Who somebody says he is: `name` may be a user name, an e-mail or an id, as with Basic. */
export type Login = { name: string } | { email: string } | { userId: number };

/** How long a verified password is taken without hashing it again, in milliseconds. */
const VERIFIED_MS = 30_000;
const MAX_VERIFIED = 5_000;
/** Longer ones belong to nobody; PostgreSQL need not be asked. */
const MAX_LOGIN = 128;

/** What must still be true for a verified password to count. */
type Verified = Pick<Principal, 'userId' | 'passwd' | 'email'>;

/** Checks passwords. Unknown users, wrong passwords and disabled users are all the same to the caller: undefined. */
@scoped(Lifecycle.ContainerScoped)
export class LoginService {
  private readonly verified = new LRUCache<string, Verified>({ max: MAX_VERIFIED, ttl: VERIFIED_MS });
  private readonly running = new Map<string, Promise<Principal | undefined>>();

  constructor(
    @inject(Database) private readonly database: Database,
    @inject(SecretBox) private readonly box: SecretBox,
    @inject(LoginThrottle) private readonly throttle: LoginThrottle,
    @inject(PrincipalCache) private readonly principals: PrincipalCache,
  ) {}

  /**
   * The user, if the password is his and he is active.
   *
   * @throws 429 after too many failures of this user from this address; 503 when too many logins wait
   */
  verify(login: Login, password: string, address: string): Promise<Principal | undefined> {
    const key = this.box.fingerprint(JSON.stringify([login, password, address]));
    // Ten requests at once with one password are one login.
    let attempt = this.running.get(key);
    if (!attempt) {
      attempt = this.attempt(login, password, address).finally(() => this.running.delete(key));
      this.running.set(key, attempt);
    }
    return attempt;
  }

  /** As {@link verify}, for the credentials that come with each request: remembered for some seconds. */
  async verifyBasic(name: string, password: string, address: string): Promise<Principal | undefined> {
    const key = this.box.fingerprint(JSON.stringify(['basic', name, password]));
    const known = this.verified.get(key);
    if (known) {
      const principal = this.principals.peek(known.userId) ?? (await this.principals.load(known.userId));
      if (principal?.active && principal.passwd === known.passwd && principal.email === known.email) return principal;
      this.verified.delete(key);
    }
    const principal = await this.verify({ name }, password, address);
    if (principal) {
      this.verified.set(key, { userId: principal.userId, passwd: principal.passwd, email: principal.email });
    }
    return principal;
  }

  /**
   * The moment from which a token of this login counts: microseconds since 1970 by the database's clock. Undefined if
   * the password has been changed or the user disabled since it was verified.
   */
  async moment(principal: Principal): Promise<number | undefined> {
    const values = [principal.userId, principal.passwd];
    return (await firstRow<{ moment: number }>(this.database, LOGIN_MOMENT, values))?.moment;
  }

  private async attempt(login: Login, password: string, address: string): Promise<Principal | undefined> {
    const typed = textOf(login);
    const found = typed.length > MAX_LOGIN || typed.includes('\0') ? undefined : await this.find(login);
    const counted = await this.throttle.count(found ? `#${found.userId}` : typed, address);
    const matches = await verifyPassword(password, found?.passwd);
    if (!matches || !found?.active) return undefined;
    await this.throttle.clear(counted);
    return found;
  }

  private async find(login: Login): Promise<Principal | undefined> {
    const row = await firstRow<PrincipalRow>(this.database, PRINCIPAL_BY_LOGIN, lookupOf(login));
    return row && toPrincipal(row);
  }
}

function textOf(login: Login): string {
  if ('name' in login) return login.name;
  return 'email' in login ? login.email : String(login.userId);
}

/** User name (or e-mail), e-mail, id. A number as user name is an id: user names are never all digits. */
function lookupOf(login: Login): [string | null, string | null, number | null] {
  if ('userId' in login) return [null, null, login.userId];
  if ('email' in login) return [null, login.email, null];
  return /^\d{1,15}$/.test(login.name) ? [null, null, Number(login.name)] : [login.name, null, null];
}
