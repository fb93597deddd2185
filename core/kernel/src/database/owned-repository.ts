import { type Actor, invalid, notFound } from '@ictcore/contract';
import type { WhereOptions } from 'sequelize';
import type { Model, Repository } from 'sequelize-typescript';
import type { Database, Tx } from './database';
import { fromDatabaseError } from './database-errors';
import { addFilters, COUNT_CAP, Conditions, type ListQuery, orderOf, pageOf } from './list-query';
import type { ResourceSpec } from './resource';
import type { Sql } from './sql';

/** One page of a list. `total` is exact up to the cap of counting. */
export interface Page<R> {
  rows: R[];
  total: number;
  /** False if there are more rows than were counted. */
  exact: boolean;
}

/**
 * The one layer where ownership is enforced (API section 5.4): a row belongs to `created_by`; others see it only with
 * `<resource>_admin`. Lists are filtered, a foreign id reads as 404, a foreign id inside a body as 412.
 *
 * Reads are raw SQL made once from the resource's description; writes go through the Sequelize model.
 */
export class OwnedRepository<Row extends object = Record<string, unknown>> {
  private readonly readSql: string;
  private readonly listSelect: string;

  constructor(
    readonly database: Database,
    readonly spec: ResourceSpec,
    private readonly models: Repository<Model>,
  ) {
    const select = (names: readonly string[]) => names.map((name) => `${spec.fields[name]} as ${name}`).join(', ');
    const owner = spec.owner ? ` and ($2::int8 is null or ${spec.owner} = $2)` : '';
    this.readSql = `select ${select(Object.keys(spec.fields))} from ${spec.from} where t.${spec.key} = $1${owner}`;
    this.listSelect = `select ${select(spec.listFields ?? Object.keys(spec.fields))} from ${spec.from}`;
  }

  /** The only user whose rows the actor may see; null if all. */
  protected ownerFor(actor: Actor): number | null {
    return this.spec.owner === null || actor.can(`${this.spec.name}_admin`) ? null : actor.userId;
  }

  /** The row as the API shows it; undefined if it does not exist or is not the actor's to see. */
  async find(actor: Actor, id: number, sql: Sql = this.database): Promise<Row | undefined> {
    const values = this.spec.owner ? [id, this.ownerFor(actor)] : [id];
    return (await sql.query<Row>(this.readSql, values))[0];
  }

  /** As {@link find}; 404 if there is none. */
  async get(actor: Actor, id: number, sql: Sql = this.database): Promise<Row> {
    const row = await this.find(actor, id, sql);
    if (!row) throw notFound(this.spec.title);
    return row;
  }

  /** A page of the actor's rows; `extra` narrows it further (members of a group ...). */
  async list(actor: Actor, query: ListQuery, extra?: (conditions: Conditions) => void): Promise<Page<Row>> {
    const conditions = this.conditionsFor(actor, query, extra);
    const { limit, offset } = pageOf(query);
    const rows = await this.database.adHoc<Row>(
      `${this.listSelect} ${conditions.where} ${orderOf(this.spec, query)} limit ${limit} offset ${offset}`,
      conditions.values,
    );
    // A page that is not full tells the total by itself; only a full one costs a second, bounded query.
    if (rows.length < limit && (rows.length > 0 || offset === 0))
      return { rows, total: offset + rows.length, exact: true };
    return { rows, ...(await this.countWhere(conditions)) };
  }

  /** How many rows the same list would give. */
  count(actor: Actor, query: ListQuery, extra?: (conditions: Conditions) => void) {
    return this.countWhere(this.conditionsFor(actor, query, extra));
  }

  /**
   * Inserts a row owned by the actor (unless `values` names another owner) and returns its id. Without `tx` the one
   * statement commits by itself: a third of the round trips for a row that nothing else belongs to.
   */
  async insert(actor: Actor, values: Readonly<Record<string, unknown>>, tx?: Tx): Promise<number> {
    const owned = this.spec.owner ? { created_by: actor.userId } : {};
    try {
      const row: Model = await this.models.create(
        { ...owned, ...values },
        // The models have no validators and no hooks (schemas and services do that work), and only the key is news.
        { ...(tx && { transaction: tx.orm }), validate: false, hooks: false, returning: [this.spec.key] },
      );
      return Number(row.get(this.spec.key));
    } catch (error) {
      throw fromDatabaseError(error);
    }
  }

  /** Changes the given columns; 404 if the row is not the actor's to see. */
  async update(actor: Actor, id: number, values: Readonly<Record<string, unknown>>, tx: Tx): Promise<void> {
    const changed = { ...values, last_updated: new Date(), updated_by: actor.userId || null };
    const [count] = await this.models.update(changed, { where: this.whereFor(actor, id), transaction: tx.orm });
    if (count === 0) throw notFound(this.spec.title);
  }

  /** Deletes the row; 404 if it is not the actor's to see. */
  async remove(actor: Actor, id: number, tx: Tx): Promise<void> {
    const count = await this.models.destroy({ where: this.whereFor(actor, id), transaction: tx.orm });
    if (count === 0) throw notFound(this.spec.title);
  }

  /** Locks the row for the rest of the transaction and returns it; 404 if it is not the actor's to see. */
  async lock(actor: Actor, id: number, tx: Tx): Promise<Row> {
    const conditions = this.ownedConditions(actor).add(`t.${this.spec.key} = ?`, id);
    const [locked] = await tx.adHoc<object>(
      `select 1 from ${this.spec.from} ${conditions.where} for update of t`,
      conditions.values,
    );
    if (!locked) throw notFound(this.spec.title);
    return this.get(actor, id, tx);
  }

  /** 412 naming `field` unless every id is a row the actor may see (API section 5.4: foreign ids inside a body). */
  async requireVisible(actor: Actor, field: string, ids: readonly number[], sql: Sql = this.database): Promise<void> {
    const wanted = [...new Set(ids)];
    if (wanted.length === 0) return;
    const conditions = this.ownedConditions(actor).add(`t.${this.spec.key} = any(?::int8[])`, wanted);
    const found = await sql.adHoc<{ id: number }>(
      `select t.${this.spec.key} as id from ${this.spec.from} ${conditions.where}`,
      conditions.values,
    );
    const visible = new Set(found.map((row) => row.id));
    const missing = wanted.find((id) => !visible.has(id));
    if (missing !== undefined) throw invalid(field, `${this.spec.key} ${missing} not found`, 'exists');
  }

  private ownedConditions(actor: Actor): Conditions {
    const conditions = new Conditions();
    const owner = this.ownerFor(actor);
    if (owner !== null && this.spec.owner) conditions.add(`${this.spec.owner} = ?`, owner);
    return conditions;
  }

  /** The conditions of a list: what the actor may see, what the query asks for, and `extra`. */
  conditionsFor(actor: Actor, query: ListQuery, extra?: (conditions: Conditions) => void): Conditions {
    const conditions = this.ownedConditions(actor);
    extra?.(conditions);
    addFilters(conditions, this.spec, query);
    return conditions;
  }

  private async countWhere(conditions: Conditions): Promise<{ total: number; exact: boolean }> {
    const [row] = await this.database.adHoc<{ total: number }>(
      `select count(*) as total from (select 1 from ${this.spec.from} ${conditions.where} limit ${COUNT_CAP + 1}) c`,
      conditions.values,
    );
    const total = row?.total ?? 0;
    return total > COUNT_CAP ? { total: COUNT_CAP, exact: false } : { total, exact: true };
  }

  private whereFor(actor: Actor, id: number): WhereOptions {
    const owner = this.ownerFor(actor);
    return { [this.spec.key]: id, ...(owner === null ? {} : { created_by: owner }) };
  }
}
