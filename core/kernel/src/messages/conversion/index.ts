export { capabilityRoutes } from './capability.routes';
export { Conversions } from './conversions';
export { provideConverter } from './converter';
export { MESSAGE_MEDIA_KEYS } from './media.sql';
export type { IncomingFile, MediaRow } from './media-files';
export { MediaFiles } from './media-files';
export { DOCUMENT_MEDIA, RECORDING_MEDIA } from './media-kind';
export { mediaMessageRoutes } from './media-message.routes';
export {
  type DownloadOptions,
  fileNameSql,
  MediaMessageService,
  type MessageRow,
  safeName,
  unknownFormat,
} from './media-message.service';
