import { type Actor, type Fact, IctError, type Scheme, SERVICE_FLAG, type Verdict } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { Config } from '../boot/config';
import { CONFIG } from '../boot/injection';
import type { Tx } from '../database/database';
import { writeEntries } from '../queue/recorder';
import { EmailReceive } from './email-receive';
import { FaxReceive } from './fax-receive';
import { contactOf } from './inbound-contact';
import { InboundRules, type Match } from './inbound-rules';
import type { ReceivedMessage } from './received-message';
import type { ReceivingStep, Stored } from './receiving-step';
import { SmsReceive } from './sms-receive';

const INSERT = `
with t as (
  insert into transmission (title, service_flag, account_id, contact_id, program_id, origin, direction, status, try_done,
                            last_run, contact_phone, contact_email, account_phone, account_email, created_by)
  values ($1, $2, $3, $4, $5, $6, $7, 'processing', 1, now(), $8, $9, $10, $11, $12)
  returning transmission_id, account_id, service_flag
)
insert into spool (transmission_id, account_id, service_flag, status, provider_id, time_start, time_connect)
select transmission_id, account_id, service_flag, 'connected', $13, clock_timestamp(), clock_timestamp() from t
returning spool_id, transmission_id`;

/** What was made of a message. */
export interface Taken {
  transmissionId: number;
  keepsFiles: boolean;
}

/** Makes a transmission of a message that somebody takes, in the caller's transaction. */
@scoped(Lifecycle.ContainerScoped)
export class InboundTaker {
  private readonly steps: ReadonlyMap<string, ReceivingStep>;

  constructor(
    @inject(InboundRules) private readonly rules: InboundRules,
    @inject(CONFIG) private readonly config: Config,
    @inject(SmsReceive) sms: SmsReceive,
    @inject(EmailReceive) email: EmailReceive,
    @inject(FaxReceive) fax: FaxReceive,
  ) {
    this.steps = new Map<string, ReceivingStep>([
      ['sms_receive', sms],
      ['email_receive', email],
      ['fax_receive', fax],
    ]);
  }

  /** Contact, transmission, attempt, message, facts, verdict and events: all of it or nothing. */
  async take(tx: Tx, providerId: number | null, message: ReceivedMessage, match: Match): Promise<Taken> {
    const { program } = match;
    const found = this.stepOf(match);
    const remote = program.receives?.accountIs === 'source' ? message.to : message.from;
    const normalized = this.rules.normalize(message.channel, remote);
    const contact = await contactOf(tx, match.owner_id, message.channel, remote, normalized, this.config.country);
    const { spool_id, transmission_id } = await insert(tx, providerId, message, match, contact.id);
    const owner: Actor = { userId: match.owner_id, username: '', can: () => false };
    const stored = await found.step.receive({
      tx,
      message,
      match,
      owner,
      contactId: contact.id,
      transmissionId: transmission_id,
      spoolId: spool_id,
      label: {
        name: `${message.channel}_${found.name}_${spool_id}`,
        description: `received while processing transmission ${transmission_id}`,
      },
      parameters: found.parameters,
    });
    const own: Fact[] = [
      { type: 'application', name: found.use, data: stored.failure ? 'error' : 'success' },
      ...(contact.isNew ? [{ type: 'contact', name: 'contact_new', data: String(contact.id) } as const] : []),
      ...stored.facts,
    ];
    // What the driver brought gives way where both use a name: a fact must not pose as ours.
    const ours = new Set([...own.map((fact) => fact.name), ...RESERVED]);
    const facts = [...message.facts.filter((fact) => !ours.has(fact.name)), ...own];
    const completed = await finish(tx, spool_id, message, match, stored, facts);
    if (completed)
      await tellReceived(tx, message, match, stored, { transmission_id, spool_id, contact_id: contact.id });
    return { transmissionId: transmission_id, keepsFiles: stored.keepsFiles };
  }

  /** The step of the program's main road that takes the message; what comes before it, the carrier has done. */
  private stepOf({ program, data }: Match) {
    const scheme: Scheme = program.scheme(data);
    const seen = new Set<string>();
    for (let name: string | undefined = scheme.start; name !== undefined && !seen.has(name); ) {
      seen.add(name);
      const current: Scheme['steps'][string] | undefined = scheme.steps[name];
      const step = current && this.steps.get(current.use);
      if (current && step) return { name, step, use: current.use, parameters: current.with };
      name = current?.on?.success ?? current?.on?.default;
    }
    throw new IctError(`Program type ${program.type} has no step that receives`, { code: 'PROGRAM_UNUSABLE' });
  }
}

/** Facts that follow-ups act upon: they come from the kernel alone. */
const RESERVED = ['text', 'template', 'document', 'keyword', 'answer', 'dnc', 'contact_new'];

async function insert(
  tx: Tx,
  providerId: number | null,
  message: ReceivedMessage,
  match: Match,
  contactId: number | null,
): Promise<{ spool_id: number; transmission_id: number }> {
  const { program, account } = match;
  const remote = program.receives?.accountIs === 'source' ? message.to : message.from;
  const [row] = await tx.query<{ spool_id: number; transmission_id: number }>(INSERT, [
    match.program_name.slice(0, 255),
    SERVICE_FLAG[program.channel],
    match.account_id,
    contactId,
    match.program_id,
    program.type,
    program.direction,
    remote.phone?.slice(0, 32) ?? null,
    remote.email?.slice(0, 64) ?? null,
    account.phone,
    account.email,
    match.owner_id,
    providerId,
  ]);
  if (!row) throw new Error('the transmission was not inserted');
  return row;
}

/** The program judges; true if the message is good. */
async function finish(
  tx: Tx,
  spoolId: number,
  message: ReceivedMessage,
  match: Match,
  stored: Stored,
  facts: readonly Fact[],
): Promise<boolean> {
  const { failure } = stored;
  const status = failure ? 'failed' : 'completed';
  const report = { status, reason: failure?.reason ?? null, response: failure?.response ?? '', facts } as const;
  const verdict: Verdict = match.program.judge
    ? match.program.judge({ ...report, connectedSeconds: 0 }, match.data)
    : failure
      ? { verdict: 'failed', ...failure }
      : { verdict: 'completed' };
  const completed = verdict.verdict === 'completed';
  await writeEntries(tx, [
    {
      spoolId,
      status,
      response: report.response,
      reason: report.reason,
      // Not the bare id: what the same provider gives to messages that go out must not be taken for it.
      callId: `inbound ${message.ref}`,
      amount: stored.amount,
      receipt: null,
      judgement: {
        spoolStatus: status,
        reason: report.reason,
        response: report.response,
        transmissionStatus: completed ? 'completed' : 'failed',
        transmissionResponse: completed ? '' : verdict.response.slice(0, 500),
        retryIn: null,
      },
      facts,
    },
  ]);
  return completed;
}

function tellReceived(
  tx: Tx,
  message: ReceivedMessage,
  match: Match,
  stored: Stored,
  ids: { transmission_id: number; spool_id: number; contact_id: number | null },
) {
  const { channel, from, to } = message;
  const { program_id, account_id, program } = match;
  const data = { ...ids, ...stored.ids, channel, from, to, account_id, program_id, program_type: program.type };
  return tx.query(`insert into event (type, user_id, data) values ('message.received', $1, $2)`, [
    match.owner_id,
    JSON.stringify(data),
  ]);
}
