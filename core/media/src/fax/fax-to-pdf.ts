import { writeFileSync } from 'node:fs';
import { PDFDocument, PDFName } from 'pdf-lib';
import type { PagesResult } from '../types';
import type { Progress, WorkerJob, WorkerLimits } from '../worker/protocol';
import { encodeG4 } from './ccitt-encoder';
import { lenientDecoder, readTiff } from './image-source';
import type { TiffPage, TiffReader } from './tiff-reader';
import { tooManyPages } from './too-many-pages';

type FaxToPdfJob = Extract<WorkerJob, { kind: 'fax-to-pdf' }>;

/** Each byte with its bits in reverse: spandsp writes the first pixel in the low bit, PDF wants the high one. */
const REVERSED = Uint8Array.from({ length: 256 }, (_, byte) => {
  let reversed = 0;
  for (let bit = 0; bit < 8; bit++) reversed |= ((byte >> bit) & 1) << (7 - bit);
  return reversed;
});

/** A page as PDF's CCITTFaxDecode filter takes it (ISO 32000-1, 7.4.6). */
interface CodedPage {
  readonly data: Uint8Array;
  /** -1 T.6, 0 T.4 one-dimensional, above T.4 two-dimensional. */
  readonly k: number;
  readonly blackIs1: boolean;
}

/** Turns a fax TIFF into a PDF of the same pages, at their true size. The coded pages go in as they are. */
export async function runFaxToPdf(job: FaxToPdfJob, limits: WorkerLimits, progress: Progress): Promise<PagesResult> {
  const tiff = readTiff(job.input);
  if (tiff.pages.length > job.maxPages) throw tooManyPages(job.maxPages);
  const pdf = await PDFDocument.create();
  pdf.setProducer('ICTCore');
  for (const [index, page] of tiff.pages.entries()) {
    addPage(pdf, page, await codedPage(tiff, page, job.input, index, limits));
    progress();
  }
  tiff.close();
  const bytes = await pdf.save();
  if (bytes.length > limits.outputBytes) throw new RangeError('the PDF would be too large');
  writeFileSync(job.output, bytes, { flag: 'wx', mode: 0o600 });
  return { pages: tiff.pages.length, bytes: bytes.length };
}

async function codedPage(
  tiff: TiffReader,
  page: TiffPage,
  path: string,
  index: number,
  limits: WorkerLimits,
): Promise<CodedPage> {
  const [strip, more] = page.strips;
  const fax = (page.compression === 3 || page.compression === 4) && page.orientation === 1;
  if (!fax || !strip || more) return recoded(path, index, limits);
  const data = tiff.read(strip.offset, strip.bytes);
  const upright = page.fillOrder === 2 ? data.map((byte) => REVERSED[byte] as number) : data;
  const k = page.compression === 4 ? -1 : page.t4Options & 1 ? 4 : 0;
  return { data: upright, k, blackIs1: page.photometric === 1 };
}

/** Pages in several strips, or coded in another way, are decoded and coded again: no pixel changes. */
async function recoded(path: string, index: number, limits: WorkerLimits): Promise<CodedPage> {
  const picture = lenientDecoder(path, index, limits.pixels).toColourspace('b-w').raw();
  const { data, info } = await picture.toBuffer({ resolveWithObject: true });
  const black = data.map((grey) => (grey < 128 ? 1 : 0));
  return { data: encodeG4({ width: info.width, height: info.height, black }), k: -1, blackIs1: false };
}

function addPage(pdf: PDFDocument, page: TiffPage, coded: CodedPage): void {
  const width = (page.width / (page.resolutionX || 204)) * 72;
  const height = (page.height / (page.resolutionY || 196)) * 72;
  const sheet = pdf.addPage([width, height]);
  const image = pdf.context.stream(coded.data, {
    Type: 'XObject',
    Subtype: 'Image',
    Width: page.width,
    Height: page.height,
    BitsPerComponent: 1,
    ColorSpace: 'DeviceGray',
    Filter: 'CCITTFaxDecode',
    DecodeParms: {
      K: coded.k,
      Columns: page.width,
      Rows: page.height,
      BlackIs1: coded.blackIs1,
      EndOfBlock: coded.k < 0,
    },
  });
  const name = sheet.node.newXObject('Fax', pdf.context.register(image));
  const content = pdf.context.stream(`q ${width} 0 0 ${height} 0 0 cm ${name.toString()} Do Q`);
  sheet.node.set(PDFName.of('Contents'), pdf.context.register(content));
}
