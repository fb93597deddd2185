import { Readable } from 'node:stream';
import type { EmailOrder, FileRef } from '@ictcore/contract';
import type { SendMailOptions } from 'nodemailer';
import { mailAddress, oneLine, verpAddress } from './smtp.address';
import type { SmtpSettings } from './smtp.settings';

/** Header fields that the message itself decides; an order cannot replace them. */
const OWN_HEADERS =
  /^(from|sender|to|cc|bcc|reply-to|subject|date|message-id|mime-version|content-.*|received|return-path|dkim-signature)$/i;
/** RFC 5322 section 2.2 field name. */
const HEADER_NAME = /^[!-9;-~]{1,70}$/;
/** RFC 5322 section 2.1.1: 998 characters in a line, name included. */
const MAX_LINE = 900;

/** A mail that can be handed to nodemailer, or why it cannot be sent. */
export type Built = { readonly mail: SendMailOptions } | { readonly problem: 'sender' | 'recipient'; detail: string };

/** Makes the mail of an order. Attachments are opened when they are read. */
export function buildMail(order: EmailOrder, settings: SmtpSettings): Built {
  const account = mailAddress(order.from.email);
  const from = mailAddress(settings.from_address) ?? account;
  const to = mailAddress(order.to.email);
  if (from === undefined) return { problem: 'sender', detail: `no valid sender address: ${quoted(order.from.email)}` };
  if (to === undefined) return { problem: 'recipient', detail: `no valid address: ${quoted(order.to.email)}` };
  const replyTo = mailAddress(order.replyTo) ?? (account === from ? undefined : account);
  const bounces = mailAddress(settings.envelope_from) ?? from;
  const mail: SendMailOptions = {
    from: { name: oneLine(order.from.name), address: from },
    to: { name: oneLine(order.to.name), address: to },
    envelope: { from: settings.verp ? verpAddress(bounces, order.spoolId) : bounces, to: [to], size: leastSize(order) },
    ...(replyTo !== undefined && { replyTo: { name: oneLine(order.from.name), address: replyTo } }),
    dsn: { id: `spool${order.spoolId}`, return: 'headers' },
    messageId: oneLine(order.messageId),
    subject: oneLine(order.subject),
    text: order.text,
    html: order.html,
    headers: extraHeaders(order.headers),
    attachments: order.attachments.map((file) => ({
      filename: oneLine(file.name),
      contentType: oneLine(file.mediaType),
      content: lazyStream(file),
      // Otherwise the line ends of a text file would become CRLF. RFC 2046 section 5.2.1 forbids it for messages.
      ...(!/^(?:message|multipart)\//i.test(file.mediaType) && { contentTransferEncoding: 'base64' as const }),
    })),
    // The text of a template may never make the server read a file or fetch an address.
    disableFileAccess: true,
    disableUrlAccess: true,
    xMailer: false,
  };
  return { mail };
}

/** Fewer bytes than the mail will have (base64 alone): lets a server refuse what is too large before it is sent. */
function leastSize({ attachments }: EmailOrder): number {
  return attachments.reduce((sum, { size }) => sum + Math.ceil(size / 3) * 4, 0);
}

/** The order's own header fields, without those that would change who sends what to whom. */
function extraHeaders(headers: EmailOrder['headers']): NonNullable<SendMailOptions['headers']> {
  return Object.entries(headers)
    .filter(([name]) => HEADER_NAME.test(name) && !OWN_HEADERS.test(name))
    .map(([key, text]) => {
      const value = oneLine(text);
      // Written as it is: folding would put blanks into the addresses of List-Unsubscribe (RFC 8058).
      const prepared = /^[\x20-\x7e]*$/.test(value) && value.length < MAX_LINE;
      return { key, value: prepared ? { prepared: true, foldLines: false, value } : value };
    });
}

/** A stream that opens the stored file when it is first read, and closes it when it is given up. */
function lazyStream(file: FileRef): Readable {
  return Readable.from(
    (async function* () {
      const source = await file.open();
      try {
        for await (const chunk of source) yield chunk;
      } finally {
        source.destroy();
      }
    })(),
    { objectMode: false },
  );
}

function quoted(text: string | null): string {
  return text === null ? 'there is none' : JSON.stringify(text.slice(0, 320));
}
