import { z } from '@ictcore/contract';
import { columns, type ResourceSpec } from '../../database/resource';
import { requiredText, text } from '../../http/fields';
import { MEDIA_LIST_FIELDS, mediaFields, mediaListed, mediaRead } from '../conversion/media-fields';

/** Recording, API section 1.4. What is derived is always the same: PCM of 16 bits, 8 kHz, one channel. */
export const recordingSpec: ResourceSpec = {
  name: 'recording',
  title: 'Recording',
  from: 'recording t',
  key: 'recording_id',
  owner: 't.created_by',
  fields: {
    ...columns('recording_id', 'length'),
    codec: `'pcm'`,
    channel: '1',
    sample: '8000',
    bitrate: '16',
    ...mediaFields('wav'),
    message_id: 't.recording_id',
  },
  listFields: ['recording_id', 'length', ...MEDIA_LIST_FIELDS],
  filters: {
    recording_id: { kind: 'exact', value: 'int', sql: 't.recording_id' },
    name: { kind: 'contains', sql: 't.name' },
    type: { kind: 'contains', sql: 't.type' },
    description: { kind: 'contains', sql: 't.description' },
    status: { kind: 'exact', value: 'text', sql: 't.status' },
  },
  sortable: ['name', 'date_created'],
  search: ['t.name', 't.description', 't.original_name'],
};

const description = text(255).nullable().optional();

/** Body of S20. */
export const recordingCreate = z.object({ name: requiredText(128), description }).meta({ id: 'RecordingCreate' });
export type RecordingCreate = z.infer<typeof recordingCreate>;

/** Body of S23; absent fields stay as they are. */
export const recordingUpdate = z
  .object({ name: requiredText(128).optional(), description })
  .meta({ id: 'RecordingUpdate' });
export type RecordingUpdate = z.infer<typeof recordingUpdate>;

const own = {
  recording_id: z.int(),
  length: z.int().describe('Seconds, rounded up; 0 while nothing was uploaded'),
};

/** A row of S21. */
export const recordingListed = z.object({ ...own, ...mediaListed }).meta({ id: 'RecordingListed' });

/** A recording as read. */
export const recordingRead = z
  .object({
    ...own,
    ...mediaRead,
    message_id: z.int().describe('As recording_id'),
    codec: z.string(),
    channel: z.int(),
    sample: z.int().describe('Samples per second'),
    bitrate: z.int().describe('Bits per sample'),
  })
  .meta({ id: 'Recording' });
export type RecordingRow = z.infer<typeof recordingRead>;
