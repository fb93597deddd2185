import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { DriverContext, Fact, InboundMessage } from '@ictcore/contract';
import type { SMTPServerDataStream, SMTPServerSession } from 'smtp-server';
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
import { type Authentication, authenticateMail, type DnsResolver } from './smtp-inbound.authentication';
import { HeaderGuard } from './smtp-inbound.header-guard';
import { SmtpReply } from './smtp-inbound.reply';
import type { SmtpInboundSettings } from './smtp-inbound.settings';

/** What an intake needs of its listener. */
export interface IntakeOptions {
  readonly settings: SmtpInboundSettings;
  readonly context: DriverContext;
  readonly resolver: DnsResolver;
  /** Our name, for the authentication results. */
  readonly hostName: string;
  readonly isTrusted: (ip: string) => boolean;
}

/** Longer Message-IDs are replaced by their hash in a ref. */
const MAX_MESSAGE_ID = 250;

/**
 * Takes one mail: first into a file, then checked, then taken apart, then told to the kernel for each recipient. It
 * resolves when all of that is stored, so that the sender keeps the mail until nothing can be lost any more.
 *
 * @returns the words after 250
 * @throws SmtpReply with what the sender is to be told
 */
export async function takeMail(
  stream: SMTPServerDataStream,
  session: SMTPServerSession,
  options: IntakeOptions,
): Promise<string> {
  const { settings, context } = options;
  let folder: string | undefined;
  try {
    folder = await makeMailFolder(await context.scratchDir());
    const file = join(folder, 'mail');
    const hash = await store(stream, file, settings.max_message_bytes);
    const authentication = await authenticated(file, session, options);
    if (authentication.dmarcReject && settings.enforce_dmarc && session.user === undefined) {
      throw new SmtpReply(550, '5.7.1 The policy of the sender domain (DMARC) refuses this mail');
    }
    const mail = await parseMail(createReadStream(file), folder, settings.max_files);
    if (mail.hops > settings.max_hops) throw new SmtpReply(554, '5.4.6 Too many hops: a mail loop');
    const facts = [...authentication.facts, ...sessionFacts(session, stream.byteLength)];
    for (const event of eventsOf(mail, session, facts, hash)) await emit(context, event);
    return 'OK: stored';
  } catch (error) {
    // The rest of the mail must be read before an answer may be given.
    stream.resume();
    if (error instanceof SmtpReply) throw error;
    if (error instanceof UnreadableMail) throw new SmtpReply(554, `5.6.0 This mail cannot be read: ${error.message}`);
    context.log.error({ error: (error as Error).message, client: session.remoteAddress }, 'mail not taken');
    throw new SmtpReply(451, '4.3.0 The mail could not be stored, please try again later');
  } finally {
    if (folder !== undefined) {
      const path = folder;
      await removeMailFolder(path).catch((error: Error) => context.log.warn({ path, error: error.message }, 'kept'));
    }
  }
}

async function emit(context: DriverContext, event: InboundMessage): Promise<void> {
  try {
    await context.emit(event);
  } catch (error) {
    context.log.warn({ ref: event.ref, error: (error as Error).message }, 'mail not stored: its sender will try again');
    throw new SmtpReply(451, '4.3.0 The mail could not be stored, please try again later');
  }
}

/**
 * Writes a mail into a file. What must be refused is read to its end and thrown away, so that the refusal can be told:
 * a stream that ends early would make the rest of the mail be taken for commands.
 *
 * @returns the SHA-256 of the mail
 */
async function store(stream: SMTPServerDataStream, file: string, maxBytes: number): Promise<string> {
  const hash = createHash('sha256');
  const header = new HeaderGuard();
  let bytes = 0;
  let refusal: SmtpReply | undefined;
  const within = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > maxBytes) refusal ??= new SmtpReply(552, `5.3.4 The mail is larger than ${maxBytes} bytes`);
      refusal ??= header.take(chunk);
      if (refusal) return done();
      hash.update(chunk);
      done(null, chunk);
    },
  });
  const broken = (error?: Error) => within.destroy(error ?? new Error('the client went away'));
  stream.once('error', broken);
  stream.once('close', () => !stream.readableEnded && broken());
  // Not by pipeline: it would end the stream when the file cannot be written.
  stream.pipe(within);
  await pipeline(within, createWriteStream(file, { mode: 0o600 }));
  refusal ??= header.end();
  if (refusal) throw refusal;
  return hash.digest('hex');
}

function authenticated(
  file: string,
  session: SMTPServerSession,
  { settings, hostName, resolver, context, isTrusted }: IntakeOptions,
): Promise<Authentication> {
  if (!settings.authenticate) return Promise.resolve({ facts: [], dmarcReject: false });
  const envelope = {
    ip: session.remoteAddress,
    helo: session.hostNameAppearsAs || '',
    sender: senderOf(session),
    relayed: isTrusted(session.remoteAddress),
  };
  return authenticateMail(file, envelope, hostName, resolver, context.log);
}

function senderOf({ envelope }: SMTPServerSession): string {
  return envelope.mailFrom ? envelope.mailFrom.address : '';
}

/** What the SMTP session itself proves or says. */
function sessionFacts(session: SMTPServerSession, size: number): Fact[] {
  const tls = session.tlsOptions ? (session.tlsOptions.version ?? 'yes') : '';
  return [
    ...fact('client_ip', session.remoteAddress),
    ...fact('helo', session.hostNameAppearsAs || ''),
    ...fact('tls', tls),
    ...fact('smtp_auth', typeof session.user === 'string' ? session.user : undefined),
    // Never left out: an empty sender is what marks a bounce.
    { type: 'info', name: 'envelope_from', data: senderOf(session) },
    ...fact('size', String(size)),
  ];
}

/** One event for each recipient; the same mail to the same recipient has the same ref, however often it is sent. */
function eventsOf(
  mail: ParsedMail,
  session: SMTPServerSession,
  facts: readonly Fact[],
  hash: string,
): InboundMessage[] {
  const id = refOf(mail.messageId, hash);
  const recipients = new Map(session.envelope.rcptTo.map(({ address }) => [plainAddress(address), address]));
  const sender = senderOf(session);
  const { text, html, subject, files, from } = mail;
  return [...recipients].map(([plain, address]) => ({
    kind: 'inbound',
    channel: 'email',
    from: { email: from.email || sender, ...(from.name !== '' && { name: from.name }) },
    to: { email: address },
    ref: `${id}:${plain}`,
    body: { subject, text, ...(html !== '' && { html }), files },
    facts: [...facts, ...fact('envelope_to', address), ...mailFacts(mail, address, sender)],
  }));
}

/** Message-ID, or the mail's hash where it has none that is usable. */
function refOf(messageId: string, hash: string): string {
  if (messageId === '') return `sha256-${hash}`;
  if (messageId.length <= MAX_MESSAGE_ID) return messageId;
  return `sha256-${createHash('sha256').update(messageId).digest('hex')}`;
}
