import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { fileReply, IctError, type RouteReply, type RouteRequest, reply } from '@ictcore/contract';

/** A stored file on its way to a client. */
export interface DownloadFile {
  /** The name that the client saves it under. */
  name: string;
  mediaType: string;
  /** Bytes. */
  size: number;
  /** Whatever changes when the content does: storage key, time of change. */
  version: string;
  /** `start` and `end` in bytes, both inclusive. */
  open(range?: { start: number; end: number }): Promise<Readable>;
}

type Headers = RouteRequest['headers'];

/** Media types that a browser would run as a page of this origin; never shown inline. */
const ACTIVE = /html|xml|svg|javascript/i;

/**
 * Answers a file with an entity tag, conditional requests (RFC 9110 section 13) and one byte range (section 14).
 *
 * @throws 416 for a range beyond the end
 */
export async function downloadReply(
  file: DownloadFile,
  headers: Headers,
  options: { inline?: boolean } = {},
): Promise<RouteReply> {
  const etag = `"${createHash('sha256').update(`${file.version}\0${file.size}`).digest('base64url').slice(0, 27)}"`;
  const common = { ETag: etag, 'Accept-Ranges': 'bytes', 'Cache-Control': 'private, no-cache' };
  if (matches(headers['if-none-match'], etag)) return reply(304, undefined, common);
  const range = rangeOf(headers, etag, file.size);
  const whole = fileReply({
    stream: await file.open(range),
    name: file.name,
    mediaType: file.mediaType,
    size: range ? range.end - range.start + 1 : file.size,
    headers: { ...common, ...(range && { 'Content-Range': `bytes ${range.start}-${range.end}/${file.size}` }) },
  });
  return { ...whole, status: range ? 206 : 200, headers: withDisposition(whole.headers, file, options) };
}

function withDisposition(
  headers: RouteReply['headers'],
  file: DownloadFile,
  options: { inline?: boolean },
): RouteReply['headers'] {
  if (!options.inline || ACTIVE.test(file.mediaType)) return headers;
  const disposition = headers['Content-Disposition']?.replace(/^attachment/, 'inline') ?? 'inline';
  return { ...headers, 'Content-Disposition': disposition };
}

function matches(header: string | string[] | undefined, etag: string): boolean {
  if (typeof header !== 'string') return false;
  return header.split(',').some((candidate) => ['*', etag, `W/${etag}`].includes(candidate.trim()));
}

/** The one range asked for; undefined if none, several (the whole file is a valid answer) or an outdated If-Range. */
function rangeOf(headers: Headers, etag: string, size: number): { start: number; end: number } | undefined {
  const header = headers.range;
  const ifRange = headers['if-range'];
  if (header === undefined || (ifRange !== undefined && ifRange !== etag)) return undefined;
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(String(header)) ?? [];
  // Not a range at all (RFC 9110 section 14.1.1): ignored, as if it had not been asked for.
  if ((first === '' && last === '') || (first !== '' && last !== '' && Number(last) < Number(first))) return undefined;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (start <= end) return { start, end };
  throw new IctError(`The file has ${size} bytes`, {
    code: 'RANGE',
    status: 416,
    headers: { 'Content-Range': `bytes */${size}` },
  });
}
