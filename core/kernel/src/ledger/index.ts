export { campaignProgress } from './campaign-progress';
export { type BrokenRow, type CampaignSums, checkLedger, type LedgerReport, type Sums } from './ledger-check';
export { readLedger } from './reader';
