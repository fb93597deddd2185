import type { Readable } from 'node:stream';

/** One side of a transmission, as the carrier needs to see it. */
export interface Party {
  /** E.164 with a leading `+` where known, otherwise as typed (an extension, a short code); null if there is none. */
  phone: string | null;
  /** RFC 5322 addr-spec; null if there is none. */
  email: string | null;
  /** First and last name, for display names and caller id names; may be empty. */
  name: string;
}

/** A stored file that a driver may read as often as it likes while it holds the order. */
export interface FileRef {
  /** The name a recipient sees; never a path. */
  name: string;
  mediaType: string;
  /** Bytes. */
  size: number;
  open(): Promise<Readable>;
  /** The path of a local copy, for peers that read files themselves (Asterisk). Valid until the attempt ends. */
  localPath(): Promise<string>;
}

/** What every order carries. */
export interface OrderBase {
  /** The attempt's id: the idempotency key of this hand-over. */
  spoolId: number;
  transmissionId: number;
  /** 1 for the first attempt of a transmission. */
  attempt: number;
  accountId: number;
  campaignId: number | null;
  from: Party;
  to: Party;
}

/** A text message. */
export interface SmsOrder extends OrderBase {
  channel: 'sms';
  text: string;
  /** 3GPP TS 23.038 alphabet that the text needs. */
  encoding: 'gsm7' | 'ucs2' | 'binary';
  /** `flash` is message class 0 of 3GPP TS 23.038. */
  messageClass: 'normal' | 'flash';
  /** Parts the text takes: 160/153 septets or 70/67 UCS-2 units each (3GPP TS 23.040). */
  segments: number;
}

/** An e-mail. */
export interface EmailOrder extends OrderBase {
  channel: 'email';
  subject: string;
  html: string;
  /** The plain part; always present (derived from the HTML where the template has none). */
  text: string;
  attachments: readonly FileRef[];
  /** Set by the kernel where replies should not go to `from`. */
  replyTo: string | null;
  /** RFC 5322 Message-ID with angle brackets, the same for every hand-over of one attempt. */
  messageId: string;
  /** Further header fields (List-Unsubscribe, Auto-Submitted ...), free of CR and LF. */
  headers: Readonly<Record<string, string>>;
}

/** A fax. */
export interface FaxOrder extends OrderBase {
  channel: 'fax';
  /** TIFF class F (RFC 3949), one image per page. */
  document: FileRef;
  pages: number;
  /** Text of the header line printed on each page (47 CFR 68.318(d)). */
  header: string;
  /** Called subscriber identification, at most 20 characters (ITU-T T.30 CSI/TSI). */
  stationId: string;
  /** Error correction mode wanted (ITU-T T.30 annex A). */
  ecm: boolean;
}

/** A voice call that needs no decisions on the way: play or speak, then hang up. */
export interface VoiceOrder extends OrderBase {
  channel: 'voice';
  steps: readonly CallStep[];
  /** How long to let it ring, in milliseconds. */
  ringTimeoutMs: number;
}

/** A voice flow that the kernel decides step by step through a {@link Call}. */
export interface CallOrder extends OrderBase {
  channel: 'voice';
  ringTimeoutMs: number;
}

/** One thing to do on a call: the application's name (API section 4.8) and its resolved parameters. */
export interface CallStep {
  use: string;
  with: Readonly<Record<string, unknown>>;
  /** Files that the step plays or sends, by the parameter that names them. */
  files?: Readonly<Record<string, FileRef>>;
}

/** What {@link DriverSession.submit} may be given. */
export type Order = SmsOrder | EmailOrder | FaxOrder | VoiceOrder;
