import { z } from '@ictcore/contract';

const ton = z.int().min(0).max(7);
const npi = z.int().min(0).max(18);
const plain = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^[\x20-\x7e]*$/, 'plain characters only');
const seconds = (fallback: number, max = 3600) => z.number().min(0.05).max(max).default(fallback);

/** Settings of an SMPP provider (`settings` of the provider row). */
export const smppSettings = z.object({
  bind_mode: z.enum(['transceiver', 'transmitter_receiver', 'transmitter']).default('transceiver').meta({
    description:
      'transceiver: one link both ways; transmitter_receiver: two links; transmitter: sends only, no receipts come',
  }),
  system_type: plain(12).default('').meta({ description: 'system_type of the bind, if the carrier names one' }),
  address_range: plain(40)
    .default('')
    .meta({ description: 'address_range of the bind: numbers this link receives for' }),
  tls: z.boolean().default(false).meta({ description: 'TLS from the first octet' }),
  ca: z.string().optional().meta({ description: 'Certificates to trust in place of the public ones (PEM)' }),
  reject_unauthorized: z.boolean().default(true).meta({ description: 'False trusts any certificate: for tests only' }),
  window: z.int().min(1).max(1000).default(20).meta({ description: 'Messages on their way without an answer' }),
  per_second: z.number().positive().max(10_000).optional().meta({
    description: 'Most submit_sm per second on this link; every part of a long message counts',
  }),
  connect_timeout_seconds: seconds(10, 120),
  response_timeout_seconds: seconds(20, 300).meta({ description: 'Longest wait for the answer to any PDU' }),
  enquire_link_seconds: seconds(30).meta({ description: 'Silence after which the carrier is asked if it is there' }),
  reconnect_max_seconds: seconds(60).meta({ description: 'Longest pause between tries to connect' }),
  login_retry_seconds: seconds(60).meta({
    description: 'Pause after a refused login, up to ten times as much: carriers lock accounts',
  }),
  in_flight_policy: z.enum(['unknown', 'resend']).default('unknown').meta({
    description:
      'Messages whose answer never came because the link broke. unknown: recorded as such, never sent again; resend: sent again (at most 3 times), and may arrive twice',
  }),
  source_addr: plain(20).optional().meta({ description: 'Sender of every message, in place of the account’s number' }),
  source_ton: ton.optional().meta({ description: 'Type of the sender’s number; by its form if not set' }),
  source_npi: npi.optional().meta({ description: 'Numbering plan of the sender; by its form if not set' }),
  dest_ton: ton.optional().meta({ description: 'Type of the recipient’s number; 1 for +…, else 0, if not set' }),
  dest_npi: npi.optional().meta({ description: 'Numbering plan of the recipient; 1 if not set' }),
  service_type: plain(5).default(''),
  validity_period: z.int().min(60).max(2_592_000).optional().meta({
    description: 'Seconds that the carrier tries to deliver; its own default if not set',
  }),
  registered_delivery: z.enum(['receipt', 'failure', 'none']).default('receipt').meta({
    description: 'Receipts to ask for: every end, failures only, or none (then taken by the carrier is delivered)',
  }),
  receipt_parts: z.enum(['all', 'last']).default('all').meta({
    description:
      'Receipts of a long message: all: of each part, delivered when all are; last: asked for and decided by the last part alone',
  }),
  message_id_format: z.enum(['same', 'hex_then_decimal', 'decimal_then_hex']).default('same').meta({
    description: 'How the id is written in submit_sm_resp and then in the receipt, where the carrier’s two differ',
  }),
  receipt_id_from: z.enum(['tlv', 'text']).default('tlv').meta({
    description: 'tlv: receipted_message_id where there is one, else the id: of the text; text: always the text’s',
  }),
  receipts_without_flag: z.boolean().default(false).meta({
    description:
      'Takes texts that look like receipts for receipts though esm_class does not say so. Anybody could then write false ones',
  }),
  concatenation: z.enum(['udh', 'sar', 'payload']).default('udh').meta({
    description: 'Long texts: user data header, SAR parameters, or whole in message_payload for the carrier to cut',
  }),
  default_alphabet: z.enum(['gsm7', 'latin1']).default('gsm7').meta({
    description: 'What data_coding 0 means to the carrier: GSM 03.38 or ISO 8859-1',
  }),
  flash_by: z.enum(['data_coding_10', 'data_coding_f0', 'dest_addr_subunit']).default('data_coding_10').meta({
    description: 'How a flash message is marked: data_coding 0x10/0x18, 0xF0, or the parameter dest_addr_subunit',
  }),
  inbound_numbers: z.enum(['by_ton', 'international', 'as_is']).default('by_ton').meta({
    description: 'Numbers of inbound messages that get a +: those of type 1, all of 7 digits or more, or none',
  }),
  reassembly_seconds: z.int().min(10).max(86_400).default(3600).meta({
    description: 'How long the parts of an inbound message wait for each other; then it is taken without the rest',
  }),
});

/** {@link smppSettings}, parsed. */
export type SmppSettings = z.output<typeof smppSettings>;
