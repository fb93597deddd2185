export { type BrokenRow, type CampaignSums, checkLedger, type LedgerReport, type Sums } from './ledger-check';
