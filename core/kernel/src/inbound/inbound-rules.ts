import { type Actor, type AnyProgram, type Channel, conflict, forbidden, invalid } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { AccountAddress } from '../accounts/account-hooks';
import { Catalog } from '../boot/catalog';
import type { Config } from '../boot/config';
import { CONFIG } from '../boot/injection';
import { normalizeCarrierPhone } from '../contacts/phone';
import type { Tx } from '../database/database';
import { firstRow, type Sql } from '../database/sql';

type Parameters = Readonly<Record<string, unknown>>;

/**
 * The two sides of a message, in the form in which they are compared: the digits of E.164 (carriers leave the `+` away),
 * addresses in lower case; '' where there is none.
 */
export interface MessageAddress {
  channel: Channel;
  source: string;
  destination: string;
}

/** Who takes a message. */
export interface Match {
  program: AnyProgram;
  program_id: number;
  program_name: string;
  data: Record<string, unknown>;
  account_id: number;
  /** The account's owner: transmissions and messages become his. */
  owner_id: number;
  account: { phone: string | null; email: string | null; first_name: string | null; last_name: string | null };
}

const ACCOUNT = `a.account_id, a.created_by as owner_id,
       jsonb_build_object('phone', a.phone, 'email', a.email, 'first_name', a.first_name, 'last_name', a.last_name)
         as account`;

/**
 * $1 channel, $2 destination, $3 source (normalised). The rules that fit, best first: exact destination, exact source,
 * weight, age (API section 3.10). The program's own account comes with it; null for one that takes what is left.
 */
const MATCHING = `
select r.destination = '' and r.source = '' as catch_all, p.program_id, p.name as program_name, p.type, p.data, ${ACCOUNT}
  from inbound_rule r
  join program p on p.program_id = r.program_id
  left join account a on a.account_id = (p.data->>'account_id')::int8
   and a.active = 1 and exists (select 1 from usr u where u.user_id = a.created_by and u.active = 1)
 where r.channel = $1 and r.destination in ($2, '') and r.source in ($3, '')
 order by r.destination = '', r.source = '', r.weight, r.inbound_rule_id`;

/** $1 digits of a number or null, $2 address in lower case or null. The oldest active account of an active user that has it. */
const ACCOUNT_BY_ADDRESS = `
select ${ACCOUNT}
  from account a join usr u on u.user_id = a.created_by and u.active = 1
 where a.active = 1 and (a.phone_normalized in ($1::text, '+' || $1::text) or lower(a.email) = $2)
 order by a.account_id limit 1`;

const PROGRAMS_OF_ACCOUNT = `
select p.program_id, p.type, p.data from program p join program_resource r on r.program_id = p.program_id
 where r.resource_type = 'account' and r.resource_id = $1 order by p.program_id`;

interface RuleRow {
  catch_all: boolean;
  program_id: number;
  program_name: string;
  type: string;
  data: Record<string, unknown>;
  account_id: number | null;
  owner_id: number | null;
  account: Match['account'];
}

/** Which program takes what comes in: kept in `inbound_rule`, one row for each inbound program. */
@scoped(Lifecycle.ContainerScoped)
export class InboundRules {
  constructor(
    @inject(Catalog) private readonly catalog: Catalog,
    @inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * The parameters as an inbound program stores them: `phone` and `email` are names of an account of the actor's and
   * become `account_id`. A program for no account in particular takes what is left over, and so is an administrator's.
   */
  async resolve(actor: Actor, program: AnyProgram, parameters: Parameters, tx: Tx): Promise<Record<string, unknown>> {
    const { phone, email, ...rest } = parameters as Record<string, unknown>;
    if (!program.receives) return { ...parameters };
    if (rest.account_id !== undefined) return rest;
    const named = typeof phone === 'string' ? 'phone' : typeof email === 'string' ? 'email' : undefined;
    if (named) return { ...rest, account_id: await this.accountNamed(actor, named, String(phone ?? email), tx) };
    if (!actor.can('account_admin')) {
      throw forbidden(
        'Permission account_admin is needed for a program that receives for all accounts; give an account_id',
      );
    }
    return rest;
  }

  /**
   * Makes the program's rule what its account says, in place of the one it had. No rule while the account has no such
   * number or address.
   *
   * @param required - 412 instead, where the caller has just asked for it
   * @throws 409 naming the program that has the number or address already
   */
  async bind(program: AnyProgram, programId: number, data: Parameters, tx: Tx, required = true): Promise<void> {
    if (!program.receives) return;
    await tx.query('delete from inbound_rule where program_id = $1', [programId]);
    const address = await this.addressFor(program, data.account_id as number | undefined, tx, required);
    if (address === undefined) return;
    const isSource = program.receives.accountIs === 'source';
    const values = [program.channel, isSource ? '' : address, isSource ? address : ''];
    const made = await tx.query(
      `insert into inbound_rule (channel, destination, source, program_id) values ($1, $2, $3, $4)
       on conflict (channel, destination, source) do nothing returning inbound_rule_id`,
      [...values, programId],
    );
    if (made.length > 0) return;
    const other = await firstRow<{ program_id: number; type: string }>(
      tx,
      `select p.program_id, p.type from inbound_rule r join program p on p.program_id = r.program_id
        where r.channel = $1 and r.destination = $2 and r.source = $3`,
      values,
    );
    const what = address === '' ? `What is left over of ${program.channel}` : `${program.channel} for ${address}`;
    const by = other ? `program ${other.program_id} (${other.type})` : 'another program';
    throw conflict(`${what} is received by ${by} already`, [
      { field: 'account_id', message: `is bound to ${by} already`, rule: 'unique' },
    ]);
  }

  /** The account has another phone or e-mail: its inbound programs follow. */
  async rebind(account: Pick<AccountAddress, 'account_id'>, tx: Tx): Promise<void> {
    const rows = await tx.query<{ program_id: number; type: string; data: Record<string, unknown> }>(
      PROGRAMS_OF_ACCOUNT,
      [account.account_id],
    );
    const receiving = rows.flatMap((row) => {
      const program = this.catalog.program(row.type);
      return program?.receives && row.data.account_id === account.account_id ? [{ ...row, program }] : [];
    });
    // All of them first: two programs may trade places.
    const ids = receiving.map((row) => row.program_id);
    await tx.query('delete from inbound_rule where program_id = any($1::int8[])', [ids]);
    for (const row of receiving) await this.bind(row.program, row.program_id, row.data, tx, false);
  }

  /** The program and the account that take a message; or why nobody does. */
  async match(address: MessageAddress, sql: Sql): Promise<Match | { unmatched: string }> {
    const { channel, source, destination } = address;
    const rows = await sql.query<RuleRow>(MATCHING, [channel, destination, source]);
    let unmatched = destination === '' ? 'no destination' : `no program receives ${channel} for ${destination}`;
    for (const row of rows) {
      const program = this.catalog.program(row.type);
      if (!program?.receives) {
        unmatched = `program ${row.program_id}: its type ${row.type} is not loaded`;
        continue;
      }
      const party = row.catch_all ? await this.accountAt(program, address, sql) : row;
      if (party?.account_id && party.owner_id) return matched(program, row, party.account_id, party.owner_id, party);
      unmatched = row.catch_all
        ? `no active account has ${program.receives.accountIs === 'source' ? source : destination}`
        : `program ${row.program_id}: its account or the account’s user is inactive`;
    }
    return { unmatched };
  }

  /** As {@link match}, for a message that an administrator gives to an account. */
  async matchFor(accountId: number, address: MessageAddress, sql: Sql): Promise<Match | { unmatched: string }> {
    const row = await firstRow<{ phone: string | null; email: string | null }>(
      sql,
      'select phone, email from account where account_id = $1',
      [accountId],
    );
    const own = this.normalize(address.channel, row ?? {});
    if (own === '') return { unmatched: `account ${accountId} has no ${fieldOf(address.channel)}` };
    const asDestination = await this.match({ ...address, destination: own }, sql);
    if (!('unmatched' in asDestination) && asDestination.account_id === accountId) return asDestination;
    const asSource = await this.match({ ...address, source: own }, sql);
    if (!('unmatched' in asSource) && asSource.account_id === accountId) return asSource;
    return 'unmatched' in asDestination
      ? asDestination
      : { unmatched: `${own} is received for account ${asDestination.account_id}` };
  }

  /** A number or address as rules have it; '' for none. */
  normalize(channel: Channel, party: { phone?: string | null; email?: string | null }): string {
    if (channel === 'email') return party.email?.trim().toLowerCase().slice(0, 128) ?? '';
    return normalizeCarrierPhone(party.phone, this.config.country)?.replace('+', '').slice(0, 128) ?? '';
  }

  private async accountAt(program: AnyProgram, address: MessageAddress, sql: Sql) {
    const own = program.receives?.accountIs === 'source' ? address.source : address.destination;
    if (own === '') return undefined;
    const values = address.channel === 'email' ? [null, own] : [own, null];
    return firstRow<Pick<RuleRow, 'account_id' | 'owner_id' | 'account'>>(sql, ACCOUNT_BY_ADDRESS, values);
  }

  private async accountNamed(actor: Actor, field: 'phone' | 'email', value: string, tx: Tx): Promise<number> {
    const digits = field === 'phone' ? this.normalize('sms', { phone: value }) : null;
    const row = await firstRow<{ account_id: number }>(
      tx,
      `select account_id from account
        where (phone_normalized in ($1::text, '+' || $1::text) or lower(email) = $2) and ($3::int8 is null or created_by = $3)
        order by active desc, account_id limit 1`,
      [digits, field === 'email' ? value.trim().toLowerCase() : null, actor.can('account_admin') ? null : actor.userId],
    );
    if (row) return row.account_id;
    throw invalid(field, `no account of yours has this ${field}; give one of your accounts`, 'exists');
  }

  /** What the rule must say; '' for a program without an account, undefined if the account has no address for it. */
  private async addressFor(
    program: AnyProgram,
    accountId: number | undefined,
    tx: Tx,
    required: boolean,
  ): Promise<string | undefined> {
    if (accountId === undefined) return '';
    // Locked, so that its address does not change between here and the commit.
    const row = await firstRow<{ phone: string | null; email: string | null }>(
      tx,
      'select phone, email from account where account_id = $1 for share',
      [accountId],
    );
    const address = this.normalize(program.channel, row ?? {});
    if (address !== '') return address;
    if (!required) return undefined;
    const field = fieldOf(program.channel);
    throw invalid('account_id', `account ${accountId} has no ${field}, which ${program.type} needs`, 'required');
  }
}

function fieldOf(channel: Channel): 'phone' | 'email' {
  return channel === 'email' ? 'email' : 'phone';
}

function matched(
  program: AnyProgram,
  row: RuleRow,
  account_id: number,
  owner_id: number,
  party: Pick<RuleRow, 'account'>,
): Match {
  const { program_id, program_name, data } = row;
  return { program, program_id, program_name, data, account_id, owner_id, account: party.account };
}
