/** Command ids of SMPP 3.4 section 5.1.2.1 that this client knows. */
export const COMMAND = {
  bind_receiver: 0x01,
  bind_transmitter: 0x02,
  submit_sm: 0x04,
  deliver_sm: 0x05,
  unbind: 0x06,
  bind_transceiver: 0x09,
  enquire_link: 0x15,
  alert_notification: 0x102,
  data_sm: 0x103,
  generic_nack: 0x80000000,
  bind_receiver_resp: 0x80000001,
  bind_transmitter_resp: 0x80000002,
  submit_sm_resp: 0x80000004,
  deliver_sm_resp: 0x80000005,
  unbind_resp: 0x80000006,
  bind_transceiver_resp: 0x80000009,
  enquire_link_resp: 0x80000015,
  data_sm_resp: 0x80000103,
} as const;

/** Set in the command id of every answer. */
export const RESPONSE = 0x80000000;

/** Octets of the header: length, command id, status, sequence number (SMPP 3.4 section 3.2). */
export const HEADER_OCTETS = 16;

/** Longest PDU that is taken: a message_payload of 64 KB and all mandatory fields, with room to spare. */
export const MAX_PDU_OCTETS = 70_000;

/** Highest sequence number (SMPP 3.4 section 5.1.4). */
export const MAX_SEQUENCE = 0x7fffffff;

/** The name of a command id, for logs. */
export function commandName(command: number): string {
  for (const [name, id] of Object.entries(COMMAND)) if (id === command) return name;
  return `0x${command.toString(16)}`;
}

/** True for an answer: bit 31 of the command id is set. */
export function isResponse(command: number): boolean {
  return command >= RESPONSE;
}
