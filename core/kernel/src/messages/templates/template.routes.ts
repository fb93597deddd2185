import { type AnyRoute, defineRoute, IctError, type RouteRequest, z } from '@ictcore/contract';
import { crudRoutes, done, newId } from '../../http/crud-routes';
import { flag, idParam } from '../../http/fields';
import { forceQuery, previewInput } from '../message-schema';
import {
  ATTACHMENT_LIMITS,
  templateCreate,
  templateListed,
  templatePreview,
  templateRead,
  templateSpec,
  templateUpdate,
} from './template.schema';
import type { TemplateService } from './template.service';

const BASE = '/messages/templates/{template_id}';
const SHORT = '/templates/{template_id}';
const at = (tail: string) => ({ path: BASE + tail, aliases: [{ path: SHORT + tail }] });

const params = z.object({ template_id: idParam() });
const oneParams = z.object({ template_id: idParam(), n: idParam().describe('From 1, in the order of attachment') });
const inlineQuery = z.object({ inline: flag().optional().describe('1: for showing rather than saving') });
const upload = { maxBytes: ATTACHMENT_LIMITS.fileBytes, maxFiles: ATTACHMENT_LIMITS.files, raw: true };

/** S26 to S31, attachments and the preview. */
export function templateRoutes(service: TemplateService): AnyRoute[] {
  const crud = crudRoutes({
    spec: templateSpec,
    paths: ['/messages/templates', '/templates'],
    service,
    create: templateCreate,
    update: templateUpdate,
    read: templateRead,
    row: templateListed,
    lines: ['S26', 'S27', 'S28', 'S29', 'S30'],
  });
  return [
    ...crud.filter((route) => route.method !== 'delete'),
    deleteRoute(service),
    ...mediaRoutes(service),
    ...downloadRoutes(service),
    defineRoute({
      method: 'post',
      ...at('/preview'),
      permission: ['template_read', 'contact_read'],
      summary: 'Show what a contact would get',
      params,
      body: previewInput,
      response: templatePreview,
      handler: ({ actor, params: { template_id }, body }) => service.preview(actor, template_id, body.contact_id),
    }),
  ];
}

function deleteRoute(service: TemplateService): AnyRoute {
  return defineRoute({
    method: 'delete',
    ...at(''),
    permission: 'template_delete',
    summary: 'Delete a template and its files',
    description: 'Guide line S30. Refused while a program with unfinished transmissions uses it.',
    params,
    query: forceQuery,
    response: done,
    errors: { 423: 'A program still needs it; the message names the program' },
    async handler({ actor, params: { template_id }, query }) {
      await service.remove(actor, template_id, query.force === 1);
      return true as const;
    },
  });
}

function mediaRoutes(service: TemplateService): AnyRoute[] {
  const rule = { permission: 'template_create', params, upload, response: newId };
  const description =
    'The body is the file itself (any Content-Type; the name from Content-Disposition), or multipart with several. ' +
    'JSON files go as multipart.';
  return [
    defineRoute({
      ...rule,
      method: 'put',
      ...at('/media'),
      summary: 'Replace the attachments',
      description,
      handler: ({ actor, params: { template_id }, files }) =>
        service.attach(actor, template_id, required(files), { replace: true }),
    }),
    defineRoute({
      ...rule,
      method: 'post',
      ...at('/media'),
      summary: 'Add attachments',
      description,
      handler: ({ actor, params: { template_id }, files }) =>
        service.attach(actor, template_id, required(files), { replace: false }),
    }),
    defineRoute({
      method: 'delete',
      ...at('/media'),
      permission: 'template_update',
      summary: 'Remove all attachments',
      params,
      response: done,
      async handler({ actor, params: { template_id } }) {
        await service.detach(actor, template_id);
        return true as const;
      },
    }),
    defineRoute({
      method: 'delete',
      ...at('/media/{n}'),
      permission: 'template_update',
      summary: 'Remove one attachment; later ones move up',
      params: oneParams,
      response: done,
      async handler({ actor, params: { template_id, n } }) {
        await service.detach(actor, template_id, n);
        return true as const;
      },
    }),
  ];
}

function downloadRoutes(service: TemplateService): AnyRoute[] {
  return [
    defineRoute({
      method: 'get',
      path: `${BASE}/download`,
      aliases: [{ path: `${SHORT}/download` }, { path: `${BASE}/media` }, { path: `${SHORT}/media` }],
      permission: 'template_read',
      summary: 'Download the attachment, or all of several as a zip archive',
      description: 'Guide line S31. 404 if there is none.',
      params,
      query: inlineQuery,
      handler: ({ actor, params: { template_id }, query, headers }) =>
        service.download(actor, template_id, { inline: query.inline === 1, headers }),
    }),
    defineRoute({
      method: 'get',
      ...at('/media/{n}'),
      permission: 'template_read',
      summary: 'Download one attachment',
      params: oneParams,
      query: inlineQuery,
      handler: ({ actor, params: { template_id, n }, query, headers }) =>
        service.download(actor, template_id, { n, inline: query.inline === 1, headers }),
    }),
  ];
}

function required(files: RouteRequest['files']): RouteRequest['files'] {
  if (files.length > 0) return files;
  throw new IctError('No file was sent: send it as the body with its own Content-Type, or as multipart/form-data', {
    code: 'UPLOAD_EMPTY',
    status: 411,
  });
}
