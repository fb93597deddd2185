import { readFileSync } from 'node:fs';
import type { PDFiumDocument, PDFiumLibrary, PDFiumPage } from '@hyzyla/pdfium' with { 'resolution-mode': 'import' };
import { MediaError } from '../media-error';
import type { FaxPaper } from '../types';
import { webAssembly } from '../worker/web-assembly';
import { compose, type FaxGrid, place, renderSize } from './geometry';

/** A grey page: one byte a pixel, 0 black to 255 white. */
export interface GreyPage {
  readonly width: number;
  readonly height: number;
  readonly grey: Uint8Array;
}

let pdfium: Promise<PDFiumLibrary> | undefined;

/** PDFium, loaded once in this process. */
export function openPdfium(): Promise<PDFiumLibrary> {
  pdfium ??= import('@hyzyla/pdfium').then((module) => module.PDFiumLibrary.init());
  return pdfium;
}

/**
 * Opens a PDF with PDFium (WebAssembly: it can reach neither files nor network), runs `use`, and frees it.
 * @throws MediaError MEDIA_NOT_CONVERTIBLE for broken and for encrypted files
 */
export async function withPdf<T>(path: string, use: (pdf: PDFiumDocument) => Promise<T>): Promise<T> {
  const library = await openPdfium();
  const pdf = await library.loadDocument(readFileSync(path)).catch((error: unknown) => {
    throw openError(error);
  });
  // Not freed on errors: after an abort the instance is dead, and the process ends anyway.
  const result = await use(pdf);
  pdf.destroy();
  return result;
}

function openError(error: unknown): unknown {
  const words = error instanceof Error ? error.message : String(error);
  if (error instanceof RangeError || error instanceof webAssembly.RuntimeError) return error;
  if (/password|security/i.test(words)) {
    const message = 'The PDF is protected by a password. Save it without one and upload it again.';
    return new MediaError('MEDIA_NOT_CONVERTIBLE', message, words);
  }
  return new MediaError('MEDIA_NOT_CONVERTIBLE', 'The PDF is damaged and cannot be opened.', words);
}

/** Renders one page, counted from 0, at its place on the fax page. */
export async function renderPdfPage(
  pdf: PDFiumDocument,
  index: number,
  grid: FaxGrid,
  paper: FaxPaper,
): Promise<GreyPage> {
  const page = pdf.getPage(index);
  const size = pageSize(page, index);
  const placement = place(size.width, size.height, grid, paper);
  const grey = await renderGrey(page, renderSize(placement));
  return { width: placement.pageWidth, height: placement.pageHeight, grey: compose(grey, placement) };
}

/** Renders one page, counted from 0, as wide as asked. */
export async function renderPdfPreview(pdf: PDFiumDocument, index: number, width: number): Promise<GreyPage> {
  const page = pdf.getPage(index);
  const size = pageSize(page, index);
  const height = Math.max(1, Math.min(width * 10, Math.round((width * size.height) / size.width)));
  return { width, height, grey: await renderGrey(page, { width, height }) };
}

/** Points of a page. To be asked before it is rendered: that closes the page. */
function pageSize(page: PDFiumPage, index: number): { width: number; height: number } {
  const { originalWidth: width, originalHeight: height } = page.getOriginalSize();
  if (!(width > 0 && height > 0)) {
    throw new MediaError('MEDIA_NOT_CONVERTIBLE', `Page ${index + 1} of the PDF has no size.`);
  }
  return { width, height };
}

async function renderGrey(page: PDFiumPage, size: { width: number; height: number }): Promise<Uint8Array> {
  const drawn = await page.render({ scale: 1, ...size, colorSpace: 'Gray', render: 'bitmap', renderFormFields: true });
  return drawn.data;
}
