import { open } from 'node:fs/promises';
import { TextDecoder } from 'node:util';
import { MediaError } from './media-error';
import { ACCEPTED_TYPES, type AcceptedType, normalizeType, typeOfName } from './media-types';
import type { SniffThread } from './sniff-thread';

/** What a file is, or why it is refused. */
export type Sniffed = ({ readonly ok: true } & AcceptedType) | { readonly ok: false; readonly error: MediaError };

/** What the uploader said about it. */
export interface Declared {
  /** The Content-Type, parameters and all. */
  readonly mediaType?: string | undefined;
  /** The file name, only for its extension. */
  readonly fileName?: string | undefined;
}

/** Word, Excel and PowerPoint before 2007 share one container: only the declaration tells which it is. */
const COMPOUND_FILE = 'application/x-cfb';
const COMPOUND_TYPES = new Set(['application/msword', 'application/vnd.ms-excel', 'application/vnd.ms-powerpoint']);
/** Bytes of a text looked at in one go. */
const TEXT_PIECE = 65_536;

/**
 * Decides what an upload is: only sniffed types on the list pass; the declared type and the extension must name the
 * same family; content without a signature passes only as declared text that is UTF-8 without NUL. The decoder has
 * the last word.
 * @param source path of the file, or its head (4100 bytes or more are best)
 */
export async function sniff(thread: SniffThread, source: string | Buffer, declared: Declared): Promise<Sniffed> {
  const said = normalizeType(declared.mediaType);
  const saidType = said === undefined ? undefined : ACCEPTED_TYPES.get(said);
  if (said !== undefined && !saidType)
    return refuse('MEDIA_TYPE_UNSUPPORTED', `Files of type ${said} are not accepted.`);
  const named = typeOfName(declared.fileName);
  const claim = saidType ?? named;
  const found = await sniffContent(thread, source, claim);
  if (!found.ok) return found;
  for (const [what, type] of [
    ['its type', saidType],
    ['its name', named],
  ] as const) {
    if (type && !agrees(type, found))
      return mismatch(`The file is ${found.extension}, but ${what} says ${type.extension}.`);
  }
  return found;
}

async function sniffContent(
  thread: SniffThread,
  source: string | Buffer,
  claim: AcceptedType | undefined,
): Promise<Sniffed> {
  const raw = await thread.detect(source);
  const type = normalizeType(raw);
  const texts = claim?.family === 'text' || claim?.family === 'html';
  // Two letters make a bitmap signature ("BM"), and XML is how some HTML begins.
  const weak = type === undefined || type === 'image/bmp' || type === 'application/xml' || type.startsWith('text/');
  if (texts && weak && (await isText(source))) return accept(claim);
  if (type === undefined) {
    if (texts) return mismatch('The file is not a UTF-8 text. Save it as UTF-8.');
    if (claim) return mismatch(`The content of the file is not ${claim.extension}.`);
    return refuse('MEDIA_TYPE_UNSUPPORTED', 'The kind of file cannot be told. Send its type along.');
  }
  if (type === COMPOUND_FILE && claim && COMPOUND_TYPES.has(claim.mediaType)) return accept(claim);
  const found = ACCEPTED_TYPES.get(type);
  if (found) return accept(found);
  if (claim) return mismatch(`The content of the file is ${type}, not ${claim.extension}.`);
  return refuse('MEDIA_TYPE_UNSUPPORTED', `Files of type ${type} are not accepted.`);
}

function agrees(said: AcceptedType, found: AcceptedType): boolean {
  // A PNG named .jpg is harmless, a spreadsheet named .docx is a mistake worth telling.
  if (said.family === 'office') return said.mediaType === found.mediaType;
  if (said.family === 'html' || said.family === 'text') return found.family === 'html' || found.family === 'text';
  return said.family === found.family;
}

function accept(type: AcceptedType): Sniffed {
  return { ok: true, ...type };
}

function mismatch(message: string): Sniffed {
  return refuse('MEDIA_TYPE_MISMATCH', message);
}

function refuse(code: MediaError['code'], message: string): Sniffed {
  return { ok: false, error: new MediaError(code, message) };
}

/** True for UTF-8 without NUL. A file is read to its end; a head may end inside a character. */
async function isText(source: string | Buffer): Promise<boolean> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  if (typeof source !== 'string') return isTextPiece(decoder, source);
  const file = await open(source, 'r');
  try {
    const piece = Buffer.alloc(TEXT_PIECE);
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, TEXT_PIECE, null);
      if (bytesRead === 0) return endsWell(decoder);
      if (!isTextPiece(decoder, piece.subarray(0, bytesRead))) return false;
    }
  } finally {
    await file.close();
  }
}

function isTextPiece(decoder: TextDecoder, piece: Uint8Array): boolean {
  if (piece.includes(0)) return false;
  try {
    decoder.decode(piece, { stream: true });
    return true;
  } catch {
    return false;
  }
}

function endsWell(decoder: TextDecoder): boolean {
  try {
    decoder.decode();
    return true;
  } catch {
    return false;
  }
}
