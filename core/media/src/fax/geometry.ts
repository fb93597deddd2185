import type { FaxPaper, FaxQuality } from '../types';

/** One quality: dots per inch each way, and the pixels of a line. */
export interface FaxGrid {
  /** Dots per inch across. */
  readonly x: number;
  /** Dots per inch down. */
  readonly y: number;
  /** Pixels of a line: fax machines take exactly these widths (ITU-T T.30 table 2), 215 mm and a little more. */
  readonly width: number;
}

/** The six qualities of the API. */
export const FAX_QUALITIES: Readonly<Record<FaxQuality, FaxGrid>> = {
  basic: { x: 100, y: 98, width: 864 },
  standard: { x: 204, y: 98, width: 1728 },
  fine: { x: 204, y: 196, width: 1728 },
  super: { x: 204, y: 391, width: 1728 },
  superior: { x: 300, y: 300, width: 2592 },
  ultra: { x: 408, y: 391, width: 3456 },
};

const TURN_BAND = 64;

/** Width and height in inches. */
const PAPER_INCHES: Readonly<Record<FaxPaper, readonly [number, number]>> = {
  a4: [210 / 25.4, 297 / 25.4],
  letter: [8.5, 11],
};

/** Where a source page lands on the fax page, in fax pixels. */
export interface Placement {
  /** Pixels of the whole page. */
  readonly pageWidth: number;
  readonly pageHeight: number;
  /** Left edge and size of the picture, after it was turned. It starts at the top. */
  readonly left: number;
  readonly width: number;
  readonly height: number;
  /** The source is landscape: it is turned a quarter, clockwise. */
  readonly turned: boolean;
}

/** Height in pixels of a page of this paper: A4 has 1146, 2292 and 4572 lines at 98, 196 and 391 dpi. */
export function pageHeight(grid: FaxGrid, paper: FaxPaper): number {
  return Math.round(PAPER_INCHES[paper][1] * grid.y);
}

/**
 * Scales a source to fit the page without distorting it, turned to portrait, centred across.
 * @param sourceWidth in any unit, the same as sourceHeight's (points, or square pixels)
 */
export function place(sourceWidth: number, sourceHeight: number, grid: FaxGrid, paper: FaxPaper): Placement {
  const turned = sourceWidth > sourceHeight;
  const [across, down] = turned ? [sourceHeight, sourceWidth] : [sourceWidth, sourceHeight];
  const lines = pageHeight(grid, paper);
  const scale = Math.min(grid.width / grid.x / across, PAPER_INCHES[paper][1] / down);
  const width = clamp(Math.round(across * scale * grid.x), grid.width);
  const height = clamp(Math.round(down * scale * grid.y), lines);
  return { pageWidth: grid.width, pageHeight: lines, left: (grid.width - width) >> 1, width, height, turned };
}

/** Size the source has to be rendered at so that it fills its place once it is turned. */
export function renderSize(placement: Placement): { width: number; height: number } {
  const { width, height, turned } = placement;
  return turned ? { width: height, height: width } : { width, height };
}

/**
 * Puts a rendered grey picture on a white page.
 * @param grey one byte a pixel, 0 black to 255 white, of {@link renderSize}
 */
export function compose(grey: Uint8Array, placement: Placement): Uint8Array {
  const { pageWidth, left, width, height, turned } = placement;
  const page = new Uint8Array(pageWidth * placement.pageHeight).fill(255);
  if (turned) turnInto(page, grey, placement);
  else {
    for (let y = 0; y < height; y++) page.set(grey.subarray(y * width, (y + 1) * width), y * pageWidth + left);
  }
  return page;
}

/** A quarter clockwise: the source is `height` wide, and its last line becomes our first column. */
function turnInto(page: Uint8Array, grey: Uint8Array, { pageWidth, left, width, height }: Placement): void {
  // In bands of lines, so that what is read and what is written both stay in the processor's cache.
  for (let top = 0; top < height; top += TURN_BAND) {
    const bottom = Math.min(height, top + TURN_BAND);
    for (let x = 0; x < width; x++) {
      const column = (width - 1 - x) * height;
      for (let y = top; y < bottom; y++) page[y * pageWidth + left + x] = grey[column + y] as number;
    }
  }
}

function clamp(value: number, max: number): number {
  return Math.max(1, Math.min(max, value));
}
