import { chown, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A mail as a delivery agent left it in a maildir. */
export interface ReceivedMail {
  /** The file's bytes: trace headers of the delivery in front, lines ending in LF. */
  readonly raw: Buffer;
  /** The mail as the client sent it in DATA: without the receiver's trace headers, lines ending in CRLF. */
  readonly data: Buffer;
  /** The sender of MAIL FROM, empty for the null sender (Return-Path). */
  readonly envelopeFrom: string;
  /** The recipient of RCPT TO (X-Original-To). */
  readonly envelopeTo: string;
}

/** Takes the trace headers of virtual(8) and of smtpd(8) off a delivered file. */
export function parseDelivered(raw: Buffer): ReceivedMail {
  const fields: Record<string, string> = {};
  let offset = 0;
  for (;;) {
    const field = headerAt(raw, offset);
    if (field === undefined || !/^(return-path|x-original-to|delivered-to|received)$/.test(field.name)) break;
    fields[field.name] = field.value;
    offset = field.end;
    // The first Received is the receiver's own; one below it was sent by the client and stays.
    if (field.name === 'received') break;
  }
  const body = raw.subarray(offset).toString('latin1').replace(/\r?\n/g, '\r\n');
  return {
    raw,
    data: Buffer.from(body, 'latin1'),
    envelopeFrom: (fields['return-path'] ?? '').replace(/^<|>$/g, ''),
    envelopeTo: fields['x-original-to'] ?? '',
  };
}

/** One header field with its folded lines, starting at `offset`. */
function headerAt(raw: Buffer, offset: number): { name: string; value: string; end: number } | undefined {
  let end = offset;
  do {
    const newline = raw.indexOf(0x0a, end);
    if (newline < 0) return undefined;
    end = newline + 1;
  } while (raw[end] === 0x20 || raw[end] === 0x09);
  const match = /^([!-9;-~]+):[ \t]*([\s\S]*?)\r?\n$/.exec(raw.subarray(offset, end).toString('utf8'));
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  return { name: match[1].toLowerCase(), value: match[2], end };
}

/** Reads a maildir in the order of arrival; a file already read is not read again (maildir files never change). */
export class MaildirReader {
  private readonly seen = new Map<string, ReceivedMail>();

  constructor(private readonly folder: string) {}

  /** Every mail in `new`, oldest first. */
  async messages(): Promise<ReceivedMail[]> {
    const folder = join(this.folder, 'new');
    const names = await readdir(folder).catch(() => []);
    const fresh = names.filter((name) => !this.seen.has(name)).sort(byArrival);
    for (const name of fresh) this.seen.set(name, parseDelivered(await readFile(join(folder, name))));
    return [...this.seen.values()];
  }
}

/** Postfix names files `seconds.V..I..Mmicroseconds.host`: order by time, then by microseconds. */
function byArrival(a: string, b: string): number {
  return time(a) - time(b);
}

function time(name: string): number {
  const match = /^(\d+)\.(?:[^.]*?M(\d+))?/.exec(name);
  return Number(match?.[1] ?? 0) * 1e6 + Number(match?.[2] ?? 0);
}

let deliveries = 0;

/**
 * Delivers a mail into a maildir as its specification asks: written below `tmp`, then renamed into `new`.
 *
 * @param owner user and group id of the files
 * @returns the file name
 */
export async function deliverToMaildir(folder: string, raw: Buffer | string, owner: number): Promise<string> {
  for (const name of ['', 'tmp', 'new', 'cur']) {
    await mkdir(join(folder, name), { recursive: true, mode: 0o700 });
    await chown(join(folder, name), owner, owner);
  }
  deliveries += 1;
  const name = `${Math.floor(Date.now() / 1000)}.P${process.pid}Q${deliveries}.localhost`;
  await writeFile(join(folder, 'tmp', name), raw, { mode: 0o600 });
  await chown(join(folder, 'tmp', name), owner, owner);
  await rename(join(folder, 'tmp', name), join(folder, 'new', name));
  return name;
}
