import { type AnyRoute, defineRoute, z } from '@ictcore/contract';
import { crudRoutes, done } from '../../http/crud-routes';
import { idParam } from '../../http/fields';
import { forceQuery, previewInput } from '../message-schema';
import { textCreate, textPreview, textRead, textSpec, textUpdate } from './text.schema';
import type { TextService } from './text.service';

const params = z.object({ text_id: idParam() });
const BASE = '/messages/texts';
const SHORT = '/texts';

/** S32 to S36 and the preview. */
export function textRoutes(service: TextService): AnyRoute[] {
  const crud = crudRoutes({
    spec: textSpec,
    paths: [BASE, SHORT],
    service,
    create: textCreate,
    update: textUpdate,
    read: textRead,
    lines: ['S32', 'S33', 'S34', 'S35', 'S36'],
  });
  return [
    ...crud.filter((route) => route.method !== 'delete'),
    defineRoute({
      method: 'delete',
      path: `${BASE}/{text_id}`,
      aliases: [{ path: `${SHORT}/{text_id}` }],
      permission: 'text_delete',
      summary: 'Delete a text',
      description: 'Guide line S36. Refused while a program with unfinished transmissions uses it.',
      params,
      query: forceQuery,
      response: done,
      errors: { 423: 'A program still needs it; the message names the program' },
      async handler({ actor, params: { text_id }, query }) {
        await service.remove(actor, text_id, query.force === 1);
        return true as const;
      },
    }),
    defineRoute({
      method: 'post',
      path: `${BASE}/{text_id}/preview`,
      aliases: [{ path: `${SHORT}/{text_id}/preview` }],
      permission: ['text_read', 'contact_read'],
      summary: 'Show what a contact would get',
      params,
      body: previewInput,
      response: textPreview,
      handler: ({ actor, params: { text_id }, body }) => service.preview(actor, text_id, body.contact_id),
    }),
  ];
}
