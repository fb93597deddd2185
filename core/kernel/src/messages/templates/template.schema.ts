import { z } from '@ictcore/contract';
import { columns, OWNED_FIELDS, type ResourceSpec } from '../../database/resource';
import { nullableText, requiredText, text } from '../../http/fields';

const MIB = 1024 * 1024;
/** What the attachments of one template may be (API section 6). Received mail is not limited by it. */
export const ATTACHMENT_LIMITS = { files: 10, fileBytes: 10 * MIB, totalBytes: 20 * MIB } as const;

/** Characters of a body: inline pictures fit, a memory bomb does not. */
const MAX_BODY = 2_000_000;

const ATTACHMENTS = `(
  select coalesce(jsonb_agg(jsonb_build_object('name', a.name, 'media_type', a.media_type, 'size', a.size)
                            order by a.position), '[]')
    from template_attachment a where a.template_id = t.template_id)`;

/** Template, API section 1.5. */
export const templateSpec: ResourceSpec = {
  name: 'template',
  title: 'Template',
  from: 'template t',
  key: 'template_id',
  owner: 't.created_by',
  fields: {
    ...columns('template_id', 'name', 'description', 'type', 'subject', 'body', 'body_alt', 'length'),
    attachment: ATTACHMENTS,
    message_id: 't.template_id',
    ...OWNED_FIELDS,
  },
  // Bodies may be large: lists go without them (S27).
  listFields: [
    ...['template_id', 'name', 'subject', 'type', 'length', 'description'],
    ...['user_id', 'date_created', 'last_updated'],
  ],
  filters: {
    template_id: { kind: 'exact', value: 'int', sql: 't.template_id' },
    name: { kind: 'contains', sql: 't.name' },
    subject: { kind: 'contains', sql: 't.subject' },
    type: { kind: 'contains', sql: 't.type' },
    description: { kind: 'contains', sql: 't.description' },
    body: { kind: 'contains', sql: 't.body' },
    body_alt: { kind: 'contains', sql: 't.body_alt' },
  },
  sortable: ['name', 'subject', 'date_created'],
  search: ['t.name', 't.subject', 't.description'],
};

const optional = {
  body_alt: nullableText(MAX_BODY).optional().describe('Plain part; without one it is derived from body when sent'),
  description: text(255).nullable().optional(),
  type: nullableText(8).optional().describe('Free; default html'),
};
const subject = requiredText(255).describe('[tokens] are filled in; line breaks become spaces');
const body = requiredText(MAX_BODY).describe('HTML; the values of [tokens] are escaped');

/** Body of S26. */
export const templateCreate = z
  .object({ name: requiredText(128), subject, body, ...optional })
  .meta({ id: 'TemplateCreate' });
export type TemplateCreate = z.infer<typeof templateCreate>;

/** Body of S29; absent fields stay as they are. */
export const templateUpdate = z
  .object({
    name: requiredText(128).optional(),
    subject: subject.optional(),
    body: body.optional(),
    ...optional,
  })
  .meta({ id: 'TemplateUpdate' });
export type TemplateUpdate = z.infer<typeof templateUpdate>;

const attachment = z
  .object({ name: z.string(), media_type: z.string(), size: z.int().describe('Bytes') })
  .meta({ id: 'Attachment' });

const listed = {
  template_id: z.int(),
  name: z.string(),
  subject: z.string(),
  type: z.string(),
  length: z.int().describe('Bytes of subject, body, body_alt and attachments'),
  description: z.string(),
  user_id: z.int().nullable().describe('Owner'),
  date_created: z.int().describe('Unix seconds'),
  last_updated: z.int().nullable().describe('Unix seconds'),
};

/** A row of S27. */
export const templateListed = z.object(listed).meta({ id: 'TemplateListed' });

/** A template as read. */
export const templateRead = z
  .object({
    ...listed,
    message_id: z.int().describe('As template_id'),
    body: z.string(),
    body_alt: z.string().nullable(),
    attachment: z.array(attachment).describe('In order; the first one is media/1'),
  })
  .meta({ id: 'Template' });
export type TemplateRow = z.infer<typeof templateRead>;

/** Answer of `POST templates/{id}/preview`: what one contact would get. */
export const templatePreview = z
  .object({
    subject: z.string(),
    body: z.string().describe('HTML'),
    body_alt: z.string().describe('The plain part, derived from the HTML where the template has none'),
    attachment: z.array(attachment),
  })
  .meta({ id: 'TemplatePreview' });
export type TemplatePreview = z.infer<typeof templatePreview>;
