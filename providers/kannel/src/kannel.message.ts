import { type Refused, refused, type SmsOrder } from '@ictcore/contract';
import { destinationOf } from './kannel.number';
import type { KannelSettings } from './kannel.settings';

/** Values of `coding` in sendsms. */
const CODING = { gsm7: '0', binary: '1', ucs2: '2' } as const;
/** dlr-mask: every end, and the carrier's taking it (1 + 2 + 8 + 16). What is only queued is no news. */
const DLR_MASK = '27';
const MAX_SENDER = 20;

/** Where reports go; undefined if none are asked for. */
export type ReportUrl = (ref: string, segments: number) => string;

/** The reference of an order in its reports: Kannel's HTTP interface gives none of its own. */
export function refOf(order: SmsOrder): string {
  return `spool-${order.spoolId}`;
}

/**
 * The query of sendsms for an order (Kannel user's guide, section "SMS-PUSH: Using GET"), without credentials; or why
 * it can never be sent. Kannel itself cuts long texts (`concatenation = true` in its sendsms-user).
 */
export function queryOf(
  order: SmsOrder,
  prefix: string,
  settings: KannelSettings,
  reportUrl: ReportUrl | undefined,
): string | Refused {
  const to = destinationOf(order.to.phone, prefix);
  if (to === undefined) return refused('invalid_destination', `${order.to.phone ?? 'no number'} cannot be dialled`);
  const from = settings.source_addr ?? order.from.phone ?? '';
  if (from.length > MAX_SENDER) return refused('rejected', `${from} is too long for a sender`);
  if (order.segments > settings.max_messages) {
    return refused('media_rejected', `${order.segments} parts, more than Kannel's max-messages`);
  }
  const text = textOf(order);
  if (text === undefined) return refused('media_rejected', 'a binary message of characters above U+00FF');
  const fields: [string, string][] = [['to', to]];
  if (from !== '') fields.push(['from', from]);
  if (order.messageClass === 'flash') fields.push(['mclass', '0']);
  if (settings.smsc !== undefined) fields.push(['smsc', settings.smsc]);
  if (settings.validity_period !== undefined) {
    fields.push(['validity', String(Math.ceil(settings.validity_period / 60))]);
  }
  if (reportUrl) fields.push(['dlr-mask', DLR_MASK], ['dlr-url', reportUrl(refOf(order), order.segments)]);
  return `${new URLSearchParams(fields)}&${text}`;
}

/** Text, coding and charset; undefined for binary text that is not one octet per character. */
function textOf({ text, encoding }: SmsOrder): string | undefined {
  if (encoding !== 'binary') {
    const fields = new URLSearchParams({ coding: CODING[encoding], charset: 'UTF-8', text });
    return String(fields);
  }
  if (/[^\0-\xff]/.test(text)) return undefined;
  const octets = Buffer.from(text, 'latin1').toString('hex').replace(/../g, '%$&');
  return `coding=${CODING.binary}&text=${octets}`;
}
