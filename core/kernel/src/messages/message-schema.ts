import { z } from '@ictcore/contract';
import { flag, rowId } from '../http/fields';

/** Body of `POST …/{id}/preview`. */
export const previewInput = z
  .object({
    contact_id: rowId().optional().describe('Whose values the tokens take; without one they stay as written'),
  })
  .meta({ id: 'PreviewRequest' });

/** Query of a message's DELETE. */
export const forceQuery = z.object({
  force: flag().optional().describe('1: also while a program still needs it (administrators only)'),
});
