import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { invalid } from '@ictcore/contract';
import { CsvError, type Parser, parse } from 'csv-parse';

/** Most characters of one row; more means a quote that was never closed. */
const MAX_ROW = 65_536;
const CHUNK = 65_536;

/** Records of one chunk of a CSV file. */
export interface CsvChunk {
  records: string[][];
  /** False once bytes have been seen that are not UTF-8: from there on U+FFFD stands for them. */
  wellFormed: boolean;
}

/**
 * Reads a CSV file (RFC 4180, LF or CR also end a row, a byte order mark is passed over) piece by piece. Cells that a
 * quote stands in the middle of are taken as they are. Empty lines are records of one empty cell.
 *
 * @param charset as TextDecoder knows it; undefined: UTF-8
 * @throws 412 for a quote that is never closed
 */
export async function* csvRecords(
  file: string,
  charset: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<CsvChunk> {
  const parser = parse({
    bom: true,
    delimiter: await delimiterOf(file),
    record_delimiter: ['\r\n', '\n', '\r'],
    relax_column_count: true,
    relax_quotes: true,
    max_record_size: MAX_ROW,
  });
  // Asked for after each write; without a listener it would end the process.
  parser.on('error', () => undefined);
  const utf8 = new Utf8Watch();
  const decoder = charset === undefined ? undefined : new TextDecoder(charset);
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: CHUNK, signal })) {
      parser.write(decoder ? decoder.decode(chunk as Buffer, { stream: true }) : chunk);
      if (!decoder) utf8.take(chunk as Buffer);
      refuseBroken(parser.errored);
      yield { records: drain(parser), wellFormed: utf8.wellFormed };
    }
    parser.end(decoder?.decode() ?? '');
    const records: string[][] = [];
    for await (const record of parser) records.push(record as string[]);
    yield { records, wellFormed: utf8.wellFormed && utf8.complete };
  } catch (error) {
    refuseBroken(error);
    throw error;
  } finally {
    parser.destroy();
  }
}

/** Reading by hand rather than by event: one promise per chunk, not per row. */
function drain(parser: Parser): string[][] {
  const records: string[][] = [];
  for (let record = parser.read(); record !== null; record = parser.read()) records.push(record as string[]);
  return records;
}

function refuseBroken(error: unknown): void {
  if (!(error instanceof CsvError)) return;
  const { lines } = error as CsvError & { lines?: number };
  const why =
    error.code === 'CSV_MAX_RECORD_SIZE' || error.code === 'CSV_QUOTE_NOT_CLOSED'
      ? 'a quote is opened and not closed, or one row is far too long'
      : error.message;
  throw invalid('file', `is no readable CSV file: at line ${lines ?? '?'} ${why}`, 'csv');
}

/** Comma; semicolon or tab where the first line has them and no comma (spreadsheets of many countries). */
async function delimiterOf(file: string): Promise<string> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4096), 0, 4096, 0);
    const [line = ''] = buffer.toString('latin1', 0, bytesRead).split(/[\r\n]/, 1);
    if (line.includes(',')) return ',';
    return line.includes(';') ? ';' : line.includes('\t') ? '\t' : ',';
  } finally {
    await handle?.close();
  }
}

/** Sees whether a stream is UTF-8 across the borders of its chunks. */
class Utf8Watch {
  wellFormed = true;
  private rest: Buffer = Buffer.alloc(0);

  /** True unless the last character was cut off. */
  get complete(): boolean {
    return this.rest.length === 0;
  }

  take(chunk: Buffer): void {
    if (!this.wellFormed) return;
    const bytes = this.rest.length > 0 ? Buffer.concat([this.rest, chunk]) : chunk;
    const cut = bytes.length - unfinished(bytes);
    this.wellFormed = isUtf8(bytes.subarray(0, cut));
    this.rest = Buffer.from(bytes.subarray(cut));
  }
}

/** How many bytes at the end begin a character that goes on in the next chunk. */
function unfinished(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return length > back ? back : 0;
  }
  return 0;
}
