import {
  type Actor,
  type AnyProgram,
  type Channel,
  IctError,
  invalid,
  SERVICE_FLAG,
  wrongState,
} from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { AccountService } from '../accounts';
import { ContactService } from '../contacts';
import { Database, type Tx } from '../database/database';
import type { ListQuery } from '../database/list-query';
import { OwnedRepository } from '../database/owned-repository';
import { refuseUnready } from '../messages/readiness';
import { ProgramService } from '../programs';
import { channelOf } from '../queue/attempt';
import { Engine, LANE } from '../queue/engine';
import { ProviderPool } from '../queue/provider-pool';
import { type Plan, planOf } from '../schedules/schedule.schema';
import { ScheduleService } from '../schedules/schedule.service';
import { SENDABLE, type TransmissionState } from './states';
import { Transmission } from './transmission.model';
import {
  type TransmissionCreate,
  type TransmissionParts,
  type TransmissionRow,
  type TransmissionUpdate,
  transmissionSpec,
} from './transmission.schema';

interface Parties {
  contact_id: number;
  account_id: number;
}

/** Transmissions: guide lines S60 to S66. */
@scoped(Lifecycle.ContainerScoped)
export class TransmissionService {
  readonly repository: OwnedRepository<TransmissionRow>;

  constructor(
    @inject(Database) private readonly database: Database,
    @inject(ContactService) private readonly contacts: ContactService,
    @inject(AccountService) private readonly accounts: AccountService,
    @inject(ProgramService) private readonly programs: ProgramService,
    @inject(ProviderPool) private readonly pool: ProviderPool,
    @inject(Engine) private readonly engine: Engine,
    @inject(ScheduleService) private readonly schedules: ScheduleService,
  ) {
    this.repository = new OwnedRepository(database, transmissionSpec, database.sequelize.getRepository(Transmission));
  }

  /** Deleted ones are hidden unless an administrator asks for them (S63). */
  list(actor: Actor, query: ListQuery, channel?: Channel, isDeleted = 0) {
    return this.repository.list(actor, query, (conditions) => {
      conditions.add('t.is_deleted = ?', actor.can('transmission_admin') ? isDeleted : 0);
      if (channel) conditions.add('(t.service_flag & ?::int) <> 0', SERVICE_FLAG[channel]);
    });
  }

  count(actor: Actor, query: ListQuery, channel?: Channel, isDeleted = 0) {
    return this.repository.count(actor, query, (conditions) => {
      conditions.add('t.is_deleted = ?', actor.can('transmission_admin') ? isDeleted : 0);
      if (channel) conditions.add('(t.service_flag & ?::int) <> 0', SERVICE_FLAG[channel]);
    });
  }

  get(actor: Actor, id: number) {
    return this.repository.get(actor, id);
  }

  /** S60. With `send` the first attempt begins in the same transaction. */
  async create(actor: Actor, input: TransmissionCreate): Promise<number> {
    const id = await this.database.transaction((tx) => this.createIn(actor, input, tx));
    if (input.send) this.engine.wake();
    return id;
  }

  /** As {@link create}, within the caller's transaction; call `engine.wake()` after the commit if it sends. */
  async createIn(actor: Actor, input: TransmissionCreate, tx: Tx): Promise<number> {
    const program = await this.programFor(actor, input.program_id, tx);
    const direction = input.direction ?? program.type.direction;
    if (direction === 'inbound' && program.type.direction === 'outbound' && program.parentId === null) {
      throw invalid('direction', `a ${program.type.type} program goes out; leave direction away`, 'enum');
    }
    const parties = await this.partiesOf(actor, input, program.type.channel, direction, tx);
    const id = await this.repository.insert(
      actor,
      {
        ...parties,
        program_id: input.program_id,
        title: input.title ?? program.name,
        origin: input.origin ?? program.type.type,
        service_flag: SERVICE_FLAG[program.type.channel],
        direction,
        try_allowed: input.try_allowed ?? 1,
        retry_delay: input.retry_delay ?? null,
      },
      tx,
    );
    if (input.send) await this.sendIn(actor, id, tx);
    else if (input.schedule) await this.scheduleIn(actor, id, planOf(input.schedule), tx);
    return id;
  }

  /** `PUT /transmissions/{id}`: who and how often only while it is pending; title and is_read always. */
  async update(actor: Actor, id: number, input: TransmissionUpdate): Promise<TransmissionRow> {
    return this.database.transaction(async (tx) => {
      const before = await this.repository.lock(actor, id, tx);
      const { contact_id, phone, email, account_id, try_allowed, retry_delay, title, is_read } = input;
      const needsPending = { contact_id, phone, email, account_id, try_allowed, retry_delay };
      const touched = Object.values(needsPending).some((value) => value !== undefined && value !== null);
      const changed = touched && differs(before, needsPending);
      if (changed && before.status !== 'pending')
        throw wrongState(`The transmission is ${before.status}; only title and is_read may change`);
      const parties = changed ? await this.changedParties(actor, before, input, tx) : {};
      await this.repository.update(
        actor,
        id,
        {
          ...parties,
          ...(changed && try_allowed !== undefined && { try_allowed }),
          ...(changed && retry_delay !== undefined && { retry_delay }),
          ...(title !== undefined && { title: title ?? '' }),
          ...(is_read !== undefined && { is_read }),
        },
        tx,
      );
      return this.repository.get(actor, id, tx);
    });
  }

  /** S63: hidden, not lost. One that waits in a campaign will not be sent: the campaign counts it as invalid. */
  remove(actor: Actor, id: number): Promise<void> {
    return this.database.transaction(async (tx) => {
      const row = await this.repository.lock(actor, id, tx);
      if (row.status === 'processing' || row.status === 'initializing') {
        throw wrongState('The transmission is being processed; try again when it has ended');
      }
      await this.schedules.cancel('transmission', id, null, tx);
      const waits = row.status === 'pending' || row.status === 'pending_retry';
      const ended = row.campaign_id !== null && waits ? { status: 'invalid', response: 'canceled' } : {};
      await this.repository.update(actor, id, { is_deleted: 1, next_run: null, ...ended }, tx);
    });
  }

  /** S67: sends it at a time; replaces an earlier schedule. Returns the task's id. */
  schedule(actor: Actor, id: number, plan: Plan): Promise<number> {
    return this.database.transaction((tx) => this.scheduleIn(actor, id, plan, tx));
  }

  /** S68, within the caller's transaction. */
  async unscheduleIn(actor: Actor, id: number, tx: Tx): Promise<void> {
    await this.repository.lock(actor, id, tx);
    await this.schedules.cancel('transmission', id, null, tx);
    // In a campaign it is the campaign's turn again; elsewhere nothing will send it. A retry keeps its time.
    await tx.query(
      `update transmission set next_run = case when campaign_id is null then null else now() end
        where transmission_id = $1 and status <> 'pending_retry' and next_run is not null`,
      [id],
    );
  }

  /**
   * What a schedule does when it is due. A recurring one sends a copy each time after the first: what has been delivered
   * is final. Call `engine.wake()` after the commit.
   */
  async sendScheduledIn(actor: Actor, id: number, recurring: boolean, tx: Tx): Promise<void> {
    const row = await this.repository.lock(actor, id, tx);
    const again = recurring && row.status === 'completed' && row.is_deleted === 0;
    await this.sendIn(actor, again ? await this.cloneIn(actor, id, tx) : id, tx);
  }

  /** S64, S65: begins an attempt and answers its spool id at once. */
  async send(actor: Actor, id: number): Promise<number> {
    const { spoolId, refusal } = await this.database.transaction(async (tx) => {
      const begun = await this.sendIn(actor, id, tx);
      return { spoolId: begun, refusal: await this.engine.refuseByPolicy(tx, begun) };
    });
    // Only now: that the attempt was refused stays on record.
    if (refusal) throw wrongState(`Not sent: ${refusal.detail}`);
    this.engine.wake();
    return spoolId;
  }

  /** S66: the same once more, not sent; it belongs to the caller and to no campaign. */
  clone(actor: Actor, id: number): Promise<number> {
    return this.database.transaction((tx) => this.cloneIn(actor, id, tx));
  }

  private async cloneIn(actor: Actor, id: number, tx: Tx): Promise<number> {
    const { title, program_id, contact_id, account_id, service_flag, origin, direction, try_allowed, retry_delay } =
      await this.repository.get(actor, id, tx);
    const values = {
      title,
      program_id,
      contact_id,
      account_id,
      service_flag,
      origin,
      direction,
      try_allowed,
      retry_delay,
    };
    return this.repository.insert(actor, values, tx);
  }

  private async scheduleIn(actor: Actor, id: number, plan: Plan, tx: Tx): Promise<number> {
    const row = await this.repository.lock(actor, id, tx);
    if (row.is_deleted === 1) throw wrongState('The transmission is deleted');
    if (!SENDABLE.includes(row.status as TransmissionState)) throw wrongState(`The transmission is ${row.status}`);
    const target = { type: 'transmission', action: 'send', id, accountId: row.account_id } as const;
    const taskId = await this.schedules.put(actor, target, plan, tx);
    await this.repository.update(actor, id, { next_run: plan.dueAt }, tx);
    return taskId;
  }

  private async sendIn(actor: Actor, id: number, tx: Tx): Promise<number> {
    const row = await this.repository.lock(actor, id, tx);
    if (row.is_deleted === 1) throw wrongState('The transmission is deleted');
    if (!SENDABLE.includes(row.status as TransmissionState)) {
      throw wrongState(
        `The transmission is ${row.status}${row.status === 'completed' ? '; clone it to send it again' : ''}`,
      );
    }
    if (row.program_id === null) throw wrongState('Its program is deleted; make a new transmission');
    if (this.programs.typeOf({ type: row.program_type as string }).receives) {
      throw wrongState('The transmission is about a message that came in; there is nothing to send');
    }
    if (row.contact_id === null) throw wrongState('Its contact is deleted; make a new transmission');
    if (row.account_id === null) throw wrongState('Its account is deleted; make a new transmission');
    await refuseUnready(tx, row.program_id);
    const channel = channelOf(row.service_flag);
    if ((await this.pool.candidates(channel)).length === 0) {
      throw new IctError(`No provider available for ${channel}; add one or enable one`, {
        code: 'NO_PROVIDER',
        status: 404,
      });
    }
    const released = await this.engine.release(tx, [id], SENDABLE, LANE.single);
    const spoolId = released.get(id);
    if (spoolId === undefined) throw wrongState('The transmission cannot be sent now');
    return spoolId;
  }

  private async programFor(
    actor: Actor,
    programId: number,
    tx: Tx,
  ): Promise<{ type: AnyProgram; name: string; parentId: number | null }> {
    const row = await this.programs.repository.find(actor, programId, tx);
    if (!row) throw invalid('program_id', `program_id ${programId} not found`, 'exists');
    const type = this.programs.typeOf(row);
    if (type.receives) {
      throw invalid(
        'program_id',
        `a ${type.type} program is started by what comes in; take one that sends`,
        'direction',
      );
    }
    return { type, name: row.name, parentId: row.parent_id };
  }

  private async partiesOf(
    actor: Actor,
    input: TransmissionParts,
    channel: Channel,
    direction: string,
    tx: Tx,
  ): Promise<Parties> {
    const wanted = channel === 'email' ? 'email' : 'phone';
    const accountId = await this.accountOf(actor, input.account_id, wanted, tx);
    const contactId = await this.contactOf(actor, input, tx);
    if (direction === 'outbound') {
      const contact = await this.contacts.repository.get(actor, contactId, tx);
      if (!contact[wanted]) {
        throw invalid('contact_id', `contact ${contactId} has no ${wanted}, which ${channel} needs`, 'required');
      }
    }
    return { account_id: accountId, contact_id: contactId };
  }

  private async accountOf(
    actor: Actor,
    given: number | null | undefined,
    needs: 'phone' | 'email',
    tx: Tx,
  ): Promise<number> {
    if (given === undefined || given === null || given === -1) return this.accounts.defaultAccountOf(actor, tx, needs);
    await this.accounts.repository.requireVisible(actor, 'account_id', [given], tx);
    return given;
  }

  private async contactOf(actor: Actor, input: TransmissionParts, tx: Tx): Promise<number> {
    if (input.contact_id) {
      await this.contacts.repository.requireVisible(actor, 'contact_id', [input.contact_id], tx);
      return input.contact_id;
    }
    if (!input.phone && !input.email) throw invalid('contact_id', 'give contact_id, phone or email', 'required');
    const by = { ...(input.phone && { phone: input.phone }), ...(input.email && { email: input.email }) };
    return this.contacts.findOrCreate(actor, by, tx);
  }

  private changedParties(actor: Actor, before: TransmissionRow, input: TransmissionUpdate, tx: Tx): Promise<Parties> {
    const named = input.contact_id || input.phone || input.email;
    const contact = named ? {} : { contact_id: before.contact_id };
    const merged = { account_id: before.account_id, ...input, ...contact } as TransmissionParts;
    return this.partiesOf(actor, merged, channelOf(before.service_flag), before.direction, tx);
  }
}

/** True if a PUT really changes something: clients put back what they got (API section 0.2). */
function differs(before: TransmissionRow, change: Record<string, unknown>): boolean {
  const current: Record<string, unknown> = { ...before, phone: before.contact_phone, email: before.contact_email };
  return Object.entries(change).some(([key, value]) => value !== undefined && value !== null && value !== current[key]);
}
