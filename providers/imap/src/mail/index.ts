/**
 * A mail taken apart, the same for every way in. This folder is kept byte for byte the same in the packages that take
 * mail in (a test compares them), because providers do not import each other.
 */
export { type DeliveryStatus, isHardBounce, parseDeliveryStatus, type StatusOfRecipient } from './delivery-status';
export {
  plainAddress,
  plainDomain,
  type SplitAddress,
  splitAddress,
  spoolOfEnvelopeId,
  spoolOfVerp,
} from './mail-address';
export { automaticReason, fact, mailFacts } from './mail-facts';
export { fileOf, makeMailFolder, removeMailFolder, removeStaleMail } from './mail-folder';
export { parseMail, UnreadableMail } from './mail-parser';
export type { FilePlace, ParsedMail } from './parsed-mail';
