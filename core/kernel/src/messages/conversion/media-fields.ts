import { z } from '@ictcore/contract';
import { columns, OWNED_FIELDS } from '../../database/resource';
import { fileNameSql } from './media-message.service';

/** SQL of the fields that every message with media shows. */
export function mediaFields(extension: string) {
  return {
    ...columns('name', 'description', 'type', 'original_name', 'media_type', 'media_size', 'status', 'status_detail'),
    file_name: fileNameSql(extension),
    has_media: '(t.media_type is not null)::int',
    ...OWNED_FIELDS,
  };
}

/** Schemas of the same in lists. */
export const mediaListed = {
  name: z.string(),
  file_name: z.string().nullable().describe('Name of the download; null while nothing was uploaded'),
  type: z.string().nullable().describe('Extension of the first uploaded file'),
  description: z.string(),
  has_media: z.int().describe('1 if something was uploaded'),
  status: z
    .enum(['converting', 'ready', 'error'])
    .nullable()
    .describe('Of the media; null while nothing was uploaded. Only ready ones can be sent'),
  user_id: z.int().nullable().describe('Owner'),
  date_created: z.int().describe('Unix seconds'),
  last_updated: z.int().nullable().describe('Unix seconds'),
};

/** Schemas of the same in single reads. */
export const mediaRead = {
  ...mediaListed,
  status_detail: z.string().describe('Why the last upload came to nothing, where status is error'),
  original_name: z.string().nullable().describe('Name of the first uploaded file'),
  media_type: z.string().nullable().describe('Media type of the first uploaded file'),
  media_size: z.int().nullable().describe('Bytes of all uploaded files'),
};

/** Fields of a list's row. */
export const MEDIA_LIST_FIELDS = [
  ...['name', 'file_name', 'type', 'description', 'has_media', 'status'],
  ...['user_id', 'date_created', 'last_updated'],
];
