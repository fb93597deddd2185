import { type Actor, type AnyProgram, IctError, invalid, SERVICE_FLAG, wrongState } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { AccountService } from '../accounts';
import type { Config } from '../boot/config';
import { CONFIG } from '../boot/injection';
import { Database, type Tx } from '../database/database';
import type { ListQuery } from '../database/list-query';
import { OwnedRepository } from '../database/owned-repository';
import { ResourceDirectory } from '../database/resource-directory';
import type { CrudService } from '../http/crud-routes';
import { ProgramService } from '../programs';
import { channelOf } from '../queue/attempt';
import { CANCEL_WAITING, TAKE_BACK, UNHOLD } from '../queue/campaign.sql';
import { Engine, LANE } from '../queue/engine';
import { ProviderPool } from '../queue/provider-pool';
import { Campaign } from './campaign.model';
import { type CampaignCreate, type CampaignRow, type CampaignUpdate, campaignSpec } from './campaign.schema';
import { type CampaignState, RESUMABLE, STARTABLE } from './campaign-states';

/** Rows that a stop or delete moves at once; the engine's next tick goes on. */
const AT_ONCE = 5000;

/** Campaigns: guide lines S52 to S57 and the verbs clone, resume, refresh. The engine carries them out. */
@scoped(Lifecycle.ContainerScoped)
export class CampaignService implements CrudService<CampaignRow, CampaignCreate, CampaignUpdate> {
  readonly repository: OwnedRepository<CampaignRow>;

  constructor(
    @inject(Database) private readonly database: Database,
    @inject(CONFIG) private readonly config: Config,
    @inject(AccountService) private readonly accounts: AccountService,
    @inject(ProgramService) private readonly programs: ProgramService,
    @inject(ResourceDirectory) private readonly directory: ResourceDirectory,
    @inject(ProviderPool) private readonly pool: ProviderPool,
    @inject(Engine) private readonly engine: Engine,
  ) {
    this.repository = new OwnedRepository(database, campaignSpec, database.sequelize.getRepository(Campaign));
  }

  list(actor: Actor, query: ListQuery) {
    return this.repository.list(actor, query);
  }

  count(actor: Actor, query: ListQuery) {
    return this.repository.count(actor, query);
  }

  get(actor: Actor, id: number) {
    return this.repository.get(actor, id);
  }

  /** S52. */
  async create(actor: Actor, input: CampaignCreate): Promise<number> {
    if (input.start && !actor.can('campaign_start')) {
      throw new IctError('Permission campaign_start is needed; ask an administrator for it', {
        code: 'FORBIDDEN',
        status: 403,
      });
    }
    const id = await this.database.transaction(async (tx) => {
      const program = await this.programFor(actor, input.program_id, tx);
      await this.directory.requireVisible(actor, 'group', 'group_id', input.group_id, tx);
      const created = await this.repository.insert(
        actor,
        {
          program_id: input.program_id,
          group_id: input.group_id,
          account_id: await this.accountOf(actor, input.account_id, tx),
          service_flag: SERVICE_FLAG[program.channel],
          name: input.name ?? null,
          cpm: this.paceOf(input.cpm),
          concurrency: input.concurrency ?? null,
          try_allowed: input.try_allowed ?? 1,
          source: input.source ?? '',
        },
        tx,
      );
      if (input.start) await this.startIn(actor, created, STARTABLE, tx);
      return created;
    });
    if (input.start) this.engine.wakeCampaigns();
    return id;
  }

  /** S54: how fast and how often at any time before the end; what and to whom only before it is prepared. */
  async update(actor: Actor, id: number, input: CampaignUpdate): Promise<CampaignRow> {
    const after = await this.database.transaction(async (tx) => {
      const before = await this.repository.lock(actor, id, tx);
      const target = await this.changedTarget(actor, before, input, tx);
      const settings = await this.changedSettings(actor, before, input, tx);
      const over = before.status === 'completed' || before.status === 'broken';
      if (over && Object.keys(settings).length > 0) {
        throw wrongState(`The campaign is ${before.status}; clone it to run it differently`);
      }
      await this.repository.update(actor, id, { ...target, ...settings }, tx);
      return this.repository.get(actor, id, tx);
    });
    this.engine.wakeCampaigns();
    return after;
  }

  /** S55: nothing more is sent; what is still pending becomes invalid, what is finished stays for reports. */
  async remove(actor: Actor, id: number): Promise<void> {
    await this.database.transaction(async (tx) => {
      await this.repository.lock(actor, id, tx);
      await tx.query(`delete from task where type = 'campaign' and data = $1`, [id]);
      await this.repository.update(actor, id, { status: 'deleting' }, tx);
      await tx.query(TAKE_BACK, [AT_ONCE]);
      await tx.query(CANCEL_WAITING, [id, AT_ONCE]);
    });
    this.engine.wakeCampaigns();
  }

  /** S56. */
  async start(actor: Actor, id: number): Promise<number> {
    await this.database.transaction((tx) => this.startIn(actor, id, STARTABLE, tx));
    this.engine.wakeCampaigns();
    return id;
  }

  /** Goes on after a stop, or after what had broken it has been mended. */
  async resume(actor: Actor, id: number): Promise<number> {
    await this.database.transaction((tx) => this.startIn(actor, id, RESUMABLE, tx));
    this.engine.wakeCampaigns();
    return id;
  }

  /** S57: what a carrier has already been given ends by itself; everything else waits. */
  async stop(actor: Actor, id: number): Promise<number> {
    await this.database.transaction((tx) => this.stopIn(actor, id, tx));
    this.engine.wakeCampaigns();
    return id;
  }

  /** As {@link start}, within the caller's transaction; call `engine.wakeCampaigns()` after the commit. */
  async startIn(actor: Actor, id: number, from: readonly CampaignState[], tx: Tx): Promise<void> {
    const row = await this.repository.lock(actor, id, tx);
    if (!from.includes(row.status)) throw wrongState(`The campaign is ${row.status}${adviceFor(row.status)}`);
    if (row.program_id === null) throw wrongState('Its program is deleted; make a new campaign');
    if (row.account_id === null) throw wrongState('Its account is deleted; give it another one');
    await this.requireProvider(row);
    const first = row.status === 'new';
    if (first) await this.requireMembers(row, tx);
    await tx.query(
      `update campaign set status = 'running', reason = '', tokens = 0, bucket_at = clock_timestamp(), speed = 0,
              started_at = coalesce(started_at, now()), finished_at = null, done_seen_at = now() - interval '1 hour',
              preparing = case when $2::int = 1 then 1 else preparing end
        where campaign_id = $1`,
      [id, first ? 1 : 0],
    );
    await tx.query(UNHOLD, [id, LANE.campaign]);
    await tell(tx, row, 'campaign.running');
  }

  /** As {@link stop}, within the caller's transaction. */
  async stopIn(actor: Actor, id: number, tx: Tx): Promise<void> {
    const row = await this.repository.lock(actor, id, tx);
    if (row.status !== 'running') throw wrongState(`The campaign is ${row.status}; there is nothing to stop`);
    await this.repository.update(actor, id, { status: 'paused', reason: 'user' }, tx);
    await tx.query(TAKE_BACK, [AT_ONCE]);
    await tell(tx, row, 'campaign.paused');
  }

  /** The same campaign once more, new: its group as it is now. */
  clone(actor: Actor, id: number): Promise<number> {
    return this.database.transaction(async (tx) => {
      const row = await this.repository.get(actor, id, tx);
      if (row.program_id === null) throw wrongState('Its program is deleted; make a new campaign');
      if (row.group_id === null) throw wrongState('Its group is deleted; make a new campaign');
      const { program_id, group_id, service_flag, cpm, concurrency, try_allowed, source } = row;
      const account_id = row.account_id ?? (await this.accounts.defaultAccountOf(actor, tx));
      const own = row.name === `Campaign ${id}` ? null : row.name;
      const values = { program_id, group_id, account_id, service_flag, cpm, concurrency, try_allowed, source };
      return this.repository.insert(actor, { ...values, name: own }, tx);
    });
  }

  /** Takes in members who have joined the group since it was prepared; on a new campaign: prepares it ahead. */
  async refresh(actor: Actor, id: number): Promise<number> {
    await this.database.transaction(async (tx) => {
      const row = await this.repository.lock(actor, id, tx);
      if (row.status === 'completed' || row.status === 'broken') {
        throw wrongState(`The campaign is ${row.status}; clone it to send to the group again`);
      }
      if (row.group_id === null) throw wrongState('Its group is deleted');
      await this.requireMembers(row, tx);
      // Members are looked at from the first again; those without a number are counted anew.
      await tx.query(
        `update campaign set preparing = 1, prepare_after = 0, contact_skipped = 0,
                status = case when status = 'ready' then 'new' else status end
          where campaign_id = $1`,
        [id],
      );
    });
    this.engine.wakeCampaigns();
    return id;
  }

  /** 423 while a campaign still reads this group, or has begun to send to it. */
  async refuseWhileUsed(groupId: number, tx: Tx): Promise<void> {
    const [used] = await tx.query<{ campaign_id: number }>(
      `select campaign_id from campaign
        where group_id = $1 and (status in ('running', 'paused') or (preparing = 1 and status = 'new')) limit 1`,
      [groupId],
    );
    if (used) throw wrongState(`Campaign ${used.campaign_id} uses the group; stop and delete it first`);
  }

  /** No pace means the configured one, which may be none. */
  private paceOf(cpm: number | null | undefined): number | null {
    return cpm ?? (this.config.campaign.default_cpm || null);
  }

  private async programFor(actor: Actor, programId: number, tx: Tx): Promise<AnyProgram> {
    const row = await this.programs.repository.find(actor, programId, tx);
    if (!row) throw invalid('program_id', `program_id ${programId} not found`, 'exists');
    const program = this.programs.typeOf(row);
    if (program.direction !== 'outbound') {
      throw invalid('program_id', `a ${program.type} program does not go out; take one that sends`, 'direction');
    }
    return program;
  }

  private async accountOf(actor: Actor, given: number | null | undefined, tx: Tx): Promise<number> {
    if (given === undefined || given === null || given === -1) return this.accounts.defaultAccountOf(actor, tx);
    await this.accounts.repository.requireVisible(actor, 'account_id', [given], tx);
    return given;
  }

  private async changedTarget(actor: Actor, before: CampaignRow, input: CampaignUpdate, tx: Tx) {
    const program_id = input.program_id ?? before.program_id;
    const group_id = input.group_id ?? before.group_id;
    if (program_id === before.program_id && group_id === before.group_id) return {};
    if (before.status !== 'new' || before.preparing === 1) {
      throw wrongState(
        `The campaign is ${before.status === 'new' ? 'being prepared' : before.status}; clone it instead`,
      );
    }
    const program = program_id === null ? undefined : await this.programFor(actor, program_id, tx);
    if (group_id !== null) await this.directory.requireVisible(actor, 'group', 'group_id', group_id, tx);
    return { program_id, group_id, ...(program && { service_flag: SERVICE_FLAG[program.channel] }) };
  }

  /** Only what really changes: clients put back what they got (API section 0.2). */
  private async changedSettings(actor: Actor, before: CampaignRow, input: CampaignUpdate, tx: Tx) {
    const { cpm, concurrency, try_allowed, name, source, account_id } = input;
    const wanted: Record<string, unknown> = {
      ...(cpm !== undefined && { cpm: this.paceOf(cpm) }),
      ...(concurrency !== undefined && { concurrency }),
      ...(try_allowed !== undefined && { try_allowed }),
      ...(name !== undefined && { name }),
      ...(source !== undefined && { source: source ?? '' }),
    };
    if (account_id !== undefined && account_id !== before.account_id) {
      wanted.account_id = await this.accountOf(actor, account_id, tx);
    }
    const current: Record<string, unknown> = { ...before };
    return Object.fromEntries(Object.entries(wanted).filter(([key, value]) => value !== current[key]));
  }

  private async requireProvider(row: CampaignRow): Promise<void> {
    const channel = channelOf(row.service_flag);
    if ((await this.pool.candidates(channel)).length > 0) return;
    throw new IctError(`No provider available for ${channel}; add one or enable one`, {
      code: 'NO_PROVIDER',
      status: 404,
    });
  }

  private async requireMembers(row: CampaignRow, tx: Tx): Promise<void> {
    const found = await tx.query('select 1 from contact_link where group_id = $1 limit 1', [row.group_id]);
    if (found.length === 0) throw invalid('group_id', 'the group has no contacts; add some first', 'empty');
  }
}

function adviceFor(status: string): string {
  if (status === 'completed') return '; clone it to send it again';
  if (status === 'broken') return '; mend what broke it and resume it, or clone it';
  return '';
}

/** Outbox: told after the commit. */
async function tell(tx: Tx, row: CampaignRow, type: string): Promise<void> {
  await tx.query('insert into event (type, user_id, data) values ($1, $2, $3)', [
    type,
    row.user_id,
    JSON.stringify({ campaign_id: row.campaign_id }),
  ]);
}
