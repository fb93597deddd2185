export { applyPrefix, inboundNumber } from './address';
export { alphabetOf, decodeText } from './alphabet';
export { fingerprintOf, payloadOf, userDataOf } from './incoming';
export { buildMessage, type Outgoing } from './outgoing';
export { isFlaggedReceipt, outcomeOfReceipt, type Receipt, receiptOf, refOfReceipt, refOfResponse } from './receipt';
