import { PassThrough, type Readable } from 'node:stream';
import { ZipFile } from 'yazl';

/** A file for a zip archive. */
export interface ZipEntry {
  /** The client's name for it; made safe and unique here. */
  name: string;
  /** Bytes. */
  size: number;
  open(): Promise<Readable>;
}

/**
 * Streams a zip archive. One file is open at a time; whoever stops reading closes it. A file that cannot be read breaks
 * the stream, so that nobody takes half an archive for a whole one.
 */
export function zipStream(entries: readonly ZipEntry[], changed: Date): Readable {
  const zip = new ZipFile();
  const output = new PassThrough();
  let current: Readable | undefined;
  zip.on('error', (error: Error) => output.destroy(error));
  for (const { name, entry } of uniqueNames(entries)) {
    zip.addReadStreamLazy(name, { size: entry.size, mtime: changed }, (done) => {
      entry.open().then(
        (stream) => {
          current = stream;
          if (output.destroyed) stream.destroy();
          done(null, stream);
        },
        (error: Error) => output.destroy(error),
      );
    });
  }
  output.once('close', () => current?.destroy());
  zip.outputStream.pipe(output);
  zip.end();
  return output;
}

/** Names as entries of an archive that unpacks below one folder: no separators, no `..`, no two alike. */
function uniqueNames(entries: readonly ZipEntry[]): { name: string; entry: ZipEntry }[] {
  const taken = new Set<string>();
  return entries.map((entry) => {
    const safe = entry.name.replace(/[\\/:*?"<>|]/g, '_').replace(/^\.+$/, '_');
    const dot = safe.lastIndexOf('.');
    const [stem, extension] = dot > 0 ? [safe.slice(0, dot), safe.slice(dot)] : [safe, ''];
    let name = safe;
    for (let n = 2; taken.has(name.toLowerCase()); n++) name = `${stem} (${n})${extension}`;
    taken.add(name.toLowerCase());
    return { name, entry };
  });
}
