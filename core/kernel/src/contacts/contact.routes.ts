import type { AnyRoute } from '@ictcore/contract';
import { crudRoutes } from '../http/crud-routes';
import { contactCreate, contactListed, contactRead, contactSpec, contactUpdate } from './contact.schema';
import type { ContactService } from './contact.service';

/** S1 to S5. */
export function contactRoutes(service: ContactService): AnyRoute[] {
  return crudRoutes({
    spec: contactSpec,
    paths: ['/contacts'],
    service,
    create: contactCreate,
    update: contactUpdate,
    read: contactRead,
    row: contactListed,
    lines: ['S1', 'S2', 'S3', 'S4', 'S5'],
  });
}
