import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, join, sep } from 'node:path';
import type { Fact, FileRef, InboundMessage } from '@ictcore/contract';
import type { Received } from '../hub/call-tracker';

/** Samples of a recording take 16000 bytes a second (8 kHz, 16 bit). */
const WAV_BYTES_PER_SECOND = 16_000;
const WAV_HEADER = 44;

/**
 * What the kernel gets for a fax or recording that came in; the file is there for as long as `emit` takes. Undefined if
 * it was handed over before (the journal tells it again after a restart, when its file is gone).
 */
export async function inboundOf(
  { ref, end }: Received,
  folder: string,
): Promise<{ message: InboundMessage; path: string | undefined } | undefined> {
  const fax = end.result === 'recvfax';
  const path = await receivedFile(end.file ?? '', folder);
  const pages = Number(end.pages) || 0;
  const failedFax = fax && (end.fax !== 'SUCCESS' || pages === 0);
  if (!path && !failedFax) return undefined;
  const files = path && (!fax || pages > 0) ? [await fileRef(path, fax)] : [];
  const facts: Fact[] = fax ? faxFacts(end, failedFax) : await recordFacts(path ?? '');
  const message: InboundMessage = {
    kind: 'inbound',
    channel: fax ? 'fax' : 'voice',
    from: { ...(end.from && { phone: end.from }), ...(end.name && { name: end.name }) },
    to: { ...(end.did && { phone: end.did }) },
    ref,
    body: { files },
    facts,
  };
  return { message, path };
}

/** The path, if it is a file in the folder where files are received: the event names it, and events can be forged. */
async function receivedFile(file: string, folder: string): Promise<string | undefined> {
  const path = join(folder, basename(file));
  if (file !== path && !file.startsWith(folder + sep)) return undefined;
  return stat(path).then(
    (found) => (found.isFile() && found.size > 0 ? path : undefined),
    () => undefined,
  );
}

async function fileRef(path: string, fax: boolean): Promise<FileRef> {
  return {
    name: fax ? 'fax.tif' : 'recording.wav',
    mediaType: fax ? 'image/tiff' : 'audio/wav',
    size: (await stat(path)).size,
    open: async () => createReadStream(path),
    localPath: async () => path,
  };
}

function faxFacts(end: Received['end'], bad: boolean): Fact[] {
  const facts: Fact[] = [
    { type: 'application', name: 'fax_receive', data: bad ? 'error' : 'success' },
    { type: 'info', name: 'pages', data: String(Number(end.pages) || 0) },
  ];
  for (const [name, value] of [
    ['fax_mode', end.faxmode],
    ['fax_rate', end.rate],
    ['fax_station', end.station],
    ['duration', end.bill],
  ] as const) {
    if (value) facts.push({ type: 'info', name, data: value });
  }
  if (bad) facts.push({ type: 'error', name: 'error', data: end.faxerr || 'invalid fax' });
  return facts;
}

async function recordFacts(path: string): Promise<Fact[]> {
  const { size } = await stat(path);
  const seconds = Math.max(0, size - WAV_HEADER) / WAV_BYTES_PER_SECOND;
  return [
    { type: 'application', name: 'record', data: 'success' },
    { type: 'info', name: 'duration', data: seconds.toFixed(1) },
  ];
}
