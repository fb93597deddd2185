import { type Actor, invalid, notFound, type RouteReply, type RouteRequest, wrongState } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { AccountService } from '../accounts';
import { Database } from '../database/database';
import type { ListQuery } from '../database/list-query';
import { OwnedRepository } from '../database/owned-repository';
import { downloadReply, MediaStorage } from '../media';
import { InboundService } from './inbound.service';
import { InboundRules } from './inbound-rules';
import { InboundTaker } from './inbound-taker';
import { InboundUnmatched } from './unmatched.model';
import { type UnmatchedRead, unmatchedSpec } from './unmatched.schema';
import { lockUnmatched, unmatchedFiles } from './unmatched.sql';

/** Messages that nobody takes, as administrators see them. */
@scoped(Lifecycle.ContainerScoped)
export class UnmatchedService {
  private readonly repository: OwnedRepository<UnmatchedRead>;

  constructor(
    @inject(Database) private readonly database: Database,
    @inject(MediaStorage) private readonly storage: MediaStorage,
    @inject(InboundService) private readonly inbound: InboundService,
    @inject(InboundRules) private readonly rules: InboundRules,
    @inject(InboundTaker) private readonly taker: InboundTaker,
    @inject(AccountService) private readonly accounts: AccountService,
  ) {
    this.repository = new OwnedRepository(database, unmatchedSpec, database.sequelize.getRepository(InboundUnmatched));
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

  /** Its files go after the commit. */
  remove(actor: Actor, id: number): Promise<void> {
    return this.database.transaction(async (tx) => {
      await this.repository.lock(actor, id, tx);
      const files = await unmatchedFiles(tx, id);
      this.storage.deleteAfterCommit(
        tx,
        files.map((file) => file.key),
      );
      await this.repository.remove(actor, id, tx);
    });
  }

  /**
   * Gives it to an account: matched anew as if it had been sent there. Returns the transmission's id.
   *
   * @throws 412 for an account that the actor may not see; 423 if the account has no program that takes it
   */
  assign(actor: Actor, id: number, accountId: number): Promise<number> {
    return this.database.transaction(async (tx) => {
      const found = await lockUnmatched(tx, id);
      if (!found) throw notFound('Message');
      await this.accounts.repository.requireVisible(actor, 'account_id', [accountId], tx);
      const { message, providerId } = found;
      const match = await this.rules.matchFor(accountId, this.inbound.addressOf(message), tx);
      if ('unmatched' in match) throw wrongState(`Account ${accountId} cannot have it: ${match.unmatched}`);
      if (match.account_id !== accountId) throw invalid('account_id', 'receives nothing of this kind', 'exists');
      const taken = await this.taker.take(tx, providerId, message, match);
      await tx.query('delete from inbound_unmatched where unmatched_id = $1', [id]);
      if (!taken.keepsFiles) {
        this.storage.deleteAfterCommit(
          tx,
          message.files.map((file) => file.key),
        );
      }
      return taken.transmissionId;
    });
  }

  /** File `n` of it, from 1. */
  async download(actor: Actor, id: number, n: number, headers: RouteRequest['headers']): Promise<RouteReply> {
    await this.repository.get(actor, id);
    const file = (await unmatchedFiles(this.database, id))[n - 1];
    if (!file) throw notFound('Media');
    const { name, mediaType, size, key } = file;
    const open = (range?: { start: number; end: number }) => this.storage.open(key, range);
    return downloadReply({ name, mediaType, size, version: key, open }, headers, { inline: false });
  }
}
