/** One recipient of a delivery status notification (RFC 3464 section 2.3). */
export interface StatusOfRecipient {
  /** The address as the reporting server knows it, without its type. */
  readonly recipient: string;
  /** `failed`, `delayed`, `delivered`, `relayed` or `expanded`. */
  readonly action: string;
  /** RFC 3463 enhanced status, e.g. `5.1.1`. */
  readonly status: string;
  /** The remote server's own words; empty if it said none. */
  readonly diagnostic: string;
}

/** A delivery status notification. */
export interface DeliveryStatus {
  /** ENVID of the mail that it is about (RFC 3461); empty if it names none. */
  readonly envelopeId: string;
  readonly recipients: readonly StatusOfRecipient[];
}

/** Recipients read at most: a mail of ours has one. */
const MAX_RECIPIENTS = 100;

/** Reads the text of a `message/delivery-status` part; undefined if it names no recipient with a status. */
export function parseDeliveryStatus(text: string): DeliveryStatus | undefined {
  const blocks = text
    .replace(/\r\n?/g, '\n')
    .split(/\n[ \t]*\n/)
    .map(fieldsOf)
    .filter((fields) => fields.size > 0);
  const recipients = blocks
    .filter((fields) => fields.has('final-recipient') || fields.has('original-recipient'))
    .slice(0, MAX_RECIPIENTS)
    .map((fields) => ({
      recipient: withoutType(fields.get('final-recipient') ?? fields.get('original-recipient') ?? ''),
      action: (fields.get('action') ?? '').toLowerCase(),
      status: /\d\.\d{1,3}\.\d{1,3}/.exec(fields.get('status') ?? '')?.[0] ?? '',
      diagnostic: withoutType(fields.get('diagnostic-code') ?? ''),
    }));
  if (recipients.length === 0) return undefined;
  return { envelopeId: blocks[0]?.get('original-envelope-id') ?? '', recipients };
}

/** Whether a failure is for good: by its class (RFC 3463 section 3.1), by its action where it names none. */
export function isHardBounce({ status, action }: StatusOfRecipient): boolean {
  return status === '' ? action === 'failed' : status.startsWith('5');
}

function fieldsOf(block: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of block.replace(/\n[ \t]+/g, ' ').split('\n')) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).trim().toLowerCase();
    if (name !== '' && !fields.has(name)) fields.set(name, line.slice(colon + 1).trim());
  }
  return fields;
}

/** `rfc822; anna@example.org` is `anna@example.org`. */
function withoutType(value: string): string {
  return value.replace(/^[a-z0-9-]+\s*;\s*/i, '');
}
