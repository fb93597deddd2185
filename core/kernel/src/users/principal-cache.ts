import { LRUCache } from 'lru-cache';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { Database } from '../database/database';
import { firstRow } from '../database/sql';
import { type IdentityChange, IdentityChanges } from './identity-changes';
import type { Principal } from './principal';
import { PRINCIPAL_BY_ID, type PrincipalRow } from './principal.sql';

const MAX_USERS = 10_000;
const MAX_TOKENS = 50_000;
/** How long an answer of the database counts, in milliseconds, while changes elsewhere are heard of at once... */
const FRESH_MS = 5_000;
/** ...and while they are not. */
const FRESH_DEAF_MS = 1_000;

interface Kept<T> {
  value: T;
  readAt: number;
}

/**
 * Answers of the database about users and tokens, kept for seconds. An answer that was asked for before a change
 * became known is handed to those who asked before it, and never kept.
 */
@scoped(Lifecycle.ContainerScoped)
export class PrincipalCache {
  private readonly users = new LRUCache<number, Kept<Principal>>({ max: MAX_USERS });
  private readonly tokens = new LRUCache<string, Kept<boolean>>({ max: MAX_TOKENS });
  private readonly asking = new Map<string, Promise<unknown>>();
  private generation = 0;

  constructor(
    @inject(Database) private readonly database: Database,
    @inject(IdentityChanges) private readonly changes: IdentityChanges,
  ) {
    changes.onChange((change) => this.drop(change));
  }

  /** The user if he is known at this moment; else {@link load} him. */
  peek(userId: number): Principal | undefined {
    return this.fresh(this.users.get(userId))?.value;
  }

  /** Whether a token has been revoked, if that is known at this moment; else {@link loadRevoked}. */
  peekRevoked(jti: string): boolean | undefined {
    return this.fresh(this.tokens.get(jti))?.value;
  }

  /** The user from the database; undefined if there is none. */
  load(userId: number): Promise<Principal | undefined> {
    return this.ask(`user ${userId}`, async (keep) => {
      const row = await firstRow<PrincipalRow>(this.database, PRINCIPAL_BY_ID, [userId]);
      const principal = row && toPrincipal(row);
      if (principal) keep(() => this.users.set(userId, { value: principal, readAt: Date.now() }));
      return principal;
    });
  }

  /** Whether a token has been revoked, from the database. */
  loadRevoked(jti: string): Promise<boolean> {
    return this.ask(`token ${jti}`, async (keep) => {
      const row = await firstRow(this.database, 'select 1 from token_revocation where jti = $1', [jti]);
      const revoked = row !== undefined;
      keep(() => this.tokens.set(jti, { value: revoked, readAt: Date.now() }));
      return revoked;
    });
  }

  private fresh<T>(kept: Kept<T> | undefined): Kept<T> | undefined {
    if (!kept) return undefined;
    const limit = this.changes.listening ? FRESH_MS : FRESH_DEAF_MS;
    const age = Date.now() - kept.readAt;
    return age >= 0 && age < limit ? kept : undefined;
  }

  /** One question at a time for each subject, however many requests wait for the answer. */
  private ask<T>(subject: string, read: (keep: (store: () => void) => void) => Promise<T>): Promise<T> {
    const asked = this.asking.get(subject) as Promise<T> | undefined;
    if (asked) return asked;
    const generation = this.generation;
    const answer = read((store) => {
      if (generation === this.generation) store();
    }).finally(() => {
      if (this.asking.get(subject) === answer) this.asking.delete(subject);
    });
    this.asking.set(subject, answer);
    return answer;
  }

  private drop(change: IdentityChange): void {
    this.generation++;
    this.asking.clear();
    if (change === 'all') {
      this.users.clear();
      this.tokens.clear();
    } else if ('user' in change) {
      this.users.delete(change.user);
    } else {
      this.tokens.delete(change.token);
    }
  }
}

/** A row as a principal. */
export function toPrincipal(row: PrincipalRow): Principal {
  return {
    userId: row.user_id,
    username: row.username,
    email: row.email,
    active: row.active === 1,
    passwd: row.passwd,
    tokensValidFrom: row.tokens_valid_from,
    permissions: new Set(row.permissions),
  };
}
