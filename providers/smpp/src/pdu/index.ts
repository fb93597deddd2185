export { decodePdu, encodePdu, isAnswer, responseTo } from './codec';
export {
  COMMAND,
  commandName,
  HEADER_OCTETS,
  isResponse,
  MAX_PDU_OCTETS,
  MAX_SEQUENCE,
  RESPONSE as RESPONSE_BIT,
} from './command';
export { type Frames, PduFramer } from './framer';
export type { BindBody, BindCommand, BrokenPdu, Decoded, MessageBody, MessagePdu, Pdu, PduHeader } from './pdu';
export { ESME, isBadLogin, meaningOf, type StatusMeaning, statusText } from './status';
export { NO_TLVS, octet, TAG, type Tlvs, tlvNumber, tlvText, word } from './tlv';
