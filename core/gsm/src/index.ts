/**
 * SMS text: the GSM 7 bit alphabet, UCS-2, and how a text is cut into messages (3GPP TS 23.038 and TS 23.040).
 *
 * @packageDocumentation
 */
export { decodeGsm7, encodeGsm7, packSeptets, unpackSeptets } from './gsm7';
export {
  detectEncoding,
  MAX_SEGMENTS,
  SEGMENT_UNITS,
  type SegmentedText,
  type SmsEncoding,
  segmentText,
} from './segments';
export { decodeUcs2, encodeUcs2 } from './ucs2';
