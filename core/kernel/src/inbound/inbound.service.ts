import { createHash } from 'node:crypto';
import type { InboundMessage, Logger } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { Config } from '../boot/config';
import { CONFIG, LOG } from '../boot/injection';
import { Database, type Tx } from '../database/database';
import { MediaStorage } from '../media';
import { InboundRules, type MessageAddress } from './inbound-rules';
import { InboundTaker } from './inbound-taker';
import { discardFiles, type ReceivedMessage, receivedMessage, storeFiles } from './received-message';
import { keepUnmatched } from './unmatched.sql';

/** Longest reference that is kept as it is; of a longer one a hash is, since it is a key. */
const MAX_REF = 200;

const SEEN = 'select 1 from inbound_seen where provider_id = $1 and ref = $2';
const SEE = 'insert into inbound_seen (provider_id, ref) values ($1, $2) on conflict do nothing returning 1';

/** Takes what providers bring: once each, for whoever it is meant (API section 3.10), or kept for administrators. */
@scoped(Lifecycle.ContainerScoped)
export class InboundService {
  constructor(
    @inject(Database) private readonly database: Database,
    @inject(MediaStorage) private readonly storage: MediaStorage,
    @inject(InboundRules) private readonly rules: InboundRules,
    @inject(InboundTaker) private readonly taker: InboundTaker,
    @inject(CONFIG) private readonly config: Config,
    @inject(LOG) private readonly log: Logger,
  ) {}

  /**
   * Resolves when the message is stored for good, or had been before: the same `ref` of a provider counts once, also
   * across a crash, because its mark is committed with what it led to.
   */
  async receive(providerId: number, given: InboundMessage): Promise<void> {
    const ref = refKey(given.ref);
    if ((await this.database.query(SEEN, [providerId, ref])).length > 0) return;
    // The files first: a row never refers to a file that is not on the disk. What a crash leaves is swept.
    const files = await storeFiles(this.storage, given);
    let kept = false;
    try {
      const message = receivedMessage(given, files, this.config.country);
      kept = await this.database.transaction(async (tx) => {
        // Another delivery of the same message waits here for this one's commit.
        if ((await tx.query(SEE, [providerId, ref])).length === 0) return false;
        return this.place(tx, providerId, message);
      });
    } finally {
      if (!kept) discardFiles(this.storage, files);
    }
  }

  /** The two sides of a message as rules compare them. */
  addressOf(message: ReceivedMessage): MessageAddress {
    const { channel } = message;
    return {
      channel,
      source: this.rules.normalize(channel, message.from),
      destination: this.rules.normalize(channel, message.to),
    };
  }

  /** True if the message's files belong to a row now. */
  private async place(tx: Tx, providerId: number, message: ReceivedMessage): Promise<boolean> {
    const match = await this.rules.match(this.addressOf(message), tx);
    if (!('unmatched' in match)) return (await this.taker.take(tx, providerId, message, match)).keepsFiles;
    const unmatchedId = await keepUnmatched(tx, providerId, message, match.unmatched);
    tx.afterCommit(() =>
      this.log.warn(
        { provider_id: providerId, unmatched_id: unmatchedId, reason: match.unmatched },
        'nobody takes a message that came in; GET /inbound/unmatched shows it',
      ),
    );
    return true;
  }
}

function refKey(ref: string): string {
  const bare = ref.replaceAll('\0', '');
  return bare.length <= MAX_REF ? bare : `sha256:${createHash('sha256').update(ref).digest('hex')}`;
}
