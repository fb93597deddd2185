import {
  accepted,
  badRequest,
  type DeliveryReport,
  delivered,
  type Fact,
  failed,
  forbidden,
  type InboundMessage,
  notFound,
  type ProviderConfig,
  refused,
  type WebhookRequest,
  type WebhookResult,
} from '@ictcore/contract';
import { oneLine } from './kannel.outcome';
import type { KannelSettings } from './kannel.settings';
import { type Signer, sameText } from './kannel.signature';

/** Largest message that is taken; 255 parts of 140 octets fit. */
const MAX_BODY = 65_536;
/** Bits of a delivery report's type (Kannel user's guide, "Delivery Reports"). */
const DLR = { delivered: 1, failed: 2, queued: 4, accepted: 8, rejected: 16 } as const;

/** The URL that Kannel calls with the report of one message; `%d` and `%A` are Kannel's to fill in. */
export function reportUrl(base: string, signer: Signer, ref: string, segments: number): string {
  return `${base}/dlr?ref=${ref}&n=${segments}&sig=${signer.sign(ref, segments)}&type=%d&reply=%A`;
}

/** Takes a call of Kannel: `dlr` is a delivery report, `mo` an inbound message. Throws what the caller is answered. */
export function takeCallback(
  request: WebhookRequest,
  config: ProviderConfig<KannelSettings>,
  signer: Signer,
): WebhookResult {
  const events = [request.path === 'dlr' ? reportOf(request, signer) : inboundOf(request, config)];
  // Empty, because Kannel would send any text of the answer to the phone.
  return { events, status: 200, mediaType: 'text/plain', body: '' };
}

function reportOf({ query }: WebhookRequest, signer: Signer): DeliveryReport {
  const { ref = '', n = '', sig = '', type = '', reply = '' } = query;
  const segments = Number(n);
  if (!signer.isRight(ref, segments, sig)) throw forbidden('the signature of the delivery report is wrong');
  const bits = Number(type);
  if (!Number.isInteger(bits)) throw badRequest('type is no number');
  return { kind: 'report', ref, outcome: outcomeOf(bits, reply, ref, segments) };
}

function outcomeOf(bits: number, reply: string, ref: string, segments: number): DeliveryReport['outcome'] {
  const detail = detailOf(reply);
  if (bits & DLR.delivered) return delivered(ref, { detail: detail || 'delivered', amount: segments });
  if (bits & DLR.failed) {
    if (/stat:EXPIRED/i.test(reply)) return failed('timeout', detail, { ref });
    return /stat:REJECTD/i.test(reply)
      ? refused('rejected', detail, { ref })
      : failed('rejected', detail || 'not delivered', { ref });
  }
  if (bits & DLR.rejected) return rejection(reply, detail, ref);
  return accepted(ref, { detail });
}

/** Refused by the SMSC; the reply is `NACK/<status>/<words>`, the status an SMPP command status or empty. */
function rejection(reply: string, detail: string, ref: string): DeliveryReport['outcome'] {
  const status = Number(/NACK\/(0x[0-9a-f]{1,8}|\d{1,10})/i.exec(reply)?.[1]);
  if (status === 0x0b) return refused('invalid_destination', detail, { ref });
  if (status === 0x0a) return refused('rejected', detail, { ref });
  return failed('rejected', detail || 'rejected by the carrier', { ref });
}

/** `stat` and `err` of a receipt's text; other replies as they are. */
function detailOf(reply: string): string {
  const state = /\bstat:[ ]{0,3}(\w{1,12})/i.exec(reply)?.[1];
  if (state === undefined) return oneLine(reply);
  const error = /\berr:[ ]{0,3}(\w{1,12})/i.exec(reply)?.[1] ?? '';
  return /^0*$/.test(error) ? state : `${state} err:${error}`;
}

function inboundOf(request: WebhookRequest, { settings }: ProviderConfig<KannelSettings>): InboundMessage {
  const { path, query, body, headers } = request;
  if (path !== 'mo') throw notFound(`webhook ${path}`);
  const expected = settings.callback_secret;
  if (expected === undefined || !sameText(expected, query.token ?? '')) throw forbidden('the token is wrong');
  const { from = '', to = '', id = '' } = query;
  if (from === '' || to === '' || id === '') throw badRequest('from=%p, to=%P and id=%I are wanted in the post-url');
  if (body.length > MAX_BODY) throw badRequest(`more than ${MAX_BODY} octets`);
  const type = headers['content-type'];
  const text = textOf(body, Array.isArray(type) ? type[0] : type);
  const facts: Fact[] = text === undefined ? [{ type: 'message', name: 'binary', data: body.toString('hex') }] : [];
  return {
    kind: 'inbound',
    channel: 'sms',
    from: { phone: plus(from) },
    to: { phone: plus(to) },
    ref: `mo-${id.slice(0, 100)}`,
    body: text === undefined ? {} : { text },
    facts,
  };
}

/** A `+` that was not written as %2B has become a space on its way. */
function plus(number: string): string {
  return number.replace(/^ (?=\d)/, '+').trim();
}

/** The text by the charset of its Content-Type, UTF-8 if it names none; undefined for what is no text. */
function textOf(body: Buffer, contentType = 'text/plain'): string | undefined {
  if (!/^\s*text\//i.test(contentType)) return undefined;
  const charset = /charset\s*=\s*"?([\w-]{1,40})/i.exec(contentType)?.[1] ?? 'utf-8';
  try {
    return new TextDecoder(charset.replace(/^ucs-?2$|^iso-10646-ucs-2$/i, 'utf-16be'))
      .decode(body)
      .replaceAll('\0', '');
  } catch {
    throw badRequest(`the charset ${charset} is unknown`);
  }
}
