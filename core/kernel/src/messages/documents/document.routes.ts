import type { AnyRoute } from '@ictcore/contract';
import type { Config } from '../../boot/config';
import { mediaMessageRoutes } from '../conversion';
import { documentCreate, documentListed, documentRead, documentSpec, documentUpdate } from './document.schema';
import type { DocumentService } from './document.service';

/** S14 to S19 and the media of documents. */
export function documentRoutes(service: DocumentService, config: Config['media']): AnyRoute[] {
  return mediaMessageRoutes({
    spec: documentSpec,
    paths: ['/messages/documents', '/documents'],
    service,
    create: documentCreate,
    update: documentUpdate,
    read: documentRead,
    row: documentListed,
    guide: ['S14', 'S15', 'S16', 'S17', 'S18', 'S19'],
    maxBytes: config.document_max_bytes,
    formats: 'pdf (default), tiff, original (several: a zip archive), png or jpg for a picture of one page',
  });
}
