import type { Logger } from '@ictcore/contract';
import { Journal } from './journal';
import { Reassembler } from './reassembler';
import { ReceiptLedger } from './receipt-ledger';
import { RedeliveryGuard } from './redelivery';

/** What a provider's sessions remember together. */
export interface Stores {
  ledger: ReceiptLedger;
  reassembler: Reassembler;
  guard: RedeliveryGuard;
  /** Sessions of this provider whose link is up. */
  bound: Set<object>;
}

interface Shared {
  users: number;
  journals: Journal[];
  stores: Promise<Stores>;
}

/**
 * By folder. When a provider's row is changed, its old session goes on for a moment beside the new one: a receipt that
 * comes to one may be of a message that the other sent. This is no global state of the process: each provider of each
 * data directory has its own.
 */
const shared = new Map<string, Shared>();
/** Receipts are awaited two days, and midnight may lie between. */
const RECEIPT_DAYS = 3;
/** Parts wait a day at most, and are remembered as long again. */
const PART_DAYS = 4;

/** Opens what the sessions of one provider share; every `open` needs one {@link releaseStores}. */
export function openStores(folder: string, reassemblyMs: number, log: Logger): Promise<Stores> {
  const known = shared.get(folder);
  if (known) {
    known.users += 1;
    return known.stores;
  }
  const receipts = new Journal(folder, 'receipts', RECEIPT_DAYS, log);
  const parts = new Journal(folder, 'parts', PART_DAYS, log);
  const stores = {
    ledger: new ReceiptLedger(receipts),
    reassembler: new Reassembler(parts),
    guard: new RedeliveryGuard(),
    bound: new Set<object>(),
  };
  const loaded = Promise.all([stores.ledger.load(), stores.reassembler.load(reassemblyMs)]).then(
    () => stores,
    (error: unknown) => {
      // Sending goes on: without its memory the last part's receipt decides.
      log.error({ error, folder }, 'smpp: the journal cannot be read');
      return stores;
    },
  );
  shared.set(folder, { users: 1, journals: [receipts, parts], stores: loaded });
  return loaded;
}

/** Closes the files after the last user. */
export async function releaseStores(folder: string): Promise<void> {
  const known = shared.get(folder);
  if (!known) return;
  known.users -= 1;
  if (known.users > 0) return;
  shared.delete(folder);
  await Promise.all(known.journals.map((journal) => journal.close()));
}
