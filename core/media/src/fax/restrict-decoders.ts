import sharp from 'sharp';

/** Only these decoders may ever run: no SVG (it can name files), no vips, HEIF, PDF or ImageMagick loader. */
const LOADERS = ['VipsForeignLoadPng', 'VipsForeignLoadJpeg', 'VipsForeignLoadNsgif', 'VipsForeignLoadTiff'];

/** Every module that uses the picture library calls this before it does: the bans hold for the whole process. */
export function restrictDecoders(): void {
  sharp.block({ operation: ['VipsForeignLoad'] });
  sharp.unblock({ operation: LOADERS });
  sharp.cache(false);
  sharp.concurrency(1);
}
