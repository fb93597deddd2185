/**
 * The ICTCore kernel.
 *
 * @packageDocumentation
 */
export { type Config, configKeys, configSchema, loadConfig } from './boot/config';
export { type Booted, Kernel, type KernelOptions } from './boot/kernel';
export { createLogger, type LogTarget } from './boot/logger';
export type { CampaignRow } from './campaigns/campaign.schema';
export {
  type BrokenRow,
  type CampaignSums,
  campaignProgress,
  checkLedger,
  type LedgerReport,
  readLedger,
} from './ledger';
