import {
  type Actor,
  type AnyProgram,
  type Fact,
  type FinishedTransmission,
  type FollowUp,
  isIctError,
  type Logger,
  type Party,
  type Verdict,
} from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { Catalog } from '../boot/catalog';
import type { Config } from '../boot/config';
import { CONFIG, LOG } from '../boot/injection';
import { normalizePhone } from '../contacts/phone';
import { Database, type Tx } from '../database/database';
import { ProgramService } from '../programs';
import { Engine, LANE } from '../queue/engine';
import { TransmissionService } from '../transmissions';
import { IdentityService } from '../users/identity.service';
import { FaxFollowUps, type FaxPdf, PARK } from './fax-follow-ups';
import { contactOf } from './inbound-contact';
import { InboundRules } from './inbound-rules';

/** Name of the cursor in `event_cursor`; migration 0005 makes it. */
const CONSUMER = 'kernel follow-ups';
/** Events looked at in one transaction. */
const WINDOW = 2000;
/** Verdicts acted upon in one transaction: each makes rows, and the cursor is locked meanwhile. */
const MAX_VERDICTS = 100;
/** Characters of what came in that a follow-up gets to see. */
const MAX_RECEIVED = 10_000;

const CURSOR = 'select xid::text as xid, event_id from event_cursor where consumer = $1 for update skip locked';

/** $1 xid, $2 event id, $3 most rows. What happened since, as the outbox reads it: nothing of running transactions. */
const EVENTS = `
select event_id, xid::text as xid, type, (data->>'transmission_id')::int8 as transmission_id,
       (data->>'spool_id')::int8 as spool_id
  from event
 where (xid, event_id) > ($1::xid8, $2) and xid < pg_snapshot_xmin(pg_current_snapshot())
 order by xid, event_id limit $3`;

const ADVANCE = 'update event_cursor set xid = $2::xid8, event_id = $3 where consumer = $1';

/** $1 attempts, $2 program types. Their transmissions, as follow-ups need to know them. */
const FINISHED = `
select s.spool_id, s.reason, t.transmission_id, t.status, t.response, t.direction, t.campaign_id, t.account_id, t.contact_id,
       t.created_by as owner_id, t.account_phone, t.account_email, t.contact_phone, t.contact_email,
       p.program_id, p.type, p.data,
       trim(concat_ws(' ', a.first_name, a.last_name)) as account_name,
       trim(concat_ws(' ', c.first_name, c.last_name)) as contact_name,
       (select coalesce(jsonb_agg(jsonb_build_object('type', r.type, 'name', r.name, 'data', r.data)), '[]')
          from spool_result r where r.spool_id = s.spool_id) as facts
  from spool s
  join transmission t on t.transmission_id = s.transmission_id
  join program p on p.program_id = t.program_id
  left join account a on a.account_id = t.account_id
  left join contact c on c.contact_id = t.contact_id
 where s.spool_id = any($1::int8[]) and p.type = any($2::text[]) and t.created_by is not null and t.account_id is not null`;

interface EventRow {
  event_id: number;
  xid: string;
  type: string;
  transmission_id: number | null;
  spool_id: number | null;
}

interface FinishedRow {
  spool_id: number;
  reason: string | null;
  transmission_id: number;
  status: string;
  response: string;
  direction: FinishedTransmission['direction'];
  campaign_id: number | null;
  account_id: number;
  contact_id: number | null;
  owner_id: number;
  account_phone: string | null;
  account_email: string | null;
  account_name: string;
  contact_phone: string | null;
  contact_email: string | null;
  contact_name: string;
  program_id: number;
  type: string;
  data: Record<string, unknown>;
  facts: Fact[];
}

/**
 * What follows from finished transmissions ({@link FollowUp}): a reader of the outbox of its own that makes the child
 * program and transmission in the transaction that moves its cursor. So each final verdict is followed up exactly once,
 * whatever is killed meanwhile.
 */
@scoped(Lifecycle.ContainerScoped)
export class FollowUps {
  private running: Promise<void> | undefined;

  constructor(
    @inject(Database) private readonly database: Database,
    @inject(Catalog) private readonly catalog: Catalog,
    @inject(CONFIG) private readonly config: Config,
    @inject(LOG) private readonly log: Logger,
    @inject(ProgramService) private readonly programs: ProgramService,
    @inject(TransmissionService) private readonly transmissions: TransmissionService,
    @inject(IdentityService) private readonly identity: IdentityService,
    @inject(Engine) private readonly engine: Engine,
    @inject(InboundRules) private readonly rules: InboundRules,
    @inject(FaxFollowUps) private readonly faxes: FaxFollowUps,
  ) {}

  /** Follows up everything that has finished. Several nodes may call it: the cursor is locked meanwhile. */
  run(): Promise<void> {
    this.running ??= this.rounds().finally(() => {
      this.running = undefined;
    });
    return this.running;
  }

  private async rounds(): Promise<void> {
    while (await this.round());
    await this.faxes.ready(async (parked, tx, pdf) => {
      const types = this.catalog.programs().map((program) => program.type);
      const [row] = await tx.query<FinishedRow>(FINISHED, [[parked.spool_id], types]);
      const made = row ? await this.follow({ ...row, status: parked.verdict }, tx, pdf) : 0;
      if (made > 0) tx.afterCommit(() => this.engine.wake());
    });
  }

  /** True if there may be more. */
  private async round(): Promise<boolean> {
    const { more, made } = await this.database.transaction(async (tx) => {
      const [cursor] = await tx.query<{ xid: string; event_id: number }>(CURSOR, [CONSUMER]);
      if (!cursor) return { more: false, made: 0 };
      const events = await tx.query<EventRow>(EVENTS, [cursor.xid, cursor.event_id, WINDOW]);
      const { rows, last } = await this.verdictsAmong(events, tx);
      let made = 0;
      for (const row of rows) {
        if ((await tx.query(PARK, [row.spool_id, row.status])).length === 0) made += await this.follow(row, tx);
      }
      if (last) await tx.query(ADVANCE, [CONSUMER, last.xid, last.event_id]);
      return { more: last !== undefined && (events.length === WINDOW || last !== events.at(-1)), made };
    });
    if (made > 0) this.engine.wake();
    return more;
  }

  /** The finished transmissions among these events, at most so many, and the last event that was looked at. */
  private async verdictsAmong(
    events: readonly EventRow[],
    tx: Tx,
  ): Promise<{ rows: FinishedRow[]; last: EventRow | undefined }> {
    const types = this.catalog.programs().flatMap((program) => (program.followUps ? [program.type] : []));
    const final = events.filter(({ type }) => type === 'transmission.completed' || type === 'transmission.failed');
    const ids = final.flatMap((event) => (event.spool_id === null ? [] : [event.spool_id]));
    if (types.length === 0 || ids.length === 0) return { rows: [], last: events.at(-1) };
    const found = await tx.query<FinishedRow>(FINISHED, [ids, types]);
    const bySpool = new Map(found.map((row) => [row.spool_id, row]));
    const rows: FinishedRow[] = [];
    for (const event of events) {
      const row = final.includes(event) && event.spool_id !== null ? bySpool.get(event.spool_id) : undefined;
      if (!row) continue;
      // The verdict of the event, not what has become of the transmission since (a manual retry).
      rows.push({ ...row, status: event.type.slice('transmission.'.length) });
      if (rows.length === MAX_VERDICTS) return { rows, last: event };
    }
    return { rows, last: events.at(-1) };
  }

  /** How many children were made. What cannot be followed up is logged and does not hold up the others. */
  private async follow(row: FinishedRow, tx: Tx, pdf?: FaxPdf): Promise<number> {
    const program = this.catalog.program(row.type) as AnyProgram;
    await tx.query('savepoint follow_up');
    try {
      const owner = await this.identity.actorFor(row.owner_id);
      if (!owner) throw new Error('the owner is gone or disabled');
      const finished = await this.finished(row, tx);
      const wanted = program.followUps?.(verdictOf(row), finished, row.data) ?? [];
      for (const followUp of wanted) await this.make(owner, row, followUp, tx, pdf);
      await tx.query('release savepoint follow_up');
      return wanted.length;
    } catch (error) {
      // Refused for what it is, or thrown by the plugin: the next try would end the same way. A database that is away
      // fails the savepoint too, and with it the whole round, which then runs again.
      await tx.query('rollback to savepoint follow_up');
      const level = isIctError(error) && error.status < 500 ? 'warn' : 'error';
      this.log[level]({ transmission_id: row.transmission_id, program: row.type, error }, 'a follow-up was not made');
      const data = { transmission_id: row.transmission_id, reason: (error as Error).message.slice(0, 500) };
      await tx.query(`insert into event (type, user_id, data) values ('transmission.follow_up_failed', $1, $2)`, [
        row.owner_id,
        JSON.stringify(data),
      ]);
      return 0;
    }
  }

  private async make(owner: Actor, row: FinishedRow, followUp: FollowUp, tx: Tx, pdf?: FaxPdf): Promise<void> {
    const { name, parameters, direction, title, tryAllowed } = followUp;
    const contactId = await this.contactFor(row, followUp, tx);
    if (contactId === null) throw new Error('there is nobody to write to');
    const body = { ...parameters, ...(name !== undefined && { name }) };
    const programId = await this.programs.createIn(owner, followUp.program, body, tx);
    // Not by createIn: the parent may be an administrator's, whom the owner cannot see.
    await tx.query('update program set parent_id = $2 where program_id = $1', [programId, row.program_id]);
    if (followUp.attachReceivedFax) await this.faxes.attach(tx, programId, contactId, pdf);
    const id = await this.transmissions.createIn(
      owner,
      {
        program_id: programId,
        account_id: followUp.accountId ?? row.account_id,
        contact_id: contactId,
        direction,
        origin: row.type,
        ...(title !== undefined && { title }),
        ...(tryAllowed !== undefined && { try_allowed: tryAllowed }),
      },
      tx,
    );
    if (followUp.answersKeyword) await tx.query('insert into contact_dnc_answer (transmission_id) values ($1)', [id]);
    await this.engine.release(tx, [id], ['pending'], LANE.single);
  }

  private async contactFor(row: FinishedRow, { to, contactId }: FollowUp, tx: Tx): Promise<number | null> {
    if (!to?.email && !to?.phone) return contactId ?? row.contact_id;
    const channel = to.email ? 'email' : 'sms';
    const party = { phone: to.phone ?? null, email: to.email ?? null, name: '' };
    const normalized = this.rules.normalize(channel, to);
    return (await contactOf(tx, row.owner_id, channel, party, normalized, this.config.country)).id;
  }

  private async finished(row: FinishedRow, tx: Tx): Promise<FinishedTransmission> {
    const party = (phone: string | null, email: string | null, name: string): Party => ({
      phone: normalizePhone(phone, this.config.country) ?? phone,
      email,
      name,
    });
    const received = await receivedWords(row.facts, tx);
    return {
      transmissionId: row.transmission_id,
      accountId: row.account_id,
      contactId: row.contact_id,
      direction: row.direction,
      campaignId: row.campaign_id,
      facts: row.facts,
      account: party(row.account_phone, row.account_email, row.account_name),
      contact: party(row.contact_phone, row.contact_email, row.contact_name),
      ...(received && { received }),
    };
  }
}

function verdictOf(row: FinishedRow): Verdict {
  if (row.status === 'completed') return { verdict: 'completed' };
  return { verdict: 'failed', reason: (row.reason ?? 'unknown') as 'unknown', response: row.response };
}

/** The words of the stored message that the facts name. */
async function receivedWords(facts: readonly Fact[], tx: Tx): Promise<FinishedTransmission['received']> {
  const idOf = (name: string) => Number(facts.find((fact) => fact.type === 'message' && fact.name === name)?.data);
  const textId = idOf('text');
  if (textId > 0) {
    const [text] = await tx.query<{ text: string }>('select left(data, $2) as text from text where text_id = $1', [
      textId,
      MAX_RECEIVED,
    ]);
    return text;
  }
  const documentId = idOf('document');
  if (documentId > 0) {
    const [fax] = await tx.query<{ pages: number }>('select pages from document where document_id = $1', [documentId]);
    return fax && fax.pages > 0 ? { pages: fax.pages } : undefined;
  }
  const templateId = idOf('template');
  if (!(templateId > 0)) return undefined;
  const [mail] = await tx.query<{ subject: string; text: string }>(
    `select subject, left(coalesce(body_alt, ''), $2) as text from template where template_id = $1`,
    [templateId, MAX_RECEIVED],
  );
  return mail;
}
