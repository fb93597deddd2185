import {
  type Actor,
  type AnyProgram,
  IctError,
  type ProgramContext,
  resourceFields,
  type Scheme,
  type ServiceToken,
  wrongState,
} from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { z } from 'zod';
import { Catalog } from '../boot/catalog';
import { Services } from '../boot/services';
import { Database, type Tx } from '../database/database';
import type { Conditions, ListQuery } from '../database/list-query';
import { OwnedRepository, type Page } from '../database/owned-repository';
import { ResourceDirectory } from '../database/resource-directory';
import { fromZod } from '../http/error-reply';
import { InboundRules } from '../inbound/inbound-rules';
import { ProgramRow } from './program.model';
import { type ProgramShown, programCommon, programSpec } from './program.schema';

type Body = Readonly<Record<string, unknown>>;

/** States in which a transmission still needs its program. */
const OPEN = `('pending', 'pending_retry', 'initializing', 'processing')`;

/** Programs: guide lines S37 to S51. Their types come from plugins. */
@scoped(Lifecycle.ContainerScoped)
export class ProgramService {
  readonly repository: OwnedRepository<ProgramShown>;

  constructor(
    @inject(Database) private readonly database: Database,
    @inject(Catalog) private readonly catalog: Catalog,
    @inject(ResourceDirectory) private readonly directory: ResourceDirectory,
    @inject(Services) private readonly services: Services,
    @inject(InboundRules) private readonly rules: InboundRules,
  ) {
    this.repository = new OwnedRepository(database, programSpec, database.sequelize.getRepository(ProgramRow));
  }

  /** Children (notifications and the like) are hidden unless asked for (S38). */
  list(actor: Actor, query: ListQuery, all: boolean, type?: string): Promise<Page<ProgramShown>> {
    return this.repository.list(actor, query, (conditions) => narrow(conditions, query, all, type));
  }

  count(actor: Actor, query: ListQuery, all: boolean, type?: string) {
    return this.repository.count(actor, query, (conditions) => narrow(conditions, query, all, type));
  }

  async get(actor: Actor, id: number): Promise<ProgramShown> {
    return shown(await this.repository.get(actor, id));
  }

  /** 404 for `POST /programs/{name}` where no plugin brings that type (S51). */
  refuseType(name: string): never {
    const known = this.catalog.programs().map((program) => program.type);
    throw new IctError(`There is no program type ${name}; there are: ${known.sort().join(', ')}`, {
      code: 'NOT_FOUND',
      status: 404,
    });
  }

  /** Creates a program of a type; `type` unknown → 412 listing what there is. */
  create(actor: Actor, type: unknown, body: Body): Promise<number> {
    return this.database.transaction((tx) => this.createIn(actor, type, body, tx));
  }

  /** As {@link create}, within the caller's transaction. */
  async createIn(actor: Actor, type: unknown, body: Body, tx: Tx): Promise<number> {
    const program = typeof type === 'string' ? this.catalog.program(type) : undefined;
    if (!program)
      throw this.catalog.unknownType(
        type,
        this.catalog.programs().map((known) => known.type),
      );
    const common = parse(programCommon, body);
    if (common.parent_id) await this.repository.requireVisible(actor, 'parent_id', [common.parent_id], tx);
    const data = await this.parametersOf(actor, program, body, tx);
    const id = await this.repository.insert(
      actor,
      { name: common.name ?? program.type, type: program.type, parent_id: common.parent_id ?? null, data },
      tx,
    );
    await this.saveResources(id, program, data, tx);
    await this.rules.bind(program, id, data, tx);
    return id;
  }

  /** New parameters; 423 while an attempt runs with the old ones. */
  async update(actor: Actor, id: number, body: Body): Promise<ProgramShown> {
    await this.database.transaction((tx) => this.updateIn(actor, id, body, tx));
    return this.get(actor, id);
  }

  /** As {@link update}, within the caller's transaction. */
  async updateIn(actor: Actor, id: number, body: Body, tx: Tx): Promise<void> {
    const before = await this.repository.lock(actor, id, tx);
    const program = this.typeOf(before);
    await this.refuseWhile(id, `('processing', 'initializing')`, 'is being used by a running transmission', tx);
    const common = parse(programCommon, body);
    const data = await this.parametersOf(actor, program, mergeParameters(before.data, body), tx);
    await this.repository.update(actor, id, { data, ...(common.name && { name: common.name }) }, tx);
    await tx.query('delete from program_resource where program_id = $1', [id]);
    await this.saveResources(id, program, data, tx);
    await this.rules.bind(program, id, data, tx);
  }

  remove(actor: Actor, id: number): Promise<void> {
    return this.database.transaction(async (tx) => {
      await this.repository.lock(actor, id, tx);
      await this.refuseWhile(id, OPEN, 'still has transmissions that are not finished', tx);
      await this.repository.remove(actor, id, tx);
    });
  }

  /** The steps it runs, as data. */
  async scheme(actor: Actor, id: number): Promise<Scheme> {
    const row = await this.repository.get(actor, id);
    return this.typeOf(row).scheme(row.data);
  }

  /** Its plugin's definition; 423 if the plugin is not loaded. */
  typeOf(row: { type: string }): AnyProgram {
    const program = this.catalog.program(row.type);
    if (!program) throw wrongState(`Program type ${row.type} is not loaded; enable its plugin first`);
    return program;
  }

  private async parametersOf(actor: Actor, program: AnyProgram, body: Body, tx: Tx): Promise<Record<string, unknown>> {
    const asked = (await this.rules.resolve(actor, program, parse(program.parameters, body) as Body, tx)) as unknown;
    const context: ProgramContext = { actor, use: <T>(token: ServiceToken<T>) => this.services.within(tx, token) };
    const parameters = ((await program.prepare?.(asked, context)) ?? asked) as Record<string, unknown>;
    for (const [field, resource] of Object.entries(resourceFields(program.parameters))) {
      const id = parameters[field];
      if (typeof id === 'number') await this.directory.requireVisible(actor, resource, field, id, tx);
    }
    // A scheme that cannot be made is found out now, not at the first send.
    program.scheme(parameters);
    return parameters;
  }

  private async saveResources(id: number, program: AnyProgram, data: Body, tx: Tx): Promise<void> {
    for (const [field, resource] of Object.entries(resourceFields(program.parameters))) {
      if (typeof data[field] !== 'number') continue;
      await tx.query(
        'insert into program_resource (program_id, resource_type, resource_id) values ($1, $2, $3) on conflict do nothing',
        [id, resource, data[field]],
      );
    }
  }

  private async refuseWhile(id: number, states: string, why: string, tx: Tx): Promise<void> {
    const [open] = await tx.query<{ transmission_id: number }>(
      `select transmission_id from transmission where program_id = $1 and is_deleted = 0 and status in ${states} limit 1`,
      [id],
    );
    if (open) throw wrongState(`The program ${why} (transmission ${open.transmission_id})`);
  }
}

/** Validates by a schema; 412 naming the fields. */
function parse<T>(schema: z.ZodType<T>, body: Body): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw fromZod(result.error as z.ZodError, 412, 'body');
}

/** A partial update: what is sent stands over what is stored; `null` clears. */
function mergeParameters(before: Body, change: Body): Body {
  // An account named by its number or address takes the place of the one that is stored (contract: Program.receives).
  const renamed = change.account_id === undefined && (change.phone || change.email) && before.account_id !== undefined;
  const merged = { ...before, ...(renamed ? { account_id: null } : {}), ...change };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null));
}

function shown(row: ProgramShown): ProgramShown {
  return { ...row.data, ...row };
}

function narrow(conditions: Conditions, query: ListQuery, all: boolean, type: string | undefined): void {
  if (!all && query.parent_id === undefined) conditions.add('t.parent_id is null');
  if (type !== undefined) conditions.add('t.type = ?', type);
}
