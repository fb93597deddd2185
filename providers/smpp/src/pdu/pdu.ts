import type { COMMAND } from './command';
import type { Tlvs } from './tlv';

type Commands = typeof COMMAND;
/** The three ways to bind. */
export type BindCommand = Commands['bind_receiver' | 'bind_transmitter' | 'bind_transceiver'];
type BindResponse = Commands['bind_receiver_resp' | 'bind_transmitter_resp' | 'bind_transceiver_resp'];
type MessageCommand = Commands['submit_sm' | 'deliver_sm' | 'data_sm'];
type MessageResponse = Commands['submit_sm_resp' | 'deliver_sm_resp' | 'data_sm_resp'];
type EmptyCommand = Commands[
  | 'unbind'
  | 'unbind_resp'
  | 'enquire_link'
  | 'enquire_link_resp'
  | 'generic_nack'
  | 'alert_notification'];

/** Body of a bind (SMPP 3.4 section 4.1). */
export interface BindBody {
  systemId: string;
  password: string;
  systemType: string;
  /** 0x34 for SMPP 3.4. */
  interfaceVersion: number;
  addrTon: number;
  addrNpi: number;
  addressRange: string;
}

/** Body of submit_sm and deliver_sm (SMPP 3.4 sections 4.4 and 4.6); data_sm fills what it has. */
export interface MessageBody {
  serviceType: string;
  sourceTon: number;
  sourceNpi: number;
  sourceAddr: string;
  destTon: number;
  destNpi: number;
  destAddr: string;
  esmClass: number;
  protocolId: number;
  priority: number;
  scheduleTime: string;
  validityPeriod: string;
  registeredDelivery: number;
  replaceIfPresent: number;
  dataCoding: number;
  defaultMessageId: number;
  /** At most 254 octets. Empty where the text is in the TLV message_payload. */
  shortMessage: Buffer;
  tlvs: Tlvs;
}

/** First four fields of a PDU, without its length. */
export interface PduHeader<C extends number = number> {
  command: C;
  status: number;
  /** 1 to 0x7fffffff. */
  sequence: number;
}

/** A PDU with its body. */
export type Pdu =
  | (PduHeader<BindCommand> & { body: BindBody })
  | (PduHeader<BindResponse> & { body: { systemId: string; tlvs: Tlvs } })
  | (PduHeader<MessageCommand> & { body: MessageBody })
  | (PduHeader<MessageResponse> & { body: { messageId: string; tlvs: Tlvs } })
  | (PduHeader<EmptyCommand> & { body: null });

/** A submit_sm, deliver_sm or data_sm. */
export type MessagePdu = Extract<Pdu, { body: MessageBody }>;

/** A PDU that cannot be read: what to answer, and why. `header` may hold a command nobody knows. */
export interface BrokenPdu {
  header: PduHeader;
  /** Command status for the answer (SMPP 3.4 section 5.1.3). */
  status: number;
  problem: string;
}

/** What {@link decodePdu} gives: it never throws. */
export type Decoded = { ok: true; pdu: Pdu } | ({ ok: false } & BrokenPdu);
