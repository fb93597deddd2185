import { z } from '@ictcore/contract';
import { MAX_SEGMENTS, SEGMENT_UNITS } from '@ictcore/gsm';
import { columns, OWNED_FIELDS, type ResourceSpec } from '../../database/resource';
import { nullableText, requiredText, text } from '../../http/fields';

/** `class` as stored: flags of ICTCore (API section 1.6). */
export const TEXT_CLASS = { none: 0, normal: 1, sim: 2, toolkit: 4, flash: 8 } as const;
/** `encoding` as stored. */
export const TEXT_ENCODING = { gsm7: 0, binary: 1, ucs2: 2 } as const;

/** Text, API section 1.6. */
export const textSpec: ResourceSpec = {
  name: 'text',
  title: 'Text',
  from: 'text t',
  key: 'text_id',
  owner: 't.created_by',
  fields: {
    ...columns('text_id', 'name', 'data', 'type', 'description', 'length', 'class', 'encoding', 'segments'),
    message_id: 't.text_id',
    ...OWNED_FIELDS,
  },
  filters: {
    text_id: { kind: 'exact', value: 'int', sql: 't.text_id' },
    name: { kind: 'contains', sql: 't.name' },
    type: { kind: 'contains', sql: 't.type' },
    description: { kind: 'contains', sql: 't.description' },
  },
  sortable: ['name', 'date_created'],
  search: ['t.name', 't.data', 't.description'],
};

/** No concatenated message carries more than this, whatever the alphabet. */
const MAX_CHARACTERS = MAX_SEGMENTS * SEGMENT_UNITS.gsm7.part;

/** `normal`, `flash` or ICTCore's number of it, in any case or as text. */
const messageClass = z
  .preprocess(
    (value) =>
      typeof value === 'string' ? (/^\d$/.test(value.trim()) ? Number(value) : value.trim().toLowerCase()) : value,
    z.union([z.enum(['normal', 'flash']), z.literal([0, 1, 2, 4, 8])], { error: 'must be normal or flash' }),
  )
  .transform((value) => (typeof value === 'string' ? TEXT_CLASS[value] : value));

const optional = {
  type: nullableText(32)
    .optional()
    .describe('Character set of the source, for information: texts are Unicode here. Default UTF-8'),
  description: text(255).nullable().optional(),
  class: messageClass.optional().describe('normal or flash (3GPP TS 23.038 message class 0). Default normal'),
};

/** Body of S32. */
export const textCreate = z
  .object({
    name: requiredText(128),
    data: requiredText(MAX_CHARACTERS).describe(
      'The text; [tokens] are filled in for each recipient. Takes GSM 7 bit where every character fits, else UCS-2',
    ),
    ...optional,
  })
  .meta({ id: 'TextCreate' });
export type TextCreate = z.infer<typeof textCreate>;

/** Body of S35; absent fields stay as they are. */
export const textUpdate = z
  .object({ name: requiredText(128).optional(), data: requiredText(MAX_CHARACTERS).optional(), ...optional })
  .meta({ id: 'TextUpdate' });
export type TextUpdate = z.infer<typeof textUpdate>;

const measures = {
  length: z.int().describe('Characters'),
  encoding: z.int().describe('0 GSM 7 bit, 1 binary, 2 UCS-2'),
  segments: z
    .int()
    .describe('Messages it takes: 160/153 septets or 70/67 UCS-2 units each; as written, tokens unfilled'),
};

/** A text as read. */
export const textRead = z
  .object({
    text_id: z.int(),
    message_id: z.int().describe('As text_id'),
    name: z.string(),
    data: z.string(),
    type: z.string(),
    description: z.string(),
    class: z.int().describe('0 none, 1 normal, 2 SIM, 4 SIM toolkit, 8 flash'),
    ...measures,
    user_id: z.int().nullable().describe('Owner'),
    date_created: z.int().describe('Unix seconds'),
    last_updated: z.int().nullable().describe('Unix seconds'),
  })
  .meta({ id: 'Text' });
export type TextRow = z.infer<typeof textRead>;

/** Answer of `POST texts/{id}/preview`: what one contact would get. */
export const textPreview = z.object({ data: z.string(), ...measures }).meta({ id: 'TextPreview' });
export type TextPreview = z.infer<typeof textPreview>;
