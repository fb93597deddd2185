import { MediaError } from '../media-error';
import type { FaxResult, MediaFile } from '../types';
import type { Progress, WorkerJob, WorkerLimits } from '../worker/protocol';
import { toBilevel } from './bilevel';
import { FAX_QUALITIES, type FaxGrid } from './geometry';
import { type GreyPage, renderPdfPage, withPdf } from './pdf-source';
import { FaxTiffWriter } from './tiff-writer';
import { tooManyPages } from './too-many-pages';

type FaxJob = Extract<WorkerJob, { kind: 'fax' }>;

/** All that the sources of pages need. */
interface Context {
  readonly job: FaxJob;
  readonly grid: FaxGrid;
  readonly limits: WorkerLimits;
  /** Pages that may still be added. */
  readonly left: () => number;
  readonly add: (page: GreyPage) => void;
}

/** Turns the inputs, in their order, into the pages of one fax TIFF. */
export async function runFaxJob(job: FaxJob, limits: WorkerLimits, progress: Progress): Promise<FaxResult> {
  const grid = FAX_QUALITIES[job.quality];
  const tiff = new FaxTiffWriter(job.output, grid, job.encoding, limits.outputBytes);
  let height = 0;
  const add = (page: GreyPage): void => {
    height ||= page.height;
    tiff.addPage(toBilevel(page.grey, page.width, page.height, job.mode));
    progress();
  };
  const context: Context = { job, grid, limits, left: () => job.maxPages - tiff.pages, add };
  for (const input of job.inputs) await addFile(input, context);
  if (tiff.pages === 0) throw new MediaError('MEDIA_NOT_CONVERTIBLE', 'The document has no pages.');
  tiff.finish();
  return { pages: tiff.pages, width: grid.width, height, resolutionX: grid.x, resolutionY: grid.y, bytes: tiff.bytes };
}

function addFile(input: MediaFile, context: Context): Promise<void> {
  if (input.mediaType === 'application/pdf') return addPdf(input, context);
  if (input.mediaType === 'text/plain') return addText(input, context);
  if (input.mediaType.startsWith('image/')) return addImage(input, context);
  throw new MediaError('MEDIA_TYPE_UNSUPPORTED', `A file of type ${input.mediaType} cannot become a fax.`);
}

function addPdf(input: MediaFile, { job, grid, left, add }: Context): Promise<void> {
  return withPdf(input.path, async (pdf) => {
    const pages = pdf.getPageCount();
    if (pages > left()) throw tooManyPages(job.maxPages);
    for (let i = 0; i < pages; i++) add(await renderPdfPage(pdf, i, grid, job.paper));
  });
}

async function addImage(input: MediaFile, { job, grid, limits, left, add }: Context): Promise<void> {
  const { openImage } = await import('./image-source.js'); // the picture library costs 40 ms: only when needed
  const image = await openImage(input.path, input.mediaType, limits.pixels);
  if (image.pages > left()) throw tooManyPages(job.maxPages);
  for (let i = 0; i < image.pages; i++) add(await image.render(i, grid, job.paper));
}

async function addText(input: MediaFile, { job, grid, left, add }: Context): Promise<void> {
  const { layOutText, renderTextPage } = await import('./text-source.js');
  const text = layOutText(input.path, grid, job.paper, left());
  for (const lines of text.pages) add(await renderTextPage(lines, text.columns, grid, job.paper));
}
