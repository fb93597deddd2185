import { type Channel, type Fact, IctError, type InboundMessage } from '@ictcore/contract';
import { normalizeCarrierPhone } from '../contacts/phone';
import type { MediaStorage } from '../media';
import type { StoredAttachment } from '../messages/templates/attachments';
import { callIdOf } from '../queue/recorder';

/** Characters kept of a body: as many as a template may have. */
const MAX_BODY = 2_000_000;
/** Facts kept of one message, and characters of each. */
const MAX_FACTS = 50;
const MAX_FACT = 4000;
/** Files of one message, and bytes of all of them. Drivers have tighter limits of their own; this is the last one. */
const MAX_FILES = 100;
const MAX_BYTES = 128 * 1024 * 1024;

/** A number or address as it came. */
export interface RemoteParty {
  phone: string | null;
  email: string | null;
  name: string;
}

/** A message that came in, bounded and fit for the database, its files stored. */
export interface ReceivedMessage {
  channel: Channel;
  ref: string;
  from: RemoteParty;
  to: RemoteParty;
  subject: string;
  text: string | null;
  html: string | null;
  facts: readonly Fact[];
  files: readonly StoredAttachment[];
}

/** What a driver has brought, made fit to be stored. */
export function receivedMessage(
  message: InboundMessage,
  files: readonly StoredAttachment[],
  country: string | undefined,
): ReceivedMessage {
  const { channel, from, to, body } = message;
  return {
    channel,
    ref: callIdOf(message.ref),
    from: party(from, country),
    to: party(to, country),
    subject: clean(body.subject ?? '', 255).replace(/[\r\n]+/g, ' '),
    text: body.text === undefined ? null : clean(body.text, MAX_BODY),
    html: body.html === undefined ? null : clean(body.html, MAX_BODY),
    facts: (message.facts ?? []).slice(0, MAX_FACTS).map((fact) => ({
      type: fact.type,
      name: clean(fact.name, 80),
      data: clean(fact.data, MAX_FACT),
    })),
    files,
  };
}

/**
 * Stores the files of a message before the transaction that will refer to them.
 *
 * @throws 413 beyond the limits
 */
export async function storeFiles(storage: MediaStorage, message: InboundMessage): Promise<StoredAttachment[]> {
  const given = message.body.files ?? [];
  const bytes = given.reduce((sum, file) => sum + file.size, 0);
  if (given.length > MAX_FILES || bytes > MAX_BYTES) {
    throw new IctError(`A message may bring ${MAX_FILES} files and ${MAX_BYTES} bytes`, {
      code: 'INBOUND_TOO_LARGE',
      status: 413,
    });
  }
  const stored: StoredAttachment[] = [];
  try {
    for (const [index, file] of given.entries()) {
      const put = await storage.put(FILE_KIND, await file.open());
      stored.push({ ...put, name: fileName(file.name, index), mediaType: mediaType(file.mediaType) });
    }
    return stored;
  } catch (error) {
    discardFiles(storage, stored);
    throw error;
  }
}

/** The first part of the storage keys of files that came in. */
export const FILE_KIND = 'inbound';

export function discardFiles(storage: MediaStorage, files: readonly StoredAttachment[]): void {
  storage.deleteLater(files.map((file) => file.key));
}

function party(given: { phone?: string; email?: string; name?: string }, country: string | undefined): RemoteParty {
  const phone = clean(given.phone ?? '', 320).trim();
  return {
    // What can be called back and written to, where the carrier's own way cannot.
    phone: (/^[1-9]\d{9,14}$/.test(phone) ? normalizeCarrierPhone(phone, country) : phone) || null,
    email: clean(given.email ?? '', 320).trim() || null,
    name: clean(given.name ?? '', 255).trim(),
  };
}

/** PostgreSQL's text knows no NUL. */
function clean(text: string, max: number): string {
  return text.replaceAll('\0', '').slice(0, max);
}

function fileName(given: string, index: number): string {
  const bare =
    clean(given, 1000)
      .split(/[\\/]/)
      .pop()
      ?.replace(/[\r\n\t]+/g, ' ')
      .trim() ?? '';
  return bare.slice(-255) || `attachment_${index + 1}`;
}

/** RFC 6838 restricts what a media type is made of. */
function mediaType(given: string): string {
  const bare = given.split(';')[0]?.trim().toLowerCase() ?? '';
  return /^[\w!#$&^.+-]{1,63}\/[\w!#$&^.+-]{1,63}$/.test(bare) ? bare : 'application/octet-stream';
}
