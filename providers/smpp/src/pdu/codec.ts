import { COMMAND, commandName, HEADER_OCTETS, isResponse } from './command';
import { cStringSize, Malformed, OctetReader, OctetWriter } from './octets';
import type { BindBody, BindCommand, Decoded, MessageBody, Pdu, PduHeader } from './pdu';
import { ESME } from './status';
import { NO_TLVS, readTlvs, type Tlvs, tlvSize, writeTlvs } from './tlv';

/** Sizes of C-octet strings, NUL included (SMPP 3.4 section 5.2). */
const SIZE = {
  systemId: 16,
  password: 9,
  systemType: 13,
  addressRange: 41,
  serviceType: 6,
  address: 21,
  dataAddress: 65,
  time: 17,
  messageId: 65,
} as const;
/** Taken from peers that write longer ids than the specification has; the TLVs behind them set the bound. */
const LENIENT_ID = 256;
const MAX_SHORT_MESSAGE = 254;
const NO_OCTETS = Buffer.alloc(0);

/**
 * The octets of a PDU.
 *
 * @throws RangeError if a field does not fit: whoever builds PDUs checks user input before
 */
export function encodePdu(pdu: Pdu): Buffer {
  switch (pdu.command) {
    case COMMAND.bind_receiver:
    case COMMAND.bind_transmitter:
    case COMMAND.bind_transceiver:
      return encodeBind(pdu);
    case COMMAND.submit_sm:
    case COMMAND.deliver_sm:
      return encodeMessage(pdu);
    case COMMAND.data_sm:
      return encodeData(pdu);
    case COMMAND.bind_receiver_resp:
    case COMMAND.bind_transmitter_resp:
    case COMMAND.bind_transceiver_resp:
      return encodeAnswer(pdu, pdu.body.systemId, SIZE.systemId, pdu.body.tlvs);
    case COMMAND.submit_sm_resp:
    case COMMAND.deliver_sm_resp:
    case COMMAND.data_sm_resp:
      return encodeAnswer(pdu, pdu.body.messageId, SIZE.messageId, pdu.body.tlvs);
    default:
      return begin(pdu, 0).octets;
  }
}

function begin(pdu: PduHeader, bodyOctets: number): OctetWriter {
  const writer = new OctetWriter(HEADER_OCTETS + bodyOctets);
  writer.u32(HEADER_OCTETS + bodyOctets);
  writer.u32(pdu.command);
  writer.u32(pdu.status);
  writer.u32(pdu.sequence);
  return writer;
}

function encodeBind(pdu: PduHeader & { body: BindBody }): Buffer {
  const { body } = pdu;
  const size =
    cStringSize('system_id', body.systemId, SIZE.systemId) +
    cStringSize('password', body.password, SIZE.password) +
    cStringSize('system_type', body.systemType, SIZE.systemType) +
    cStringSize('address_range', body.addressRange, SIZE.addressRange) +
    3;
  const writer = begin(pdu, size);
  writer.cString(body.systemId);
  writer.cString(body.password);
  writer.cString(body.systemType);
  writer.u8(body.interfaceVersion);
  writer.u8(body.addrTon);
  writer.u8(body.addrNpi);
  writer.cString(body.addressRange);
  return writer.octets;
}

function encodeMessage(pdu: PduHeader & { body: MessageBody }): Buffer {
  const { body } = pdu;
  if (body.shortMessage.length > MAX_SHORT_MESSAGE) {
    throw new RangeError(`short_message takes ${MAX_SHORT_MESSAGE} octets at most, not ${body.shortMessage.length}`);
  }
  const strings =
    cStringSize('service_type', body.serviceType, SIZE.serviceType) +
    cStringSize('source_addr', body.sourceAddr, SIZE.address) +
    cStringSize('destination_addr', body.destAddr, SIZE.address) +
    cStringSize('schedule_delivery_time', body.scheduleTime, SIZE.time) +
    cStringSize('validity_period', body.validityPeriod, SIZE.time);
  const writer = begin(pdu, strings + 12 + body.shortMessage.length + tlvSize(body.tlvs));
  writeAddresses(writer, body);
  writer.u8(body.esmClass);
  writer.u8(body.protocolId);
  writer.u8(body.priority);
  writer.cString(body.scheduleTime);
  writer.cString(body.validityPeriod);
  writer.u8(body.registeredDelivery);
  writer.u8(body.replaceIfPresent);
  writer.u8(body.dataCoding);
  writer.u8(body.defaultMessageId);
  writer.u8(body.shortMessage.length);
  writer.bytes(body.shortMessage);
  writeTlvs(writer, body.tlvs);
  return writer.octets;
}

function encodeData(pdu: PduHeader & { body: MessageBody }): Buffer {
  const { body } = pdu;
  const strings =
    cStringSize('service_type', body.serviceType, SIZE.serviceType) +
    cStringSize('source_addr', body.sourceAddr, SIZE.dataAddress) +
    cStringSize('destination_addr', body.destAddr, SIZE.dataAddress);
  const writer = begin(pdu, strings + 7 + tlvSize(body.tlvs));
  writeAddresses(writer, body);
  writer.u8(body.esmClass);
  writer.u8(body.registeredDelivery);
  writer.u8(body.dataCoding);
  writeTlvs(writer, body.tlvs);
  return writer.octets;
}

function writeAddresses(writer: OctetWriter, body: MessageBody): void {
  writer.cString(body.serviceType);
  writer.u8(body.sourceTon);
  writer.u8(body.sourceNpi);
  writer.cString(body.sourceAddr);
  writer.u8(body.destTon);
  writer.u8(body.destNpi);
  writer.cString(body.destAddr);
}

function encodeAnswer(pdu: PduHeader, text: string, max: number, tlvs: Tlvs): Buffer {
  const writer = begin(pdu, cStringSize(commandName(pdu.command), text, max) + tlvSize(tlvs));
  writer.cString(text);
  writeTlvs(writer, tlvs);
  return writer.octets;
}

/**
 * Reads one whole PDU, as cut out by the framer. Never throws: what cannot be read comes back as a value with the
 * status to answer. Buffers in the result share memory with `octets`.
 */
export function decodePdu(octets: Buffer): Decoded {
  if (octets.length < HEADER_OCTETS) {
    const header = { command: 0, status: 0, sequence: 0 };
    return { ok: false, header, status: ESME.RINVCMDLEN, problem: 'shorter than a header' };
  }
  const header = {
    command: octets.readUInt32BE(4),
    status: octets.readUInt32BE(8),
    sequence: octets.readUInt32BE(12),
  };
  if (octets.readUInt32BE(0) !== octets.length) {
    return { ok: false, header, status: ESME.RINVCMDLEN, problem: 'its length field is wrong' };
  }
  const reader = new OctetReader(octets.subarray(HEADER_OCTETS));
  try {
    const pdu = decodeBody(header, reader);
    if (pdu !== undefined) return { ok: true, pdu };
    return { ok: false, header, status: ESME.RINVCMDID, problem: 'unknown command' };
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return { ok: false, header, status: ESME.RINVCMDLEN, problem: error.message };
  }
}

function decodeBody(header: PduHeader, reader: OctetReader): Pdu | undefined {
  const { command, status, sequence } = header;
  switch (command) {
    case COMMAND.submit_sm:
    case COMMAND.deliver_sm:
      return { command, status, sequence, body: decodeMessage(reader) };
    case COMMAND.data_sm:
      return { command, status, sequence, body: decodeData(reader) };
    case COMMAND.submit_sm_resp:
    case COMMAND.deliver_sm_resp:
    case COMMAND.data_sm_resp: {
      const messageId = answerText(reader, LENIENT_ID);
      return { command, status, sequence, body: { messageId, tlvs: readTlvs(reader, true) } };
    }
    case COMMAND.bind_receiver_resp:
    case COMMAND.bind_transmitter_resp:
    case COMMAND.bind_transceiver_resp: {
      const systemId = answerText(reader, LENIENT_ID);
      return { command, status, sequence, body: { systemId, tlvs: readTlvs(reader, true) } };
    }
    case COMMAND.bind_receiver:
    case COMMAND.bind_transmitter:
    case COMMAND.bind_transceiver:
      return decodeBind({ command, status, sequence }, reader);
    case COMMAND.unbind:
    case COMMAND.unbind_resp:
    case COMMAND.enquire_link:
    case COMMAND.enquire_link_resp:
    case COMMAND.generic_nack:
    case COMMAND.alert_notification:
      return { command, status, sequence, body: null };
    default:
      return undefined;
  }
}

/** Answers with an error may come without a body (SMPP 3.4 sections 4.1.2 and 4.4.2). */
function answerText(reader: OctetReader, max: number): string {
  return reader.left === 0 ? '' : reader.cString(max);
}

function decodeBind(header: PduHeader<BindCommand>, reader: OctetReader): Pdu {
  const body: BindBody = {
    systemId: reader.cString(SIZE.systemId),
    password: reader.cString(SIZE.password),
    systemType: reader.cString(SIZE.systemType),
    interfaceVersion: reader.u8(),
    addrTon: reader.u8(),
    addrNpi: reader.u8(),
    addressRange: reader.cString(SIZE.addressRange),
  };
  if (reader.left > 0) throw new Malformed('octets after the last field');
  return { ...header, body };
}

function decodeMessage(reader: OctetReader): MessageBody {
  // Written out in wire order: an object literal is evaluated from top to bottom.
  const body = {
    serviceType: reader.cString(SIZE.serviceType),
    sourceTon: reader.u8(),
    sourceNpi: reader.u8(),
    sourceAddr: reader.cString(SIZE.address),
    destTon: reader.u8(),
    destNpi: reader.u8(),
    destAddr: reader.cString(SIZE.address),
    esmClass: reader.u8(),
    protocolId: reader.u8(),
    priority: reader.u8(),
    scheduleTime: reader.cString(SIZE.time),
    validityPeriod: reader.cString(SIZE.time),
    registeredDelivery: reader.u8(),
    replaceIfPresent: reader.u8(),
    dataCoding: reader.u8(),
    defaultMessageId: reader.u8(),
  };
  const shortMessage = reader.take(reader.u8());
  return { ...body, shortMessage, tlvs: readTlvs(reader, false) };
}

function decodeData(reader: OctetReader): MessageBody {
  const read = {
    serviceType: reader.cString(SIZE.serviceType),
    sourceTon: reader.u8(),
    sourceNpi: reader.u8(),
    sourceAddr: reader.cString(SIZE.dataAddress),
    destTon: reader.u8(),
    destNpi: reader.u8(),
    destAddr: reader.cString(SIZE.dataAddress),
    esmClass: reader.u8(),
    registeredDelivery: reader.u8(),
    dataCoding: reader.u8(),
  };
  const missing = { protocolId: 0, priority: 0, scheduleTime: '', validityPeriod: '', replaceIfPresent: 0 };
  return { ...read, ...missing, defaultMessageId: 0, shortMessage: NO_OCTETS, tlvs: readTlvs(reader, false) };
}

/** The answer to a request, or generic_nack to what has none. */
export function responseTo(request: PduHeader, status: number): Pdu {
  const { sequence } = request;
  const body = { messageId: '', tlvs: NO_TLVS };
  switch (request.command) {
    case COMMAND.deliver_sm:
      return { command: COMMAND.deliver_sm_resp, status, sequence, body };
    case COMMAND.data_sm:
      return { command: COMMAND.data_sm_resp, status, sequence, body };
    case COMMAND.enquire_link:
      return { command: COMMAND.enquire_link_resp, status, sequence, body: null };
    case COMMAND.unbind:
      return { command: COMMAND.unbind_resp, status, sequence, body: null };
    default:
      return { command: COMMAND.generic_nack, status, sequence, body: null };
  }
}

/** True if a PDU that cannot be read must not be answered: an answer to an answer would go on for ever. */
export function isAnswer(header: PduHeader): boolean {
  return isResponse(header.command);
}
