import { MediaError } from '../media-error';

/** The error of every source of pages that has more than were allowed. */
export function tooManyPages(maxPages: number): MediaError {
  return new MediaError('MEDIA_TOO_MANY_PAGES', `The document has more than ${maxPages} pages.`);
}
