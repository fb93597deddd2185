import type { Actor } from '@ictcore/contract';
import { grants } from '../permissions/prefix-rule';

/** A user as authentication needs him: read from the database, kept for seconds. */
export interface Principal {
  readonly userId: number;
  readonly username: string;
  readonly email: string;
  readonly active: boolean;
  /** argon2id, PHC string. */
  readonly passwd: string;
  /** Tokens issued up to this moment are void; microseconds since 1970 by the database's clock. */
  readonly tokensValidFrom: number;
  /** Names held through roles or directly. */
  readonly permissions: ReadonlySet<string>;
}

/** The token by which a request was authenticated. */
export interface TokenInUse {
  readonly jti: string;
  /** Unix seconds. */
  readonly expiresAt: number;
}

/** The authenticated caller. */
export class IdentityActor implements Actor {
  constructor(
    private readonly principal: Principal,
    /** Null with user name and password. */
    readonly token: TokenInUse | null = null,
  ) {}

  get userId(): number {
    return this.principal.userId;
  }

  get username(): string {
    return this.principal.username;
  }

  can(permission: string): boolean {
    return grants(this.principal.permissions, permission);
  }
}
