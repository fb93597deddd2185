export type { Part, Whole } from './reassembler';
export type { GroupInProgress, ReceiptLedger, Verdict } from './receipt-ledger';
export { openStores, releaseStores, type Stores } from './stores';
