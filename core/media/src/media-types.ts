import type { MediaFamily } from './types';

/** What a file may be used for: fax documents, or voice recordings. */
export type MediaKind = 'document' | 'recording';

/** One accepted type. */
export interface AcceptedType {
  readonly mediaType: string;
  readonly family: MediaFamily;
  /** The usual file extension, without dot. */
  readonly extension: string;
  readonly kind: MediaKind;
}

/** Type, family, extensions (the first is the usual one), other names of the type. */
type Row = readonly [mediaType: string, family: MediaFamily, extensions: string, aliases?: string];

const OOXML = 'application/vnd.openxmlformats-officedocument';
const ODF = 'application/vnd.oasis.opendocument';

const ROWS: readonly Row[] = [
  ['application/pdf', 'pdf', 'pdf', 'application/x-pdf'],
  ['image/tiff', 'image', 'tif tiff', 'image/x-tiff'],
  ['image/png', 'image', 'png', 'image/x-png'],
  ['image/jpeg', 'image', 'jpg jpeg jpe jfif', 'image/jpg image/pjpeg image/x-citrix-jpeg'],
  ['image/gif', 'image', 'gif'],
  ['image/bmp', 'image', 'bmp dib', 'image/x-ms-bmp image/x-bmp image/x-windows-bmp'],
  ['text/plain', 'text', 'txt text log'],
  ['text/html', 'html', 'html htm xhtml', 'application/xhtml+xml'],
  ['application/msword', 'office', 'doc'],
  ['application/vnd.ms-excel', 'office', 'xls'],
  ['application/vnd.ms-powerpoint', 'office', 'ppt'],
  ['application/rtf', 'office', 'rtf', 'text/rtf'],
  [`${OOXML}.wordprocessingml.document`, 'office', 'docx'],
  [`${OOXML}.spreadsheetml.sheet`, 'office', 'xlsx'],
  [`${OOXML}.presentationml.presentation`, 'office', 'pptx'],
  [`${ODF}.text`, 'office', 'odt'],
  [`${ODF}.spreadsheet`, 'office', 'ods'],
  [`${ODF}.presentation`, 'office', 'odp'],
  ['audio/wav', 'audio', 'wav wave', 'audio/x-wav audio/wave audio/vnd.wave'],
  ['audio/mpeg', 'audio', 'mp3 mpga', 'audio/mp3 audio/mpeg3 audio/x-mpeg-3 audio/x-mp3'],
  ['audio/ogg', 'audio', 'ogg oga opus', 'application/ogg audio/opus audio/vorbis audio/x-vorbis+ogg'],
  ['audio/flac', 'audio', 'flac', 'audio/x-flac'],
];

/** Every type that is accepted (section 6 of the API), by its registered name. */
export const ACCEPTED_TYPES: ReadonlyMap<string, AcceptedType> = new Map(
  ROWS.map(([mediaType, family, extensions]) => {
    const kind: MediaKind = family === 'audio' ? 'recording' : 'document';
    return [mediaType, { mediaType, family, extension: extensions.split(' ')[0] as string, kind }];
  }),
);

const ALIASES = new Map(
  ROWS.flatMap(([mediaType, , , aliases]) => (aliases ?? '').split(' ').map((alias) => [alias, mediaType] as const)),
);

const BY_EXTENSION = new Map(
  ROWS.flatMap(([mediaType, , extensions]) => extensions.split(' ').map((name) => [name, mediaType] as const)),
);

/** Types that say nothing: the content decides. */
const UNKNOWN = new Set(['', 'application/octet-stream', 'binary/octet-stream', 'application/x-www-form-urlencoded']);

/** A declared type in its registered form: without parameters, lower case, aliases resolved; undefined if it says nothing. */
export function normalizeType(declared: string | undefined): string | undefined {
  const name = (declared ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  return UNKNOWN.has(name) ? undefined : (ALIASES.get(name) ?? name);
}

/** The accepted type an extension of a file name stands for; undefined for unknown extensions and bare names. */
export function typeOfName(fileName: string | undefined): AcceptedType | undefined {
  const extension = /\.([a-z0-9]{1,8})$/i.exec(fileName ?? '')?.[1]?.toLowerCase();
  return extension === undefined ? undefined : ACCEPTED_TYPES.get(BY_EXTENSION.get(extension) ?? '');
}
