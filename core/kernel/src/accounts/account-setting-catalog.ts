import { type AccountSetting, type AccountSettingsService, invalid } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { Database } from '../database/database';
import { firstRow } from '../database/sql';

/** Limits for what accounts may carry in `settings`. */
const MAX_KEYS = 200;
const MAX_BYTES = 65_536;
/** Levels of nesting: far more than settings have, far fewer than exhaust the stack of whoever reads them. */
const MAX_DEPTH = 32;
/** NUL, and halves of surrogate pairs that stand alone. */
const UNSTORABLE = /\0|\p{Surrogate}/u;
const KEY = /^[A-Za-z0-9_.:-]{1,64}$/;

/**
 * The account settings that plugins declare, filled by the kernel once the plugins have started; and their values, as
 * plugins get them (the contract's `ACCOUNT_SETTINGS`).
 */
@scoped(Lifecycle.ContainerScoped)
export class AccountSettingCatalog implements AccountSettingsService {
  readonly settings = new Map<string, AccountSetting>();

  constructor(@inject(Database) private readonly database: Database) {}

  fill(settings: readonly AccountSetting[]): void {
    for (const setting of settings) this.settings.set(setting.key, setting);
  }

  /**
   * The value as it is to be stored: checked by the schema of whoever declared the setting; of an unknown key any JSON.
   *
   * @throws 412 naming `field`
   */
  check(key: string, value: unknown, field = `settings.${key}`): unknown {
    const schema = this.settings.get(key)?.schema;
    if (!schema) return value;
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    const [issue] = result.error.issues;
    throw invalid(field, issue?.message ?? 'is not valid', issue?.code ?? 'invalid');
  }

  /** The stored settings with the changes merged in, key by key; a change to null removes the key. 412 as above. */
  merge(
    stored: Readonly<Record<string, unknown>>,
    changes: Readonly<Record<string, unknown>>,
  ): Record<string, unknown> {
    const merged = new Map(Object.entries(stored));
    for (const [key, value] of Object.entries(changes)) {
      if (!KEY.test(key)) throw invalid(`settings.${key.slice(0, 64)}`, 'is not a name of a setting', 'name');
      if (value === null || value === undefined) merged.delete(key);
      else merged.set(key, this.check(key, value));
    }
    requireStorable(merged);
    return Object.fromEntries(merged);
  }

  /** The value, or its schema's default; undefined where there is neither. An account that is gone has no settings. */
  async get(accountId: number, key: string): Promise<unknown> {
    const row = await firstRow<{ settings: Record<string, unknown> }>(
      this.database,
      'select settings from account where account_id = $1',
      [accountId],
    );
    return this.valueOf(row?.settings ?? {}, key);
  }

  private valueOf(stored: Readonly<Record<string, unknown>>, key: string): unknown {
    const schema = this.settings.get(key)?.schema;
    const value = Object.hasOwn(stored, key) ? stored[key] : undefined;
    const result = schema?.safeParse(value);
    if (!result) return value;
    if (result.success) return result.data;
    // A value that an earlier version of the plugin took and this one does not: as if it were not set.
    const fallback = schema?.safeParse(undefined);
    return fallback?.success ? fallback.data : undefined;
  }
}

/** PostgreSQL's jsonb refuses NUL and halves of surrogate pairs, and rows must not grow without end. */
function requireStorable(settings: ReadonlyMap<string, unknown>): void {
  if (settings.size > MAX_KEYS) throw invalid('settings', `may have at most ${MAX_KEYS} keys`, 'max');
  const whole = Object.fromEntries(settings);
  if (isDeeperThan(whole, MAX_DEPTH)) throw invalid('settings', `must be nested at most ${MAX_DEPTH} levels`, 'max');
  const text = JSON.stringify(whole, (key, value) => {
    for (const part of [key, value]) {
      if (typeof part === 'string' && UNSTORABLE.test(part)) {
        throw invalid('settings', 'must not contain the NUL character or broken Unicode', 'characters');
      }
    }
    return value;
  });
  if (Buffer.byteLength(text) > MAX_BYTES) throw invalid('settings', `must be at most ${MAX_BYTES} bytes`, 'max');
}

/** Level by level, because the depth is what must not be trusted. */
function isDeeperThan(value: unknown, levels: number): boolean {
  let level = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > levels) return true;
    level = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []));
  }
  return false;
}
