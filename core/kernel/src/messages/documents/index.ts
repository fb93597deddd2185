export { Document } from './document.model';
export { documentRoutes } from './document.routes';
export { documentCreate, documentSpec } from './document.schema';
export { DocumentService, type SendableDocument } from './document.service';
