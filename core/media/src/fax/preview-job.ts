import sharp from 'sharp';
import { MediaError } from '../media-error';
import type { PreviewResult } from '../types';
import type { WorkerJob, WorkerLimits } from '../worker/protocol';
import { lenientDecoder, readTiff } from './image-source';
import { renderPdfPreview, withPdf } from './pdf-source';
import { pixelAspect } from './tiff-reader';

type PreviewJob = Extract<WorkerJob, { kind: 'preview' }>;
type CountJob = Extract<WorkerJob, { kind: 'count' }>;

/** Draws one page of a TIFF or PDF as a picture with square pixels. */
export async function runPreview(job: PreviewJob, limits: WorkerLimits): Promise<PreviewResult> {
  const picture = job.input.mediaType === 'application/pdf' ? await pdfPage(job) : tiffPage(job, limits);
  const info = await picture.toFormat(job.format).toFile(job.output);
  return { width: info.width, height: info.height, bytes: info.size };
}

function pdfPage(job: PreviewJob): Promise<sharp.Sharp> {
  return withPdf(job.input.path, async (pdf) => {
    checkPage(job.page, pdf.getPageCount());
    const { grey, width, height } = await renderPdfPreview(pdf, job.page - 1, job.width);
    return sharp(grey, { raw: { width, height, channels: 1 } }).toColourspace('b-w');
  });
}

function tiffPage(job: PreviewJob, limits: WorkerLimits): sharp.Sharp {
  const tiff = readTiff(job.input.path);
  tiff.close();
  const page = tiff.pages[job.page - 1];
  if (!page) throw noPage(job.page, tiff.pages.length);
  const height = Math.round((job.width * page.height) / (page.width * pixelAspect(page)));
  return lenientDecoder(job.input.path, job.page - 1, limits.pixels)
    .toColourspace('b-w')
    .resize(job.width, Math.max(1, Math.min(height, job.width * 10)), { fit: 'fill' });
}

/** Pages of a PDF or TIFF; one for any other picture. */
export async function runCount(job: CountJob): Promise<{ pages: number }> {
  if (job.input.mediaType === 'application/pdf') {
    return withPdf(job.input.path, async (pdf) => ({ pages: pdf.getPageCount() }));
  }
  if (job.input.mediaType !== 'image/tiff') return { pages: 1 };
  const tiff = readTiff(job.input.path);
  tiff.close();
  return { pages: tiff.pages.length };
}

function checkPage(page: number, pages: number): void {
  if (page > pages) throw noPage(page, pages);
}

function noPage(page: number, pages: number): MediaError {
  return new MediaError('MEDIA_NOT_CONVERTIBLE', `The document has ${pages} pages; there is no page ${page}.`);
}
