import { z } from '@ictcore/contract';
import { FAX_QUALITIES, type FaxQuality } from '@ictcore/media';
import { columns, type ResourceSpec } from '../../database/resource';
import { nullableText, requiredText, text } from '../../http/fields';
import { MEDIA_LIST_FIELDS, mediaFields, mediaListed, mediaRead } from '../conversion/media-fields';

/** Characters of extracted text. */
const MAX_OCR = 2_000_000;

/** Document, API section 1.3. */
export const documentSpec: ResourceSpec = {
  name: 'document',
  title: 'Document',
  from: 'document t',
  key: 'document_id',
  owner: 't.created_by',
  fields: {
    ...columns('document_id', 'pages', 'size_x', 'size_y', 'quality', 'resolution_x', 'resolution_y', 'ocr'),
    ...mediaFields('pdf'),
    message_id: 't.document_id',
  },
  listFields: ['document_id', 'pages', 'quality', ...MEDIA_LIST_FIELDS],
  filters: {
    document_id: { kind: 'exact', value: 'int', sql: 't.document_id' },
    name: { kind: 'contains', sql: 't.name' },
    type: { kind: 'contains', sql: 't.type' },
    description: { kind: 'contains', sql: 't.description' },
    quality: { kind: 'exact', value: 'text', sql: 't.quality' },
    status: { kind: 'exact', value: 'text', sql: 't.status' },
  },
  sortable: ['name', 'date_created'],
  search: ['t.name', 't.description', 't.original_name'],
};

const QUALITIES = Object.keys(FAX_QUALITIES) as [FaxQuality, ...FaxQuality[]];

const quality = z
  .preprocess(
    (value) => (value === '' || value === null ? undefined : typeof value === 'string' ? value.toLowerCase() : value),
    z.enum(QUALITIES, { error: `must be one of ${QUALITIES.join(', ')}` }).optional(),
  )
  .optional()
  .describe('Fax quality; default standard. Changing it makes the pages anew from what was uploaded');

const optional = {
  description: text(255).nullable().optional(),
  quality,
  ocr: nullableText(MAX_OCR).optional().describe('Extracted text'),
};

/** Body of S14. */
export const documentCreate = z.object({ name: requiredText(128), ...optional }).meta({ id: 'DocumentCreate' });
export type DocumentCreate = z.infer<typeof documentCreate>;

/** Body of S17; absent fields stay as they are. */
export const documentUpdate = z
  .object({ name: requiredText(128).optional(), ...optional })
  .meta({ id: 'DocumentUpdate' });
export type DocumentUpdate = z.infer<typeof documentUpdate>;

const pages = {
  document_id: z.int(),
  pages: z.int().describe('0 while nothing was uploaded'),
  quality: z.enum(QUALITIES).describe('Of the pages that are there'),
};

/** A row of S15. */
export const documentListed = z.object({ ...pages, ...mediaListed }).meta({ id: 'DocumentListed' });

/** A document as read. */
export const documentRead = z
  .object({
    ...pages,
    ...mediaRead,
    message_id: z.int().describe('As document_id'),
    size_x: z.int().nullable().describe('Width of the first page in points'),
    size_y: z.int().nullable().describe('Height of the first page in points'),
    resolution_x: z.int().describe('Dots per inch across, from quality'),
    resolution_y: z.int().describe('Dots per inch down, from quality'),
    ocr: z.string().nullable(),
  })
  .meta({ id: 'Document' });
export type DocumentRow = z.infer<typeof documentRead>;
