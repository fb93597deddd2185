import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { DriverContext, InboundMessage, ProviderConfig } from '@ictcore/contract';
import type { ImapFlow } from 'imapflow';
import { authenticationFacts } from './imap.authentication-results';
import { recipientsOf } from './imap.recipients';
import type { ImapSettings } from './imap.settings';
import {
  fact,
  mailFacts,
  makeMailFolder,
  type ParsedMail,
  parseMail,
  plainAddress,
  removeMailFolder,
  UnreadableMail,
} from './mail';

/** A mail in the mailbox. */
export interface Waiting {
  readonly uid: number;
  /** Bytes. */
  readonly size: number;
}

/** The kernel could not store a mail: not the mail's fault. */
export class NotStored extends Error {
  override readonly name = 'NotStored';
}

const SMALL_BYTES = 262_144;
const CHUNK_BYTES = 1_048_576;
/** Longer Message-IDs are replaced by their hash in a ref. */
const MAX_MESSAGE_ID = 250;

/**
 * Fetches one mail into a file, takes it apart and tells it to the kernel, for each of its recipients. Resolves when it
 * is stored; true if the mail was there.
 *
 * @throws NotStored if the kernel could not store it
 * @throws UnreadableMail if it never can be read
 * @throws Error of the connection
 */
export async function takeMail(
  client: ImapFlow,
  waiting: Waiting,
  uidValidity: string,
  config: ProviderConfig<ImapSettings>,
  context: DriverContext,
): Promise<boolean> {
  const folder = await makeMailFolder(await context.scratchDir());
  try {
    const source = await sourceOf(client, waiting, folder);
    if (!source) return false;
    const mail = await parseMail(source, folder, config.settings.max_files);
    for (const event of eventsOf(mail, `${uidValidity}:${waiting.uid}`, config)) {
      try {
        await context.emit(event);
      } catch (error) {
        throw new NotStored((error as Error).message);
      }
    }
    return true;
  } finally {
    await removeMailFolder(folder).catch(() => undefined);
  }
}

/** Small mails in one piece, which saves two answers of the server; large ones by way of a file. */
async function sourceOf(client: ImapFlow, { uid, size }: Waiting, folder: string): Promise<Readable | undefined> {
  if (size <= SMALL_BYTES) {
    const found = await client.fetchOne(String(uid), { source: true }, { uid: true });
    const source = found ? found.source : undefined;
    return source && Readable.from([source]);
  }
  const { content } = await client.download(String(uid), undefined, { uid: true, chunkSize: CHUNK_BYTES });
  if (!content) return undefined;
  const file = join(folder, 'mail');
  await pipeline(content, createWriteStream(file, { mode: 0o600 }));
  return createReadStream(file);
}

function eventsOf(mail: ParsedMail, place: string, config: ProviderConfig<ImapSettings>): InboundMessage[] {
  const { settings, username } = config;
  const recipients = recipientsOf(mail, settings, username);
  if (recipients.length === 0) throw new UnreadableMail('it does not say whom it is for: set address');
  const returnPath = mail.headers.get('return-path');
  const sender = returnPath?.replace(/[<>\s]/g, '');
  const id = `${place}:${shortened(mail.messageId)}`;
  const { text, html, subject, files, from } = mail;
  return recipients.map((address) => ({
    kind: 'inbound',
    channel: 'email',
    from: { ...(from.email !== '' && { email: from.email }), ...(from.name !== '' && { name: from.name }) },
    to: { email: address },
    ref: recipients.length === 1 ? id : `${id}:${plainAddress(address)}`,
    body: { subject, text, ...(html !== '' && { html }), files },
    facts: [
      ...authenticationFacts(mail, settings.trusted_authserv_id),
      ...(sender === undefined ? [] : [{ type: 'info', name: 'envelope_from', data: sender } as const]),
      ...fact('envelope_to', address),
      ...mailFacts(mail, address, sender),
    ],
  }));
}

function shortened(messageId: string): string {
  if (messageId.length <= MAX_MESSAGE_ID) return messageId;
  return `sha256-${createHash('sha256').update(messageId).digest('hex')}`;
}
