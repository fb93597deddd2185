import sharp from 'sharp';
import { MediaError } from '../media-error';
import type { FaxPaper } from '../types';
import { readBmp } from './bmp-reader';
import { compose, type FaxGrid, pageHeight, place, renderSize } from './geometry';
import type { GreyPage } from './pdf-source';
import { restrictDecoders } from './restrict-decoders';
import { pixelAspect, type TiffPage, TiffReader } from './tiff-reader';

/** A picture file, opened far enough to know its pages. */
export interface ImageSource {
  readonly pages: number;
  /** One page, counted from 0, at its place on the fax page. */
  render(index: number, grid: FaxGrid, paper: FaxPaper): Promise<GreyPage>;
}

restrictDecoders();

/** A fax page may be longer than the paper; beyond this many paper heights it is scaled like any picture. */
const MAX_KEPT_HEIGHTS = 3;

/** Opens a picture. @param maxPixels pixels of one page of the source */
export async function openImage(path: string, mediaType: string, maxPixels: number): Promise<ImageSource> {
  if (mediaType === 'image/bmp') return openBmp(path, maxPixels);
  if (mediaType === 'image/tiff') return openTiff(path, maxPixels);
  const size = await uprightSize(path, 0, maxPixels);
  return {
    pages: 1,
    render: (_index, grid, paper) => draw(decoder(path, 0, maxPixels), size, 1, grid, paper),
  };
}

function openBmp(path: string, maxPixels: number): ImageSource {
  const { data, width, height } = readBmp(path, maxPixels);
  return {
    pages: 1,
    render: (_index, grid, paper) =>
      draw(sharp(data, { raw: { width, height, channels: 3 } }), { width, height }, 1, grid, paper),
  };
}

function openTiff(path: string, maxPixels: number): ImageSource {
  const reader = readTiff(path);
  const { pages } = reader;
  reader.close();
  if (pages.length === 0) throw new MediaError('MEDIA_NOT_CONVERTIBLE', 'The TIFF has no pages.');
  return {
    pages: pages.length,
    async render(index, grid, paper) {
      const page = pages[index] as TiffPage;
      const picture = decoder(path, index, maxPixels);
      if (isFaxPage(page, grid, paper)) return keep(picture, page);
      return draw(picture, await uprightSize(path, index, maxPixels), pixelAspect(page), grid, paper);
    },
  };
}

/** Opens the directories of a TIFF; one page more than can ever be sent, so that too many can be told. */
export function readTiff(path: string): TiffReader {
  try {
    return new TiffReader(path, 10_000);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new MediaError('MEDIA_NOT_CONVERTIBLE', 'The TIFF is damaged and cannot be opened.', detail);
  }
}

/** True for a page that is a fax page of this quality already: a received fax goes out again bit by bit. */
function isFaxPage(page: TiffPage, grid: FaxGrid, paper: FaxPaper): boolean {
  const near = (value: number, wanted: number): boolean => Math.abs(value - wanted) <= wanted * 0.03;
  return (
    page.bitsPerSample === 1 &&
    page.width === grid.width &&
    page.orientation === 1 &&
    page.height <= pageHeight(grid, paper) * MAX_KEPT_HEIGHTS &&
    near(page.resolutionX, grid.x) &&
    near(page.resolutionY, grid.y)
  );
}

async function keep(picture: sharp.Sharp, page: TiffPage): Promise<GreyPage> {
  const grey = await picture.toColourspace('b-w').raw().toBuffer();
  return { width: page.width, height: page.height, grey };
}

/** A decoder of one page, which refuses pictures that are cut short or damaged. */
export function decoder(path: string, page: number, maxPixels: number): sharp.Sharp {
  return sharp(path, { limitInputPixels: maxPixels, failOn: 'error', sequentialRead: true, page });
}

/** A decoder that shows what can be read: a received fax may have damaged lines. */
export function lenientDecoder(path: string, page: number, maxPixels: number): sharp.Sharp {
  return sharp(path, { limitInputPixels: maxPixels, failOn: 'none', sequentialRead: true, page });
}

/** Size after the camera's orientation was applied. */
async function uprightSize(path: string, page: number, maxPixels: number): Promise<{ width: number; height: number }> {
  const meta = await decoder(path, page, maxPixels).metadata();
  const { width, height } = meta.autoOrient;
  return { width, height };
}

async function draw(
  picture: sharp.Sharp,
  size: { width: number; height: number },
  aspect: number,
  grid: FaxGrid,
  paper: FaxPaper,
): Promise<GreyPage> {
  // In units of square pixels: a pixel of a fax may be twice as high as wide.
  const placement = place(size.width * aspect, size.height, grid, paper);
  const target = renderSize(placement);
  const grey = await picture
    .autoOrient()
    .flatten({ background: '#fff' })
    .toColourspace('b-w')
    .resize(target.width, target.height, { fit: 'fill', kernel: 'lanczos3' })
    .raw()
    .toBuffer();
  return { width: placement.pageWidth, height: placement.pageHeight, grey: compose(grey, placement) };
}
