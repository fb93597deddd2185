export type { FormatCapability, MediaCapabilities } from './capabilities';
export { FAX_QUALITIES, type FaxGrid } from './fax/geometry';
export { MediaConverter, type MediaConverterOptions } from './media-converter';
export { isMediaError, MEDIA_ERROR_STATUS, MediaError, type MediaErrorCode } from './media-error';
export { ACCEPTED_TYPES, type AcceptedType, type MediaKind, normalizeType, typeOfName } from './media-types';
export type { Declared, Sniffed } from './sniff';
export * from './types';
