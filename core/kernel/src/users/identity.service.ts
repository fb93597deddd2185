import { randomBytes } from 'node:crypto';
import { type Actor, IctError } from '@ictcore/contract';
import type { Request } from 'express';
import { sign } from 'jsonwebtoken';
import passport from 'passport';
import { ExtractJwt, Strategy as JwtStrategy, type StrategyOptionsWithoutRequest } from 'passport-jwt';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { Config } from '../boot/config';
import { CONFIG } from '../boot/injection';
import { SecretBox } from '../boot/secrets';
import { Database } from '../database/database';
import type { Authenticator } from '../http/router';
import { ExactBasicStrategy } from './basic-strategy';
import { IdentityChanges } from './identity-changes';
import { type Login, LoginService } from './login.service';
import { IdentityActor, type Principal } from './principal';
import { PrincipalCache } from './principal-cache';
import { readSigningKeys, type SigningKeys } from './signing-keys';

const ISSUER = 'ictcore';
/** Nodes' clocks may differ by this much (seconds) without a fresh token being "not valid yet" on another node. */
const CLOCK_SKEW = 60;

/** The claims of our tokens (API section 5.1). */
export interface TokenClaims {
  iss: string;
  /** Unix seconds: issued, not valid before, not valid after. */
  iat: number;
  nbf: number;
  exp: number;
  user_id: number;
  username: string;
  /** "1" if the user may create users. Clients switch their menus by it; the server does not look at it. */
  is_admin: '0' | '1';
  'api-version': '1.0';
  /** The moment of issue in microseconds (base 36), a dot, and random characters. */
  jti: string;
}

/** A login's result. */
export interface IssuedToken {
  actor: IdentityActor;
  token: string;
  /** Seconds. */
  expiresIn: number;
}

/**
 * Finds out who is calling: a bearer token first, then user name and password. What the caller may do is read from
 * the database (and kept for seconds), never from the token.
 */
@scoped(Lifecycle.ContainerScoped)
export class IdentityService implements Authenticator {
  private readonly passport = new passport.Passport();
  private readonly strategies: readonly string[];
  private keys: Promise<SigningKeys> | undefined;

  constructor(
    @inject(Database) private readonly database: Database,
    @inject(SecretBox) private readonly box: SecretBox,
    @inject(CONFIG) private readonly config: Config,
    @inject(IdentityChanges) private readonly changes: IdentityChanges,
    @inject(PrincipalCache) private readonly principals: PrincipalCache,
    @inject(LoginService) private readonly logins: LoginService,
  ) {
    this.strategies = config.basic_auth ? ['jwt', 'basic'] : ['jwt'];
    this.passport.use(
      'basic',
      new ExactBasicStrategy((name, password, request, done) => {
        this.logins.verifyBasic(name, password, request.ip ?? '').then(
          (principal) => done(null, principal ? new IdentityActor(principal) : false),
          (error: unknown) => done(error),
        );
      }),
    );
  }

  /**
   * Reads the signing keys and begins to hear of changes made on other nodes. To be called once at boot, after
   * `bootstrapIdentity`. Does not fail when only the hearing fails: then what is kept is kept for a second.
   */
  async listen(): Promise<void> {
    await this.signingKeys();
    await this.changes.listen();
  }

  /** Stops hearing of changes. */
  close(): Promise<void> {
    return this.changes.close();
  }

  /** @throws 401 (with a challenge) if nobody can be made out; 429 after too many failed logins */
  async authenticate(request: Request): Promise<Actor> {
    if (!this.keys) await this.signingKeys();
    return new Promise((resolve, reject) => {
      const done = (error: unknown, actor?: Actor | false | null): void => {
        if (error) reject(error);
        else if (actor) resolve(actor);
        else reject(this.denied(request.path));
      };
      this.passport.authenticate(this.strategies as string[], { session: false }, done)(request, request.res, reject);
    });
  }

  /**
   * `POST /authenticate`: a token for a user name and password.
   *
   * @throws 401, the same for an unknown user, a wrong password and a disabled user; 429
   */
  async login(login: Login, password: string, address: string, path: string): Promise<IssuedToken> {
    const principal = await this.logins.verify(login, password, address);
    const moment = principal && (await this.logins.moment(principal));
    if (!principal || moment === undefined) throw this.denied(path);
    return this.issue(principal, moment);
  }

  /** `POST /authenticate/cancel`: the token that the caller came with is void from now on, on every node. */
  async cancel(actor: Actor): Promise<void> {
    const token = actor instanceof IdentityActor ? actor.token : null;
    if (!token) return;
    await this.database.transaction(async (tx) => {
      await tx.query(
        `insert into token_revocation (jti, user_id, expires_at) values ($1, $2, to_timestamp($3))
         on conflict do nothing`,
        [token.jti, actor.userId, token.expiresAt],
      );
      await this.changes.record(tx, { token: token.jti });
    });
  }

  /** The caller's Actor for work outside a request (a job on a user's behalf); undefined if he is gone or disabled. */
  async actorFor(userId: number): Promise<Actor | undefined> {
    const principal = this.principals.peek(userId) ?? (await this.principals.load(userId));
    return principal?.active ? new IdentityActor(principal) : undefined;
  }

  private signingKeys(): Promise<SigningKeys> {
    this.keys ??= readSigningKeys(this.database, this.box).then(
      (keys) => {
        this.passport.use('jwt', this.jwtStrategy(keys));
        return keys;
      },
      (error: unknown) => {
        this.keys = undefined;
        throw error;
      },
    );
    return this.keys;
  }

  private jwtStrategy(keys: SigningKeys): JwtStrategy {
    const options = {
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      // A KeyObject is five times faster than PEM text, which would be parsed for each request; the types lag behind.
      secretOrKey: keys.publicKey as unknown as string,
      algorithms: ['RS256'],
      issuer: ISSUER,
    } satisfies StrategyOptionsWithoutRequest;
    return new JwtStrategy(options, (claims: TokenClaims, done) => {
      const principal = this.principals.peek(claims.user_id);
      const revoked = this.principals.peekRevoked(claims.jti);
      if (principal && revoked !== undefined) {
        done(null, tokenActor(principal, revoked, claims));
        return;
      }
      Promise.all([principal ?? this.principals.load(claims.user_id), this.principals.loadRevoked(claims.jti)]).then(
        ([user, isRevoked]) => done(null, tokenActor(user, isRevoked, claims)),
        (error: unknown) => done(error),
      );
    });
  }

  private async issue(principal: Principal, moment: number): Promise<IssuedToken> {
    const { privateKey } = await this.signingKeys();
    const actor = new IdentityActor(principal);
    const iat = Math.floor(Date.now() / 1000);
    const claims: TokenClaims = {
      iss: ISSUER,
      iat,
      nbf: iat - CLOCK_SKEW,
      exp: iat + this.config.token_lifetime,
      user_id: principal.userId,
      username: principal.username,
      is_admin: actor.can('user_create') ? '1' : '0',
      'api-version': '1.0',
      jti: `${moment.toString(36)}.${randomBytes(12).toString('base64url')}`,
    };
    return {
      actor,
      token: sign(claims, privateKey, { algorithm: 'RS256' }),
      expiresIn: this.config.token_lifetime,
    };
  }

  private denied(path: string): IctError {
    const scheme = this.config.basic_auth ? 'Basic' : 'Bearer';
    return new IctError(`Invalid credentials, access is denied to ${path}.`, {
      code: 'UNAUTHENTICATED',
      status: 401,
      headers: { 'WWW-Authenticate': `${scheme} realm="ICTCore :: REST API Server"` },
    });
  }
}

/** The caller of a token whose signature and times are right; false if it does not count any more. */
function tokenActor(principal: Principal | undefined, revoked: boolean, claims: TokenClaims): IdentityActor | false {
  const issued = Number.parseInt(claims.jti, 36);
  if (!principal?.active || revoked || !(issued > principal.tokensValidFrom)) return false;
  return new IdentityActor(principal, { jti: claims.jti, expiresAt: claims.exp });
}
