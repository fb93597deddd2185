import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { FileRef } from '@ictcore/contract';
import type { AddressObject, AttachmentStream, EmailAddress, HeaderLines, Headers, MailParser } from 'mailparser';
import { type DeliveryStatus, parseDeliveryStatus } from './delivery-status';
import { fileOf } from './mail-folder';
import type { FilePlace, ParsedMail } from './parsed-mail';

/** A mail that no waiting makes readable: too many parts, too much header. Message for people. */
export class UnreadableMail extends Error {
  override readonly name = 'UnreadableMail';
}

/** Longest HTML that is turned into a plain text for mails that bring none, in characters. */
const MAX_HTML_TO_TEXT = 1_000_000;
/** Largest `message/delivery-status` that is read, in bytes. */
const MAX_STATUS_BYTES = 262_144;
const MAX_NAME = 200;
const ADDRESS_FIELDS = ['from', 'to', 'cc', 'reply-to', 'sender', 'delivered-to', 'return-path'];

/**
 * Takes a mail apart as it is read; what is attached goes into files in `folder`, so that memory holds no more than its
 * text. The parser is loaded with the first mail: it takes 20 MB.
 *
 * @throws UnreadableMail for more than `maxFiles` files or parts and headers beyond all measure
 */
export async function parseMail(source: Readable, folder: string, maxFiles: number): Promise<ParsedMail> {
  const { MailParser } = await import('mailparser');
  const parser = new MailParser({
    keepDeliveryStatus: true,
    skipTextToHtml: true,
    skipTextLinks: true,
    ignoreEmbedded: true,
    maxHtmlLengthToParse: MAX_HTML_TO_TEXT,
    checksumAlgo: false,
  });
  const parts = new Parts(folder, maxFiles);
  const stop = new AbortController();
  // A part that is being written would wait for ever for a source that broke.
  let failure: Error | undefined;
  parser.once('error', (error: Error) => {
    failure = error;
    stop.abort();
  });
  source.once('error', (error) => parser.destroy(error));
  source.pipe(parser);
  let text = '';
  let html = '';
  try {
    for await (const part of parser as AsyncIterable<
      AttachmentStream | { type: 'text'; text?: string; html?: string }
    >) {
      if (part.type === 'attachment') {
        await parts.take(part, stop.signal);
      } else {
        text = part.text ?? '';
        html = part.html ?? '';
      }
    }
  } catch (error) {
    if (error instanceof UnreadableMail) throw error;
    const cause = failure ?? (error as Error);
    throw (cause as { code?: unknown }).code === 'EMAXLEN' ? new UnreadableMail(cause.message) : cause;
  } finally {
    source.destroy();
    parser.destroy();
  }
  return mailOf(parser, parts, text.trim() === '' ? await textOfHtml(html) : text, html);
}

/**
 * The parser makes a plain text of HTML only where the HTML is all of the mail, not beside attachments: so it is given
 * the HTML once more, as all of a mail. It knows how to stop at markup that would cost too much.
 */
async function textOfHtml(html: string): Promise<string> {
  if (html === '' || html.length > MAX_HTML_TO_TEXT) return '';
  const { simpleParser } = await import('mailparser');
  const mail = Buffer.from(`Content-Type: text/html; charset=utf-8\r\n\r\n${html}`);
  const { text } = await simpleParser(mail, { skipTextToHtml: true, skipImageLinks: true, checksumAlgo: false });
  return text ?? '';
}

/** Files of a mail as they come. */
class Parts {
  readonly files: FileRef[] = [];
  readonly places: FilePlace[] = [];
  status: DeliveryStatus | undefined;

  constructor(
    private readonly folder: string,
    private readonly maxFiles: number,
  ) {}

  async take(part: AttachmentStream, signal: AbortSignal): Promise<void> {
    if (this.files.length >= this.maxFiles) throw new UnreadableMail(`more than ${this.maxFiles} files in one mail`);
    const path = join(this.folder, `part-${this.files.length + 1}`);
    await pipeline(part.content, createWriteStream(path, { mode: 0o600 }), { signal });
    const size = part.size ?? 0;
    const mediaType = /^[\w.+-]+\/[\w.+-]+$/.test(part.contentType) ? part.contentType.toLowerCase() : OCTETS;
    const name = nameOf(part, mediaType, this.files.length + 1);
    if (/^message\/(global-)?delivery-status$/.test(mediaType) && size <= MAX_STATUS_BYTES) {
      this.status ??= parseDeliveryStatus(await readFile(path, 'utf8'));
    }
    this.files.push(fileOf(path, name, mediaType, size));
    this.places.push({
      name,
      disposition: (part.contentDisposition ?? '').toLowerCase().slice(0, 20),
      contentId: storable(part.cid ?? '').slice(0, MAX_NAME),
      size,
    });
    part.release?.();
  }
}

const OCTETS = 'application/octet-stream';
/** Names of parts that bring none. */
const EXTENSIONS: Readonly<Record<string, string>> = {
  'message/rfc822': 'eml',
  'message/global': 'eml',
  'text/plain': 'txt',
  'text/html': 'html',
  'text/calendar': 'ics',
  'text/rfc822-headers': 'txt',
  'message/delivery-status': 'txt',
  'application/pdf': 'pdf',
  'image/tiff': 'tif',
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/gif': 'gif',
};

/** The sender's name for a file, without any path, control characters or marks that reverse what is read. */
function nameOf(part: AttachmentStream, mediaType: string, number: number): string {
  const given = storable(part.filename ?? '')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not get through
    .replace(/[\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '')
    .replace(/^.*[/\\]/, '')
    .trim();
  if (given === '' || /^\.+$/.test(given)) return `attachment-${number}.${EXTENSIONS[mediaType] ?? 'bin'}`;
  if (given.length <= MAX_NAME) return given;
  const dot = given.lastIndexOf('.');
  const extension = dot > 0 && given.length - dot <= 10 ? given.slice(dot) : '';
  return given.slice(0, MAX_NAME - extension.length) + extension;
}

function mailOf(parser: MailParser, parts: Parts, text: string, html: string): ParsedMail {
  const headers = parser.headers || (new Map() as Headers);
  const lines = parser.headerLines || ([] as HeaderLines);
  const from = mailboxesOf(headers.get('from'))[0];
  return {
    from: { email: from?.address ?? '', name: storable(from?.name ?? '') },
    subject: storable(parser.subject ?? '')
      .replace(/\s+/g, ' ')
      .trim(),
    text: storable(text),
    html: storable(html),
    files: parts.files,
    places: parts.places,
    deliveryStatus: parts.status,
    messageId: storable(parser.messageId ?? '').trim(),
    headers: plainHeaders(lines),
    addresses: new Map(
      ADDRESS_FIELDS.map((field) => [field, mailboxesOf(headers.get(field)).map(({ address = '' }) => address)]),
    ),
    hops: lines.filter(({ key }) => key === 'received').length,
  };
}

function plainHeaders(lines: HeaderLines): Map<string, string> {
  const found = new Map<string, string>();
  for (const { key, line } of lines) {
    if (!found.has(key))
      found.set(
        key,
        storable(
          line
            .slice(line.indexOf(':') + 1)
            .replace(/\s+/g, ' ')
            .trim(),
        ),
      );
  }
  return found;
}

/** Mailboxes of a parsed address field; members of groups stand for their group. */
function mailboxesOf(value: unknown): EmailAddress[] {
  const objects = (Array.isArray(value) ? value : [value]) as (AddressObject | undefined)[];
  return objects
    .flatMap((each) => each?.value ?? [])
    .flatMap((each) => each.group ?? [each])
    .filter(({ address }) => address !== undefined && address !== '')
    .map((each) => ({ ...each, address: storable(each.address ?? '') }));
}

/** PostgreSQL's texts hold no NUL, and UTF-8 no lone surrogates. */
function storable(text: string): string {
  return text.replaceAll('\0', '').replace(/\p{Surrogate}/gu, '\ufffd');
}
