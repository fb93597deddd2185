import type { Actor } from './actor';

/** Names a service and carries its type. Two tokens with one name are the same token, whoever made them. */
export interface ServiceToken<T> {
  readonly name: string;
  /** Never set; it only carries the type. */
  readonly type?: T;
}

/**
 * Makes a token. Name it `package/service`, e.g. `@acme/ictcore-crm/contacts`.
 *
 * @example
 * export const CRM = serviceToken<CrmClient>('@acme/ictcore-crm/client');
 */
export function serviceToken<T>(name: string): ServiceToken<T> {
  return { name };
}

/** SQL on the server's PostgreSQL. Values go in by `$1`, never by concatenation. */
export interface SqlRunner {
  query<R extends object>(sql: string, values?: readonly unknown[]): Promise<R[]>;
}

/** The database as plugins see it. A plugin keeps to tables it made itself, prefixed with its own name. */
export interface DatabaseService extends SqlRunner {
  /** Commits if `work` resolves, rolls back if it rejects. */
  transaction<T>(work: (sql: SqlRunner) => Promise<T>): Promise<T>;
}

/** Stored messages: the texts and templates that programs send. All calls respect the actor's ownership. */
export interface MessagesService {
  /** Stores a text (SMS) and returns its id. */
  createText(actor: Actor, input: Readonly<Record<string, unknown>>): Promise<number>;
  /** Stores an e-mail template and returns its id. */
  createTemplate(actor: Actor, input: Readonly<Record<string, unknown>>): Promise<number>;
}

/** Transmissions: one delivery each. All calls respect the actor's ownership. */
export interface TransmissionsService {
  /** As `POST /transmissions` (guide line S60); returns the transmission's id. */
  create(actor: Actor, input: Readonly<Record<string, unknown>>): Promise<number>;
  /** As `POST /transmissions/{id}/send` (guide line S64); returns the attempt's spool id. */
  send(actor: Actor, transmissionId: number): Promise<number>;
}

/** Per-account settings, declared with `registry.accountSetting`. */
export interface AccountSettingsService {
  /** The value, validated by its schema; the schema's default (or undefined) where the account has none. */
  get(accountId: number, key: string): Promise<unknown>;
}

/** {@link DatabaseService} */
export const DATABASE = serviceToken<DatabaseService>('@ictcore/database');
/** {@link MessagesService} */
export const MESSAGES = serviceToken<MessagesService>('@ictcore/messages');
/** {@link TransmissionsService} */
export const TRANSMISSIONS = serviceToken<TransmissionsService>('@ictcore/transmissions');
/** {@link AccountSettingsService} */
export const ACCOUNT_SETTINGS = serviceToken<AccountSettingsService>('@ictcore/account-settings');
